"""The outermost layer, on a real socket where the wire matters."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from ibex.adapters.system import NewToken
from ibex.entrypoints.http.edge import Edge
from ibex.entrypoints.http.lifecycle import Lifecycle
from ibex.entrypoints.http.limits import EdgeLimits
from tests.unit.http.support import Ports, build, client_of, served
from tests.unit.http.test_problems import assert_problem


class Wire:
    """Requests written byte by byte."""

    def __init__(self, port: int, token: NewToken) -> None:
        self.port = port
        self.authorization = f"authorization: Bearer {token.secret}\r\nhost: localhost\r\n".encode()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> "Wire":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def send(self, head: str, body: bytes = b"") -> None:
        self.writer.write(head.encode() + b"\r\n" + self.authorization + b"\r\n" + body)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers and document."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(body) if body else {}


JSON_POST = "POST /v1/things HTTP/1.1\r\ncontent-type: application/json"


async def test_every_answer_carries_its_headers(client: httpx.AsyncClient) -> None:
    for path in ("/v1/me", "/v1/nothing", "/health/live"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "strict-transport-security" not in headers
        assert "server" not in headers


async def test_behind_the_platforms_edge_https_is_for_good(ports: Ports) -> None:
    async with client_of(build(ports, behind_proxy=True)) as client:
        assert "strict-transport-security" in (await client.get("/health/live")).headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "till-3.7:A_b"}, "till-3.7:A_b"),
        ({"x-railway-request-id": "rw-1"}, "rw-1"),
        ({"x-request-id": "mine", "x-railway-request-id": "rw-1"}, "mine"),
        ({"x-request-id": "a b"}, None),
        ({"x-request-id": 'a"b'}, None),
        ({"x-request-id": "x" * 129}, None),
        ({"x-request-id": ""}, None),
        ({}, None),
    ],
)
async def test_the_request_id_comes_back(
    headers: dict[str, str], expected: str | None, client: httpx.AsyncClient
) -> None:
    given = (await client.get("/health/live", headers=headers)).headers["x-request-id"]
    if expected is None:
        assert len(given) == 24
        assert given not in headers.values()
    else:
        assert given == expected


@pytest.mark.parametrize(
    ("behind_proxy", "header", "expected"),
    [
        (True, "203.0.113.9", "203.0.113.9"),
        (True, "2001:DB8::1", "2001:db8::1"),
        (True, "evil", "127.0.0.1"),
        (True, None, "127.0.0.1"),
        (False, "203.0.113.9", "127.0.0.1"),
    ],
)
async def test_a_clients_address_is_believed_only_of_the_platform(
    behind_proxy: bool, header: str | None, expected: str, ports: Ports, token: NewToken
) -> None:
    seen: list[str] = []

    class Ear:
        def answered(self, exchange: Any, scope: Any, seconds: float) -> None:
            seen.append(exchange.address)
            assert scope["path_template"] == "/v1/me"
            assert seconds > 0

    async with client_of(build(ports, behind_proxy=behind_proxy, observers=(Ear(),)), token) as client:
        await client.get(
            "/v1/me", headers={} if header is None else {"x-real-ip": header, "x-forwarded-for": "1.2.3.4"}
        )
    assert seen == [expected]


async def test_a_body_that_says_it_is_too_large_is_not_read(app: Edge, token: NewToken) -> None:
    async with served(app) as port, Wire(port, token) as wire:
        await wire.send(f"{JSON_POST}\r\nexpect: 100-continue\r\ncontent-length: {10 * 1024 * 1024 * 1024}")
        status, _, problem = await wire.answer()
        assert (status, problem["code"]) == (413, "body_too_large")


async def test_a_chunked_body_is_cut_off_at_the_limit(app: Edge, token: NewToken) -> None:
    async with served(app) as port, Wire(port, token) as wire:
        await wire.send(f"{JSON_POST}\r\ntransfer-encoding: chunked")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(17):
            wire.writer.write(chunk)
        await wire.writer.drain()
        status, _, problem = await wire.answer()
        assert (status, problem["code"]) == (413, "body_too_large")


async def test_a_body_of_just_the_limit_is_taken(app: Edge, token: NewToken) -> None:
    body = b'{"name":"a"}'.ljust(1024 * 1024)
    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        client.headers["authorization"] = f"Bearer {token.secret}"
        sent = {"content": body, "headers": {"content-type": "application/json"}}
        assert (await client.post("/v1/things", **sent)).status_code == 201  # type: ignore[arg-type]
        sent["content"] = body + b" "
        assert (await client.post("/v1/things", **sent)).status_code == 413  # type: ignore[arg-type]
        sent["content"] = body * 20
        assert (await client.post("/v1/things", **sent)).status_code == 413  # type: ignore[arg-type]
        assert (await client.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        "GET /v1/me HTTP/1.1\r\ncontent-length: -1",
        "GET /v1/me HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2",
        "GET /v1/me HTTP/1.1\r\nbad header",
        "GET  /v1/me HTTP/9",
        "\x16\x03\x01",
    ],
)
async def test_what_is_no_http_is_400_at_most(head: str, app: Edge, token: NewToken) -> None:
    async with served(app) as port, Wire(port, token) as wire:
        await wire.send(head)
        answer = await asyncio.wait_for(wire.reader.read(1000), 5)
        assert answer == b"" or b" 400 " in answer.split(b"\r\n")[0]


async def test_a_slow_body_is_given_up_and_takes_no_place(ports: Ports, token: NewToken) -> None:
    app = build(ports, limits=EdgeLimits(body_seconds=0.4, in_flight=1))
    async with served(app) as port, Wire(port, token) as slow, Wire(port, token) as quick:
        await slow.send(f"{JSON_POST}\r\ncontent-length: 100", b'{"na')
        await asyncio.sleep(0.1)
        assert app.in_flight == 0
        await quick.send("GET /v1/me HTTP/1.1")
        assert (await quick.answer())[0] == 200
        status, headers, problem = await slow.answer()
        assert (status, problem["code"]) == (408, "request_timeout")
        assert headers["connection"] == "close"


async def test_a_caller_that_hangs_up_is_no_defect(
    app: Edge, token: NewToken, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(app) as port:
        async with Wire(port, token) as wire:
            await wire.send(f"{JSON_POST}\r\ncontent-length: 100", b'{"na')
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)
    assert "internal_error" not in capsys.readouterr().out


async def test_more_than_can_be_served_is_refused_at_once(ports: Ports, token: NewToken) -> None:
    app = build(ports, limits=EdgeLimits(in_flight=2))
    async with client_of(app, token) as client:
        waiting = [asyncio.ensure_future(client.post("/v1/things/wait", json={"name": "a"})) for _ in range(2)]
        while app.in_flight < 2:  # noqa: ASYNC110 - it is a plain number
            await asyncio.sleep(0.01)
        for response in (await client.get("/v1/me"), await client.post("/v1/things", json={"name": "a"})):
            assert_problem(response, 503, "overloaded")
            assert response.headers["retry-after"] == "1"
        assert (await client.get("/health/live")).status_code == 200
        ports.gate.set()
        assert [response.status_code for response in await asyncio.gather(*waiting)] == [201, 201]
        assert app.in_flight == 0
        assert (await client.get("/v1/me")).status_code == 200


async def test_a_request_has_a_deadline(ports: Ports, token: NewToken) -> None:
    app = build(ports, limits=EdgeLimits(request_seconds=0.2))
    async with client_of(app, token) as client:
        began = time.monotonic()
        response = await client.post("/v1/things/wait", json={"name": "a"})
        assert time.monotonic() - began < 2
        problem = assert_problem(response, 503, "outcome_unknown")
        assert "Idempotency-Key" in str(problem["detail"])
        assert (await client.get("/v1/things/slow")).status_code == 200, "it may take 30 seconds"
        ports.tokens.delay_seconds = 5
    async with client_of(build(ports, limits=EdgeLimits(request_seconds=0.2)), token) as client:
        assert_problem(await client.get("/v1/me"), 503, "temporarily_unavailable")
        assert app.in_flight == 0


async def test_readiness_follows_the_database_and_the_process(ports: Ports) -> None:
    lifecycle = Lifecycle()
    async with client_of(build(ports, lifecycle=lifecycle)) as client:
        assert (await client.get("/health/ready")).json() == {"status": "ready"}
        ports.readiness.answer = "The database did not answer in time."
        problem = assert_problem(await client.get("/health/ready"), 503, "not_ready")
        assert problem["detail"] == "The database did not answer in time."
        assert (await client.get("/health/live")).status_code == 200
        ports.readiness.answer = None
        lifecycle.drain()
        response = await client.get("/health/ready")
        assert_problem(response, 503, "draining")
        assert response.headers["connection"] == "close"
        assert (await client.get("/health/live")).status_code == 200


async def test_while_draining_requests_are_still_served(ports: Ports, token: NewToken) -> None:
    lifecycle = Lifecycle()
    lifecycle.drain()
    async with client_of(build(ports, lifecycle=lifecycle), token) as client:
        response = await client.post("/v1/things", json={"name": "a"})
    assert response.status_code == 201
    assert response.headers["connection"] == "close"


async def test_me(client: httpx.AsyncClient) -> None:
    me = (await client.get("/v1/me")).json()
    assert me["operator_name"] == "Ann"
    assert me["role"] == "CASHIER"
    assert "sales:write" in me["permissions"]
    assert me["store"]["currency"] == "EUR"
    assert me["store"]["currency_decimals"] == 2
    assert me["store"]["cash_rounding"] == "0"
    assert me["store"]["day_starts_at"] == "00:00"
