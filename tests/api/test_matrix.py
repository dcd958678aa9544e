"""Who may do what: every route of the contract x every role x every kind of token, made from the contract itself.

A new route is in the matrix by being in the contract; a route that is not in the contract does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.domain.identity.model import PERMISSIONS_BY_ROLE, Permission, Role
from ibex.domain.identity.opening import IssueToken
from ibex.domain.identity.secrets import compose_secret
from ibex.entrypoints.http import auth
from ibex.entrypoints.http.access import PUBLIC_PATHS
from ibex.entrypoints.http.app import CONTROLLERS
from ibex.entrypoints.http.openapi import openapi_document
from tests.api.client import Api, Service, Shop

METHODS: Final = ("get", "post", "put", "patch", "delete")
WRITES: Final = frozenset({"post", "put", "patch"})


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of the contract."""

    method: str
    path: str
    permission: Permission | None
    has_body: bool

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def routes() -> list[Route]:
    """Every operation that needs a token."""
    found = []
    for path, item in openapi_document(CONTROLLERS)["paths"].items():
        for method in METHODS:
            if method in item and path not in PUBLIC_PATHS:
                operation = item[method]
                wanted = operation.get("x-permission")
                known = {permission.value: permission for permission in Permission}
                found.append(Route(method, path, known.get(wanted), "requestBody" in operation))
    return found


ROUTES: Final = routes()


async def ask(api: Api, route: Route) -> httpx.Response:
    """The route with ids of nothing, and a body of nothing."""
    path = route.path
    while "{" in path:
        before, _, rest = path.partition("{")
        name, _, after = rest.partition("}")
        path = before + (str(uuid4()) if name.endswith("_id") else "1") + after
    body = b"{}" if route.has_body else None
    return await api.request(route.method.upper(), path, content=body)


def test_the_matrix_covers_the_contract() -> None:
    assert len(ROUTES) >= 30
    assert {route.permission for route in ROUTES} - {None} <= set(Permission)


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_may_what_its_permissions_say_and_nothing_else(shop: Shop, role: Role) -> None:
    api = await shop.as_role(role)
    wrong = []
    for route in ROUTES:
        answer = await ask(api, route)
        allowed = route.permission is None or route.permission in PERMISSIONS_BY_ROLE[role]
        refused = answer.status_code == 403
        if answer.status_code in (401, 429) or answer.status_code >= 500 or refused is allowed:
            wrong.append(f"{role.value} {route}: {answer.status_code}, allowed is {allowed}")
        if refused and answer.json()["code"] != "permission_refused":
            wrong.append(f"{role.value} {route}: {answer.json()['code']}")
    assert wrong == []


async def test_a_token_without_scopes_may_nothing_that_needs_a_permission(shop: Shop) -> None:
    narrow = await shop.with_token(Role.OWNER, operator="narrow", scopes=frozenset({Permission.EVENTS_READ}))
    guarded = [route for route in ROUTES if route.permission not in (None, Permission.EVENTS_READ)]
    assert guarded
    for route in guarded:
        assert (await ask(narrow, route)).status_code == 403, str(route)


async def _tokens_that_are_not_valid(shop: Shop) -> dict[str, str | None]:
    registry = shop.service.stores
    issue = IssueToken(registry, SystemSecrets(), SystemClock(), Uuid7Source())
    _, token, revoked = await issue(shop.store_id, operator="gone", role=Role.OWNER)
    await registry.revoke(shop.store_id, token.id, SystemClock().now())
    later = SystemClock().now() + timedelta(days=1)
    _, token, expired = await issue(shop.store_id, operator="late", role=Role.OWNER, expires_at=later)
    await shop.execute(
        "UPDATE ibex.api_tokens SET expires_at = now() - interval '1 second' WHERE store_id = $1 AND id = $2",
        shop.store_id,
        token.id,
    )
    return {
        "none": None,
        "revoked": revoked.text,
        "expired": expired.text,
        "unknown": compose_secret(b"\x07" * 32),
        "malformed": "ibex_live_nonsense",
        "of another scheme": "a.b.c",
    }


async def test_without_a_valid_token_every_route_gives_the_same_answer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The brake on guessing is tested by itself; here it would hide what the routes answer.
    monkeypatch.setattr(auth.FailureLimiter, "failed", lambda *_: None)
    details = set()
    for kind, text in (await _tokens_that_are_not_valid(shop)).items():
        api = Api(shop.service.http, text)
        for route in ROUTES:
            answer = await ask(api, route)
            assert answer.status_code == 401, f"{kind} {route}: {answer.status_code}"
            assert answer.headers["www-authenticate"].startswith("Bearer")
            problem: dict[str, Any] = answer.json()
            assert problem["code"] == "unauthenticated"
            if kind != "none":
                details.add(problem["detail"])
    # Nobody can tell a revoked token from one that never was.
    assert len(details) == 1


async def test_public_routes_answer_anybody(service: Service) -> None:
    for path in ("/health/live", "/health/ready", "/openapi.json", "/docs"):
        answer = await service.http.get(path)
        assert answer.status_code == 200, path
