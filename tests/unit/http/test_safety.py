"""What every answer says to browsers, who is slowed down, and what no log holds."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
import structlog

from ibex.adapters.system import NewToken, new_token
from ibex.domain.identity.model import Role
from ibex.domain.shared.errors import InvalidValue, Unauthenticated
from ibex.entrypoints.http.auth import MAX_FAILURES, Authenticator
from ibex.entrypoints.http.edge import Edge
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.logs import configure_logs
from tests.unit.http.support import FakeTokens, Ports, actor_with, build, client_of

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
# Method, path, body, status: each kind of answer that there is.
ANSWERS = [
    ("GET", "/health/live", None, 200),
    ("GET", "/openapi.json", None, 200),
    ("GET", "/docs", None, 200),
    ("GET", "/v1/me", None, 200),
    ("POST", "/v1/things", b'{"name": "a"}', 201),
    ("OPTIONS", "/v1/things", None, 204),
    ("GET", "/v1/things?limit=x", None, 422),
    ("POST", "/v1/things", b"{", 400),
    ("GET", "/v1/things/secret", None, 403),
    ("GET", "/v1/nothing", None, 404),
    ("DELETE", "/v1/things", None, 405),
    ("POST", "/v1/things", b" " * 2_000_000, 413),
    ("GET", "/v1/things/fail", None, 500),
]


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://test"])
async def test_every_answer_has_the_headers_and_none_opens_cors(
    client: httpx.AsyncClient, ports: Ports, origin: str | None
) -> None:
    ports.error = ZeroDivisionError()
    asked = {} if origin is None else {"origin": origin, "access-control-request-method": "POST"}
    for method, path, body, status in ANSWERS:
        kind = {"content-type": "application/json"} if body is not None else {}
        if status == 201:
            ports.error = None
        answer = await client.request(method, path, content=body, headers=asked | kind)
        ports.error = ZeroDivisionError()
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, f"{method} {path}"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"]
        assert not [name for name in answer.headers if name.startswith("access-control-")], f"{method} {path}"


async def test_an_etag_is_one_tokens(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/things/00000000-0000-0000-0000-000000000001")
    assert answer.headers["vary"] == "authorization"


async def guess(authenticator: Authenticator, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unauthenticated):
            await authenticator.actor(b"Bearer " + new_token().secret.encode(), address)


@pytest.mark.parametrize(
    ("addresses", "last"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        ([f"2001:db8:1:2::{n:x}" for n in range(1, 40)], "2001:db8:1:2:ffff::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
    ],
)
async def test_guessing_is_slowed_down_by_what_one_caller_has(addresses: list[str], last: str) -> None:
    authenticator = Authenticator(FakeTokens())
    for number in range(MAX_FAILURES):
        await guess(authenticator, addresses[number % len(addresses)], 1)
    with pytest.raises(Refusal, match="Too many invalid tokens"):
        await authenticator.actor(b"Bearer " + new_token().secret.encode(), last)
    await guess(authenticator, "192.0.2.77", 1)
    await guess(authenticator, "2001:db8:1:3::1", 1)


async def test_an_unknown_a_revoked_and_an_expired_token_cost_the_same_look_up(ports: Ports) -> None:
    # Whether it is revoked or expired is a condition of the one statement, so that no branch tells them apart.
    revoked = ports.tokens.issue(actor_with(Role.OWNER))
    del ports.tokens.actors[revoked.secret_hash]
    async with client_of(build(ports)) as client:
        for token in (new_token(), revoked):
            before = ports.tokens.asked
            await client.get("/v1/me", headers={"authorization": f"Bearer {token.secret}"})
            assert ports.tokens.asked == before + 1


@pytest.fixture
def restored_logs() -> object:
    """Puts the logs back as they were."""
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    yield None
    root.handlers[:], level = kept
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_log_line_holds_a_token_a_key_a_body_or_a_query(
    app: Edge,
    ports: Ports,
    token: NewToken,
    capfdbinary: pytest.CaptureFixture[bytes],
    restored_logs: object,  # noqa: ARG001
) -> None:
    wrong = new_token()
    configure_logs("info", lambda text: text)
    async with client_of(app, token) as client:
        await client.get("/v1/things?status=Qu3ryWord")
        headers = {"idempotency-key": "K3yWord"}
        await client.post("/v1/things", json={"name": "B0dyWord"}, headers=headers)
        ports.error = InvalidValue("B0dyWord is wrong.", field="name")
        await client.post("/v1/things", json={"name": "B0dyWord"}, headers=headers | {"idempotency-key": "K3yWord2"})
        ports.error = ZeroDivisionError("broken")
        await client.post("/v1/things", json={"name": "B0dyWord"})
        await client.get("/v1/me", headers={"authorization": f"Bearer {wrong.secret}"})
        await client.get("/v1/me", headers={"cookie": "C00kieWord=1"})
    written = capfdbinary.readouterr().out
    lines = [json.loads(line) for line in written.splitlines() if line.startswith(b"{")]
    assert len([line for line in lines if line["event"] == "request"]) == 6
    for secret in (token.secret, wrong.secret, "K3yWord", "B0dyWord", "Qu3ryWord", "C00kieWord"):
        assert secret.encode() not in written, secret
