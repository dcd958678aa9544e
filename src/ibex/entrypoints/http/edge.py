"""The outermost layer: what every request gets before routing and every answer on its way out.

Plain ASGI, one wrapper of ``send`` and, for requests with a body, one of ``receive``: this runs for every
sale.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

import structlog

from ibex.entrypoints.http.exchange import ANSWER_SECONDS, Call, Exchange, NoDatabase
from ibex.entrypoints.http.lifecycle import Lifecycle
from ibex.entrypoints.http.limits import EdgeLimits
from ibex.entrypoints.http.problems import (
    MEDIA_TYPE,
    SAFE_METHODS,
    build_problem,
    encode_problem,
    problem_headers,
)
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.services import Services
from ibex.entrypoints.http.tracing import Trace, Tracer, trace_id_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

log = structlog.get_logger("ibex.http")

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z")
_HEALTH: Final = "/health/"
_CLOSE: Final = (b"connection", b"close")
_DEFAULT_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=63072000")


class Observer(Protocol):
    """Hears of every answer: logs, metrics."""

    def answered(self, exchange: Exchange, scope: Scope, seconds: float) -> None:
        """Must be quick, and must not raise."""
        ...


class Edge:
    """Request ids, client addresses, bounds, security headers and the access log, around the application."""

    def __init__(
        self,
        app: App,
        services: Services,
        *,
        limits: EdgeLimits,
        lifecycle: Lifecycle,
        begin_call: Callable[[float], Call] = NoDatabase,
        behind_proxy: bool,
        observers: tuple[Observer, ...] = (),
        tracer: Tracer | None = None,
    ) -> None:
        """``behind_proxy``: Railway's edge is in front, sets X-Real-IP, and speaks TLS with the client."""
        self._tracer = tracer
        self.app = app
        self.in_flight = 0
        self.buffered_bytes = 0
        self._services = services
        self._limits = limits
        self._lifecycle = lifecycle
        self._begin_call = begin_call
        self._behind_proxy = behind_proxy
        self._observers = observers
        self._headers = (*_DEFAULT_HEADERS, _HSTS) if behind_proxy else _DEFAULT_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        headers = dict(scope["headers"])
        exchange = Exchange(
            services=self._services,
            request_id=_request_id(headers),
            address=self._address(scope, headers),
            raw_headers=headers,
            started=started,
            call=self._begin_call(started + self._limits.request_seconds - ANSWER_SECONDS),
        )
        exchange.attach(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        trace = self._trace(exchange, scope)
        outgoing = self._outgoing(exchange, send)
        work = _Work(self, scope, exchange, receive)
        try:
            async with asyncio.timeout(self._limits.request_seconds) as exchange.deadline:
                work.begin()
                await self.app(scope, work.receive, outgoing)
        except Refusal as refusal:
            await self._refuse(scope, exchange, outgoing, refusal)
        except TimeoutError:
            await self._refuse(scope, exchange, outgoing, _too_late(scope))
        except Exception as error:
            log.error("answer_broken", error=type(error).__name__, exc_info=error)
            raise
        finally:
            work.end()
            seconds = time.monotonic() - started
            if trace is not None:
                trace.end(exchange, scope)
            for observer in self._observers:
                observer.answered(exchange, scope, seconds)

    def _trace(self, exchange: Exchange, scope: Scope) -> Trace | None:
        trace = None if self._tracer is None else self._tracer.begin(exchange, scope)
        exchange.trace_id = trace_id_of(exchange.raw_headers) if trace is None else trace.trace_id
        if exchange.trace_id:
            structlog.contextvars.bind_contextvars(trace_id=exchange.trace_id)
        return trace

    async def _refuse(self, scope: Scope, exchange: Exchange, send: Send, refusal: Refusal) -> None:
        if exchange.status:
            # The answer has begun: all that is left is to cut the connection, so that it does not pass for
            # whole.
            log.error("answer_cut", code=refusal.code, path=scope["path"])
            raise refusal
        problem = build_problem(exchange, refusal.code, refusal.detail, errors=refusal.errors)
        body = encode_problem(problem)
        headers = problem_headers(refusal.code) | refusal.headers
        await send(
            {
                "type": "http.response.start",
                "status": problem.status,
                "headers": [
                    (b"content-type", MEDIA_TYPE.encode()),
                    (b"content-length", str(len(body)).encode()),
                    *((name.encode(), value.encode()) for name, value in headers.items()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _outgoing(self, exchange: Exchange, send: Send) -> Send:
        async def outgoing(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = list(message["headers"])
                present = dict(headers)
                headers += [default for default in self._headers if default[0] not in present]
                headers.append((b"x-request-id", exchange.request_id.encode()))
                headers += exchange.headers
                if self._lifecycle.draining and b"connection" not in present:
                    headers.append(_CLOSE)
                message["headers"] = headers
            await send(message)

        return outgoing

    def _address(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        if self._behind_proxy and (real := headers.get(b"x-real-ip")) is not None:
            try:
                return str(ipaddress.ip_address(real.decode("latin-1").strip()))
            except ValueError:
                pass
        client = scope.get("client")
        return str(client[0]) if client else ""

    def enter(self, scope: Scope) -> None:
        """Counts a request in. Raises Refusal (overloaded) if there are as many as there may be."""
        if self.in_flight >= self._limits.in_flight and not scope["path"].startswith(_HEALTH):
            raise Refusal("overloaded", "More requests than can be served. Nothing was done; try again.")
        self.in_flight += 1

    def leave(self) -> None:
        """Counts a request out."""
        self.in_flight -= 1

    def buffer(self, size: int) -> None:
        """Counts bytes of a body in. Raises Refusal (overloaded) if there are as many as there may be."""
        if size and self.buffered_bytes + size > self._limits.buffered_bytes:
            raise Refusal("overloaded", "There is no room for more bodies now. Nothing was done; try again.")
        self.buffered_bytes += size

    @property
    def body_seconds(self) -> float:
        """How long a body may take to arrive."""
        return self._limits.body_seconds


class _Work:
    """A request's place among those in flight, taken when its body is there: slow senders take none."""

    __slots__ = ("_buffered", "_counted", "_edge", "_exchange", "_receive", "_scope", "receive")

    def __init__(self, edge: Edge, scope: Scope, exchange: Exchange, receive: Receive) -> None:
        self._edge = edge
        self._scope = scope
        self._exchange = exchange
        self._receive = receive
        self._counted = False
        self._buffered = 0
        self.receive: Receive = receive

    def begin(self) -> None:
        headers = self._exchange.raw_headers
        if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            self._count()
        else:
            self.receive = self._receive_body

    def end(self) -> None:
        self._edge.buffered_bytes -= self._buffered
        if self._counted:
            self._edge.leave()

    def _count(self) -> None:
        self._edge.enter(self._scope)
        self._counted = True

    async def _receive_body(self) -> Message:
        left = self._exchange.started + self._edge.body_seconds - time.monotonic()
        try:
            async with asyncio.timeout(left):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(
                "request_timeout", "The body did not arrive in time.", headers={"connection": "close"}
            ) from None
        if message["type"] == "http.disconnect":
            raise Refusal("bad_request", "The connection was closed before the body was there.")
        size = len(message.get("body", b""))
        self._edge.buffer(size)
        self._buffered += size
        if not self._counted and not message.get("more_body", False):
            self._count()
        return message


def _request_id(headers: dict[bytes, bytes]) -> str:
    for name in (b"x-request-id", b"x-railway-request-id"):
        given = headers.get(name)
        if given is not None and _REQUEST_ID.match(given):
            return given.decode("ascii")
    return secrets.token_hex(12)


def _too_late(scope: Scope) -> Refusal:
    if scope["method"] in SAFE_METHODS:
        return Refusal("temporarily_unavailable", "It took too long. Try again.")
    return Refusal(
        "outcome_unknown",
        "It took too long, and may have taken effect. Repeat with the same Idempotency-Key.",
    )
