"""Webhooks over the API: keeping them and their secrets; the log and the replays as far as no worker is needed."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from standardwebhooks import Webhook

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Json, Shop, problem

URL = "https://hooks.shop.com/ibex"


async def make(api: Api, **fields: Any) -> Json:
    made: Json = await api.post("/v1/webhooks", {"url": URL} | fields)
    return made


async def test_a_webhook_and_its_secret_which_is_shown_once(shop: Shop, api: Api) -> None:
    body = {"url": URL, "description": "Accounts", "event_types": ["invoice.*", "payment.received"]}
    first = await api.request("POST", "/v1/webhooks", json=body, key="hook-1")
    assert first.status_code == 201
    made = first.json()
    assert first.headers["location"] == f"/v1/webhooks/{made['id']}"
    assert made["secret"].startswith("whsec_")
    Webhook(made["secret"])
    assert (made["status"], made["version"], made["event_types"]) == ("ENABLED", 1, body["event_types"])
    again = await api.request("POST", "/v1/webhooks", json=body, key="hook-1")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == made | {"secret": None}
    assert await api.get(f"/v1/webhooks/{made['id']}") == made | {"secret": None}
    [listed] = await api.all("/v1/webhooks")
    assert listed == made | {"secret": None}
    kept = await shop.rows("SELECT body FROM ibex.idempotency_keys WHERE store_id = $1")
    audit = await shop.rows("SELECT after::text FROM ibex.audit_entries WHERE store_id = $1")
    assert made["secret"] not in repr(kept) + repr(audit)
    [secret] = (await api.get(f"/v1/webhooks/{made['id']}/secrets"))["items"]
    assert secret["secret"] is None


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 422, "invalid_request", "url"),
        ({"url": "http://hooks.shop.com/"}, 422, "invalid_value", "url"),
        ({"url": "https://127.0.0.1/"}, 422, "invalid_value", "url"),
        ({"url": "https://metadata.google.internal/"}, 422, "invalid_value", "url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, 422, "invalid_value", "url"),
        ({"url": "https://u:PASSWORD@hooks.shop.com/"}, 422, "invalid_value", "url"),
        ({"url": URL, "event_types": []}, 422, "invalid_request", "event_types"),
        ({"url": URL, "event_types": ["*"]}, 422, "invalid_request", "event_types[0]"),
        ({"url": URL, "event_types": ["a.b", "a.b"]}, 422, "invalid_value", "event_types"),
        ({"url": URL, "secret": "whsec_mine"}, 422, "invalid_request", "secret"),
        ({"url": URL, "description": "\u0007"}, 422, "invalid_request", "description"),
    ],
)
async def test_what_cannot_be_a_webhook(api: Api, body: Json, status: int, code: str, field: str) -> None:
    problem(await api.request("POST", "/v1/webhooks", json=body), status, code, field=field)
    assert await api.all("/v1/webhooks") == []


async def test_change_disable_enable_archive(api: Api) -> None:
    made = await make(api)
    path = f"/v1/webhooks/{made['id']}"
    changed = await api.request("PATCH", path, json={"description": "x"}, headers={"if-match": '"v1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"v2"')
    stale = await api.request("PATCH", path, json={"description": "y"}, headers={"if-match": '"v1"'})
    problem(stale, 412, "precondition_failed")
    off = await api.patch(path, {"enabled": False})
    assert (off["status"], off["disabled_because"]) == ("DISABLED", "OPERATOR")
    on = await api.patch(path, {"enabled": True, "event_types": None})
    assert (on["status"], on["disabled_because"], on["event_types"]) == ("ENABLED", None, None)
    problem(await api.request("PATCH", path, json={"url": "https://10.0.0.1/"}), 422, "invalid_value", field="url")
    ended = await api.post(f"{path}/archive", expect=200)
    assert ended["status"] == "ARCHIVED"
    assert (await api.post(f"{path}/archive", expect=200))["version"] == ended["version"]
    problem(await api.request("PATCH", path, json={"enabled": True}), 409, "invalid_transition")
    problem(await api.request("POST", f"{path}/secrets"), 409, "invalid_transition")
    assert await api.all("/v1/webhooks") == []
    assert [hook["id"] for hook in await api.all("/v1/webhooks", archived="true")] == [made["id"]]


async def test_rotation(api: Api) -> None:
    made = await make(api)
    path = f"/v1/webhooks/{made['id']}/secrets"
    [old] = (await api.get(path))["items"]
    problem(await api.request("POST", f"{path}/{old['id']}/expire", json={}), 409, "invalid_transition")
    new = await api.post(path, key="rotate")
    assert new["secret"] not in (None, made["secret"])
    assert (await api.post(path, key="rotate"))["secret"] is None
    past = await api.request("POST", f"{path}/{old['id']}/expire", json={"expires_at": "2020-01-01T00:00:00Z"})
    problem(past, 422, "invalid_value", field="expires_at")
    ended = await api.post(f"{path}/{old['id']}/expire", {}, expect=200)
    assert ended["expires_at"] is not None
    problem(await api.request("POST", f"{path}/{new['id']}/expire", json={}), 409, "invalid_transition")
    problem(await api.request("POST", f"{path}/{uuid.uuid4()}/expire", json={}), 404, "not_found")
    for _ in range(4):
        await api.post(path)
    problem(await api.request("POST", path), 422, "limit_exceeded")


async def test_two_who_end_the_last_two_secrets_at_once_leave_one(api: Api) -> None:
    made = await make(api)
    path = f"/v1/webhooks/{made['id']}/secrets"
    await api.post(path)
    secrets = (await api.get(path))["items"]
    answers = await asyncio.gather(
        *(api.request("POST", f"{path}/{secret['id']}/expire", json={}) for secret in secrets)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert sum(secret["expires_at"] is None for secret in (await api.get(path))["items"]) == 1


async def test_a_store_has_so_many_webhooks(api: Api) -> None:
    for _ in range(20):
        await make(api)
    problem(await api.request("POST", "/v1/webhooks", json={"url": URL}), 422, "limit_exceeded")


async def test_the_log_and_replays_of_what_is_not_there(api: Api) -> None:
    made = await make(api)
    path = f"/v1/webhooks/{made['id']}"
    assert await api.all(f"{path}/deliveries") == []
    assert await api.all(f"{path}/deliveries", status="FAILED") == []
    problem(await api.request("GET", f"{path}/deliveries", params={"status": "LOST"}), 422, "invalid_request")
    for seq in ("7", "0", "99999999999999999999"):
        problem(await api.request("GET", f"{path}/deliveries/{seq}"), 404, "not_found")
        problem(await api.request("POST", f"{path}/deliveries/{seq}/replay"), 404, "not_found")
    for body, field in (({"from_seq": 0}, "from_seq"), ({"from_seq": 5, "to_seq": 4}, "to_seq"), ({}, "from_seq")):
        refused = await api.request("POST", f"{path}/replay", json=body)
        assert refused.status_code == 422
        assert field in [error["field"] for error in refused.json()["errors"]]
    asked = await api.post(f"{path}/replay", {"from_seq": 1}, expect=202, key="again")
    assert (await api.get(f"{path}/replays/{asked['id']}"))["finished_at"] is None
    assert (await api.post(f"{path}/replay", {"from_seq": 1}, expect=202, key="again"))["id"] == asked["id"]
    problem(await api.request("GET", f"{path}/replays/{uuid.uuid4()}"), 404, "not_found")
    await api.patch(path, {"enabled": False})
    problem(await api.request("POST", f"{path}/replay", json={"from_seq": 1}), 409, "invalid_transition")


async def test_another_stores_webhooks_are_not_there(api: Api, foreign: Foreign) -> None:
    theirs = await make(foreign.shop.api)
    path = f"/v1/webhooks/{theirs['id']}"
    [secret] = (await foreign.shop.api.get(f"{path}/secrets"))["items"]
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"enabled": False}),
        ("POST", f"{path}/archive", None),
        ("GET", f"{path}/secrets", None),
        ("POST", f"{path}/secrets", None),
        ("POST", f"{path}/secrets/{secret['id']}/expire", {}),
        ("GET", f"{path}/deliveries", None),
        ("GET", f"{path}/deliveries/1", None),
        ("POST", f"{path}/deliveries/1/replay", None),
        ("POST", f"{path}/replay", {"from_seq": 1}),
        ("GET", f"{path}/replays/{uuid.uuid4()}", None),
    ):
        problem(await api.request(method, where, json=body), 404, "not_found")
    assert (await foreign.shop.api.get(path))["version"] == 1


async def test_who_may_what(shop: Shop) -> None:
    made = await make(shop.api)
    path = f"/v1/webhooks/{made['id']}"
    for role in (Role.MANAGER, Role.AUDITOR):
        reader = await shop.as_role(role)
        await reader.get(path)
        await reader.get("/v1/events")
        problem(await reader.request("POST", "/v1/webhooks", json={"url": URL}), 403, "permission_refused")
        problem(await reader.request("POST", f"{path}/secrets"), 403, "permission_refused")
        problem(await reader.request("POST", f"{path}/replay", json={"from_seq": 1}), 403, "permission_refused")
    cashier = await shop.as_role(Role.CASHIER)
    problem(await cashier.request("GET", path), 403, "permission_refused")
    problem(await cashier.request("GET", "/v1/events"), 403, "permission_refused")
