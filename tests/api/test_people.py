"""Operators, tokens, the store's settings and the audit trail, over the API."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from ibex.adapters.postgres.queries.audit import PostgresAuditChain
from ibex.domain.audit.chain import Link, SealAudit, VerifyAudit
from ibex.domain.identity.model import Permission, Role
from ibex.entrypoints.http import auth
from ibex_devtools.sandbox import Cluster
from tests.api.client import Api, Foreign, Shop


async def test_an_operator_is_added_gets_a_token_and_works(shop: Shop) -> None:
    operator = await shop.api.post("/v1/operators", {"name": "Bo", "role": "CASHIER"})
    token = await shop.api.post(f"/v1/operators/{operator['id']}/tokens", {"label": "till 1"})
    assert token["token"].startswith("ibex_live_")
    assert token["token"].startswith(token["prefix"])
    me = await Api(shop.service.http, token["token"]).get("/v1/me")
    assert (me["operator_name"], me["role"]) == ("Bo", "CASHIER")
    listed = await shop.api.all("/v1/tokens", operator_id=operator["id"])
    assert [(t["id"], t["token"]) for t in listed] == [(token["id"], None)]


async def test_a_secret_is_shown_once_and_kept_nowhere(shop: Shop) -> None:
    operator = await shop.api.post("/v1/operators", {"name": "Bo", "role": "CASHIER"})
    path = f"/v1/operators/{operator['id']}/tokens"
    first = await shop.api.post(path, {"label": "till"}, key="once")
    again = await shop.api.post(path, {"label": "till"}, key="once")
    assert again == first | {"token": None}
    kept = await shop.rows("SELECT body FROM ibex.idempotency_keys WHERE store_id = $1 AND key = 'once'")
    assert first["token"] not in kept[0]["body"]
    seen = await shop.rows("SELECT after::text AS t FROM ibex.audit_entries WHERE store_id = $1")
    assert not any(first["token"] in row["t"] for row in seen if row["t"])


async def test_scopes_narrow_what_a_token_may(shop: Shop) -> None:
    body = {"label": "reader", "scopes": [Permission.CATALOG_READ.value]}
    token = await shop.api.post(f"/v1/operators/{shop.owner_id}/tokens", body)
    reader = Api(shop.service.http, token["token"])
    await reader.get("/v1/products")
    problem = await reader.post("/v1/products", {"sku": "X", "name": "X", "unit_price": "1"}, expect=403)
    assert problem["code"] == "permission_refused"


async def test_a_rotated_token_gives_way_to_its_successor(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "ACTOR_SECONDS", 0.0)
    old = await shop.api.post(f"/v1/operators/{shop.owner_id}/tokens", {"label": "till"})
    new = await shop.api.post(f"/v1/tokens/{old['id']}/rotate", {})
    await Api(shop.service.http, new["token"]).get("/v1/me")
    await Api(shop.service.http, old["token"]).get("/v1/me", expect=401)
    problem = await shop.api.post(f"/v1/tokens/{old['id']}/rotate", {}, expect=409)
    assert problem["code"] == "invalid_transition"


async def test_a_revoked_token_is_refused_and_revoking_again_changes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "ACTOR_SECONDS", 0.0)
    token = await shop.api.post(f"/v1/operators/{shop.owner_id}/tokens", {"label": "till"})
    first = await shop.api.post(f"/v1/tokens/{token['id']}/revoke", expect=200)
    again = await shop.api.post(f"/v1/tokens/{token['id']}/revoke", expect=200)
    assert first["revoked_at"] == again["revoked_at"] is not None
    await Api(shop.service.http, token["token"]).get("/v1/me", expect=401)


async def test_an_operator_who_left_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "ACTOR_SECONDS", 0.0)
    operator = await shop.api.post("/v1/operators", {"name": "Bo", "role": "CASHIER"})
    token = await shop.api.post(f"/v1/operators/{operator['id']}/tokens", {"label": "till"})
    await shop.api.patch(f"/v1/operators/{operator['id']}", {"active": False})
    await Api(shop.service.http, token["token"]).get("/v1/me", expect=401)


async def test_the_last_owner_stays_even_when_two_let_each_other_go(shop: Shop) -> None:
    problem = await shop.api.patch(f"/v1/operators/{shop.owner_id}", {"role": "MANAGER"}, expect=409)
    assert problem["code"] == "last_owner"
    other = await shop.api.post("/v1/operators", {"name": "Eve", "role": "OWNER"})
    changes = [
        shop.api.request("PATCH", f"/v1/operators/{who}", json={"active": False})
        for who in (shop.owner_id, other["id"])
    ]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*changes))
    assert statuses == [200, 409]


@pytest.mark.parametrize("role", [Role.MANAGER, Role.CASHIER, Role.AUDITOR])
async def test_only_an_owner_lets_people_in(shop: Shop, role: Role) -> None:
    by = await shop.as_role(role)
    problem = await by.post("/v1/operators", {"name": "Bo", "role": "OWNER"}, expect=403)
    assert problem["code"] == "permission_refused"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"label": "x", "scopes": ["everything"]}, "scopes[0]"),
        ({"label": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"label": "x", "expires_at": "2090-01-01T00:00:00"}, "expires_at"),
        ({"label": ""}, "label"),
        ({}, "label"),
    ],
)
async def test_bad_tokens_are_refused_by_field(shop: Shop, body: dict[str, Any], field: str) -> None:
    problem = await shop.api.post(f"/v1/operators/{shop.owner_id}/tokens", body, expect=422)
    assert problem["errors"][0]["field"] == field


async def test_another_stores_people_are_not_there(shop: Shop, foreign: Foreign) -> None:
    theirs = foreign.shop
    token = (await theirs.api.all("/v1/tokens"))[0]
    await shop.api.get(f"/v1/operators/{theirs.owner_id}", expect=404)
    await shop.api.patch(f"/v1/operators/{theirs.owner_id}", {"name": "Mallory"}, expect=404)
    await shop.api.post(f"/v1/operators/{theirs.owner_id}/tokens", {"label": "x"}, expect=404)
    await shop.api.post(f"/v1/tokens/{token['id']}/revoke", expect=404)
    await shop.api.post(f"/v1/tokens/{token['id']}/rotate", {}, expect=404)
    assert await shop.api.all("/v1/tokens", operator_id=str(theirs.owner_id)) == []


async def test_the_stores_settings_change_and_hold_for_new_documents(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "ACTOR_SECONDS", 0.0)
    before = await shop.api.get("/v1/store")
    after = await shop.api.patch(
        "/v1/store", {"cash_rounding": "0.05", "day_starts_at": "04:00"}, headers={"if-match": '"v1"'}
    )
    assert after == before | {"cash_rounding": "0.05", "day_starts_at": "04:00", "version": 2}
    await shop.api.patch("/v1/store", {"name": "Late"}, headers={"if-match": '"v1"'}, expect=412)
    fresh = await shop.api.post(f"/v1/operators/{shop.owner_id}/tokens", {"label": "fresh"})
    product = await shop.make_product(unit_price="9.98")
    sale = await shop.sell(product, by=Api(shop.service.http, fresh["token"]))
    assert (sale["rounding"], sale["total"]) == ("0.02", "10.00")
    for bad in (
        {"day_starts_at": "25:00"},
        {"time_zone": "Mars/Base"},
        {"cash_rounding": "0.001"},
        {"currency": "USD"},
    ):
        problem = await shop.api.patch("/v1/store", bad, expect=422)
        assert problem["errors"][0]["field"] == next(iter(bad))


async def test_the_audit_says_who_what_when_before_and_after(shop: Shop) -> None:
    product = await shop.make_product(unit_price="1.00")
    await shop.api.patch(f"/v1/products/{product['id']}", {"unit_price": "2.00"})
    (changed,) = await shop.api.all("/v1/audit", action="product.changed")
    assert changed["entity_id"] == product["id"]
    assert (changed["before"]["unit_price"], changed["after"]["unit_price"]) == ("1.00", "2.00")
    assert changed["operator_name"] == "Ada"
    assert changed["request_id"]
    assert changed["address"] == "127.0.0.1"
    everything = await shop.api.all("/v1/audit")
    assert [entry["seq"] for entry in everything] == list(range(len(everything), 0, -1))
    assert everything[-1]["action"] == "store.opened"


async def test_the_seal_holds_and_names_the_first_break(shop: Shop, cluster: Cluster, database_name: str) -> None:
    chain = PostgresAuditChain(shop.service.database)
    for _ in range(5):
        await shop.make_product()
    sealed = await SealAudit(chain)(shop.store_id)
    assert sealed == 6
    await shop.make_product()
    verdict = await VerifyAudit(chain)(shop.store_id)
    assert (verdict.intact, verdict.sealed, verdict.unsealed) == (True, 6, 1)
    noted = verdict.head
    assert await SealAudit(chain)(shop.store_id) == 1
    assert (await VerifyAudit(chain)(shop.store_id, expect=noted)).intact
    assert not (await VerifyAudit(chain)(shop.store_id, expect=Link(seq=3, link=b"x" * 32))).intact

    # What only somebody with the database in their hands can do: the trigger is switched off for it.
    tamper = "ALTER TABLE ibex.audit_entries {0} TRIGGER audit_entries_append_only"
    script = (
        f"{tamper.format('DISABLE')};"
        f"UPDATE ibex.audit_entries SET operator_id = operator_id, action = 'product.changed' "
        f"WHERE store_id = '{shop.store_id}' AND seq = 4;"
        f"{tamper.format('ENABLE')};"
    )
    cluster.execute(script, database=database_name)
    verdict = await VerifyAudit(chain)(shop.store_id)
    assert (verdict.broken_at, verdict.why) == (4, "the entry is not what was sealed")


async def test_the_audit_trail_cannot_be_changed(shop: Shop) -> None:
    for statement in (
        "UPDATE ibex.audit_entries SET action = 'x' WHERE store_id = $1",
        "DELETE FROM ibex.audit_entries WHERE store_id = $1",
        "DELETE FROM ibex.operators WHERE store_id = $1",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await shop.execute(statement, shop.store_id)
        assert refused.value.sqlstate == "IB020"
