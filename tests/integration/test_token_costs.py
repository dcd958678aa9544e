"""A token that never was, one that was revoked, one that ended and one of somebody who left: nobody can tell which.

They get the same answer to the byte, and cost the same statements, counted on the wire and not by the clock.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import httpx

from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source, new_token
from ibex.domain.identity.model import Role
from ibex.domain.identity.opening import IssueToken
from ibex.domain.identity.secrets import hash_secret
from ibex_devtools.neon import NeonStandIn
from tests.api.client import Api, Shop
from tests.integration import test_round_trips as wire

_names, neon, counted, shop = wire._names, wire.neon, wire.counted, wire.shop

# One of each way in: no permission, a read, a write with a good and with a bad body, and a list.
REQUESTS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("GET", "/v1/me", {}),
    ("GET", "/v1/reports/tax?from=2026-01-01&to=2026-01-31", {}),
    ("POST", "/v1/products", {"json": {"sku": "A", "name": "A", "unit_price": "1.00"}, "key": "one"}),
    ("POST", "/v1/sales", {"content": b"{"}),
    ("GET", "/v1/products?limit=1", {}),
    ("GET", "/v1/invoices/01a21040-6830-7251-bb30-ca0f1bb92f78", {"headers": {"if-none-match": '"v1"'}}),
)


async def dead_tokens(shop: Shop) -> dict[str, str]:
    """One of each kind, all well-formed."""
    registry, clock = shop.service.stores, SystemClock()
    issue = IssueToken(registry, SystemSecrets(), clock, Uuid7Source())

    async def issued(operator: str) -> tuple[Any, str]:
        _, token, secret = await issue(shop.store_id, operator=operator, role=Role.OWNER)
        return token.id, secret.text

    (revoked_id, revoked), (expired_id, expired), (_, left) = [await issued(name) for name in ("R", "E", "Gone")]
    await registry.revoke(shop.store_id, revoked_id, clock.now() - timedelta(hours=1))
    await shop.execute(
        "UPDATE ibex.api_tokens SET expires_at = now() - interval '1 hour' WHERE store_id = $1 AND id = $2",
        shop.store_id,
        expired_id,
    )
    await shop.execute("UPDATE ibex.operators SET active = false WHERE store_id = $1 AND name = 'Gone'", shop.store_id)
    return {"unknown": new_token().secret, "revoked": revoked, "expired": expired, "of somebody who left": left}


def without_chance(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    """All of an answer but the time and the request's id."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in ("date", "x-request-id")]
    return answer.status_code, headers, answer.text.replace(answer.headers["x-request-id"], "")


async def test_no_dead_token_is_told_from_another(shop: Shop, neon: NeonStandIn) -> None:
    tokens = await dead_tokens(shop)
    await Api(shop.service.http, new_token().secret).request("GET", "/v1/me")  # the statement is prepared
    for method, path, options in REQUESTS:
        answers, costs = [], []
        for text in tokens.values():
            with neon.recording() as traffic:
                answer = await Api(shop.service.http, text).request(method, path, **options)
            assert answer.status_code == 401, answer.text
            answers.append(without_chance(answer))
            costs.append((traffic.round_trips, tuple(traffic.texts)))
        assert all(answer == answers[0] for answer in answers), f"{method} {path}: {answers}"
        assert all(cost == costs[0] for cost in costs), f"{method} {path}: {costs}"
        assert costs[0][0] == 1


async def test_a_dead_token_costs_what_a_new_good_one_costs(shop: Shop, neon: NeonStandIn) -> None:
    tokens = await dead_tokens(shop) | {"good": (await shop.with_token(Role.CASHIER)).token or ""}
    await Api(shop.service.http, new_token().secret).request("GET", "/v1/me")
    trips = {}
    for kind, text in tokens.items():
        with neon.recording() as traffic:
            answer = await Api(shop.service.http, text).request("GET", "/v1/me")
        assert (answer.status_code == 200) is (kind == "good")
        trips[kind] = traffic.round_trips
    assert set(trips.values()) == {1}, trips


async def test_no_dead_token_is_told_from_another_by_the_form_of_the_reports(shop: Shop, neon: NeonStandIn) -> None:
    answers, costs = [], []
    http = shop.service.http
    await http.post("/reports/sign-in", data={"token": new_token().secret})
    for text in (await dead_tokens(shop)).values():
        with neon.recording() as traffic:
            answers.append(without_chance(await http.post("/reports/sign-in", data={"token": text})))
        costs.append(traffic.round_trips)
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 401
    assert costs == [1] * len(answers)


async def test_no_dead_session_is_told_from_another(shop: Shop, neon: NeonStandIn) -> None:
    http, sessions = shop.service.http, {}
    for kind in ("ended", "of a token that was revoked", "never was"):
        issue = IssueToken(shop.service.stores, SystemSecrets(), SystemClock(), Uuid7Source())
        _, token, secret = await issue(shop.store_id, operator=kind, role=Role.OWNER)
        opened = await http.post("/reports/sign-in", data={"token": secret.text})
        assert opened.status_code == 303, opened.text
        sessions[kind] = opened.headers["set-cookie"].partition("=")[2].partition(";")[0]
        if kind == "of a token that was revoked":
            await shop.service.stores.revoke(shop.store_id, token.id, SystemClock().now())
    http.cookies.clear()
    ended = hash_secret(sessions["ended"])
    await shop.execute(
        "UPDATE ibex.report_sessions SET expires_at = created_at + interval '1 microsecond' WHERE secret_hash = $1",
        ended,
    )
    sessions["never was"] = new_token().secret
    await http.get("/reports", headers={"cookie": f"ibex-reports={new_token().secret}"})
    answers, costs = [], []
    for text in sessions.values():
        with neon.recording() as traffic:
            answers.append(without_chance(await http.get("/reports", headers={"cookie": f"ibex-reports={text}"})))
        costs.append((traffic.round_trips, tuple(traffic.texts)))
    assert all(answer == answers[0] for answer in answers), answers
    assert answers[0][0] == 303
    assert all(cost == costs[0] for cost in costs), costs
    assert costs[0][0] == 1
