"""Figures for Prometheus at /metrics, for whoever knows the token; for everybody else there is no such route.

Labels are route templates, methods, statuses and error codes: their number is bounded by the code, whatever clients
send. One scrape sees one worker process.
"""

import hmac
from collections.abc import Callable
from typing import Any, Final, Protocol

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from ibex.domain.events.ports import Lag
from ibex.entrypoints.http.exchange import Exchange
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.request import ApiRequest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
STATEMENTS: Final = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0)
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_NO_ROUTE: Final = "(none)"


class PoolState(Protocol):
    """The connections of this process to the database."""

    @property
    def size(self) -> int: ...
    @property
    def in_use(self) -> int: ...
    @property
    def free(self) -> int: ...
    @property
    def opening(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def opened_total(self) -> int: ...
    @property
    def failed_total(self) -> int: ...


class DatabaseState(Protocol):
    """What the database's side says of itself."""

    @property
    def pool(self) -> PoolState: ...
    @property
    def schema_state(self) -> str: ...
    @property
    def outbox(self) -> Lag | None: ...
    @property
    def outbox_age_seconds(self) -> float: ...


class DatabaseReader(Protocol):
    """Asks it, if that disturbs nobody."""

    async def read(self) -> DatabaseState:
        """Quick, and never raises."""
        ...


class Metrics:
    """An observer of the edge that counts."""

    def __init__(self, token: str, database: DatabaseReader) -> None:
        self._token = token.encode()
        self._database = database
        self.in_flight: Callable[[], int] = lambda: 0
        self._registry = registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        labels = ("method", "route")
        self._requests = Counter(
            "ibex_http_requests", "Answers, by route template and status.", (*labels, "status"), registry=registry
        )
        self._seconds = Histogram(
            "ibex_http_request_seconds", "From request to answer.", labels, registry=registry, buckets=SECONDS
        )
        self._statements = Histogram(
            "ibex_http_database_statements",
            "Statements that a request sent to the database; each is a round trip (three through a pooler).",
            labels,
            registry=registry,
            buckets=STATEMENTS,
        )
        self._problems = Counter(
            "ibex_http_problems", "Requests refused or failed, by error code.", ("code",), registry=registry
        )
        self._retries = Counter(
            "ibex_database_retries", "Statements sent again after a lost connection or a deadlock.", registry=registry
        )
        self._gauges = _Gauges(registry)
        self._by_route: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._by_answer: dict[tuple[str, str, int], Any] = {}
        self._by_code: dict[str, Any] = {}

    def answered(self, exchange: Exchange, scope: Any, seconds: float) -> None:
        """See Observer. Children are kept here, because looking them up by label costs more than counting."""
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = scope.get("path_template") or _NO_ROUTE
        try:
            durations, statements = self._by_route[method, route]
        except KeyError:
            durations, statements = self._by_route[method, route] = (
                self._seconds.labels(method, route),
                self._statements.labels(method, route),
            )
        durations.observe(seconds)
        statements.observe(exchange.call.statements)
        answer = (method, route, exchange.status)
        try:
            self._by_answer[answer].inc()
        except KeyError:
            self._by_answer[answer] = self._requests.labels(method, route, str(exchange.status))
            self._by_answer[answer].inc()
        if exchange.code:
            if exchange.code not in self._by_code:
                self._by_code[exchange.code] = self._problems.labels(exchange.code)
            self._by_code[exchange.code].inc()
        if exchange.call.retries:
            self._retries.inc(exchange.call.retries)

    def opens_for(self, header: str | None) -> bool:
        """Whether an Authorization header holds the token; compared in constant time."""
        scheme, _, given = (header or "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)

    async def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        self._gauges.in_flight.set(self.in_flight())
        self._gauges.show(await self._database.read())
        return generate_latest(self._registry)


class _Gauges:
    """What is looked up when somebody asks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self.in_flight = gauge("ibex_http_in_flight", "Requests being worked on.")
        self._pool_size = gauge("ibex_database_pool_size", "Connections that this process may hold.")
        self._connections = gauge("ibex_database_connections", "Connections, by what they do.", "state")
        self._waiting = gauge("ibex_database_waiting", "Requests that wait for a connection.")
        self._opened = Counter("ibex_database_connections_opened", "Connections made.", registry=registry)
        self._failed = Counter("ibex_database_connect_failures", "Attempts to connect that failed.", registry=registry)
        self._counted = [0, 0]
        self._schema = gauge("ibex_schema_state", "1 for the state that the schema was last seen in.", "state")
        self._outbox = gauge("ibex_outbox", "Work of the outbox that is not done, by kind.", "kind")
        self._overdue = gauge("ibex_outbox_overdue_seconds", "How long the oldest due delivery has been waiting.")
        self._age = gauge("ibex_outbox_age_seconds", "How old the figures of the outbox are.")

    def show(self, state: DatabaseState) -> None:
        """Sets them all."""
        pool, outbox = state.pool, state.outbox
        self._pool_size.set(pool.size)
        for name in ("in_use", "free", "opening"):
            self._connections.labels(name).set(getattr(pool, name))
        self._waiting.set(pool.waiting)
        self._opened.inc(pool.opened_total - self._counted[0])
        self._failed.inc(pool.failed_total - self._counted[1])
        self._counted = [pool.opened_total, pool.failed_total]
        self._schema.clear()
        self._schema.labels(state.schema_state).set(1)
        if outbox is not None:
            self._outbox.labels("events_behind").set(outbox.events)
            self._outbox.labels("deliveries_due").set(outbox.due)
            self._outbox.labels("deliveries_waiting").set(outbox.waiting)
            self._overdue.set(outbox.overdue.total_seconds())
            self._age.set(state.outbox_age_seconds)


def metrics_handlers(metrics: Metrics | None) -> list[HTTPRouteHandler]:
    """The route, if there is a token for it."""
    if metrics is None:
        return []

    @get("/metrics", include_in_schema=False)
    async def read_metrics(request: ApiRequest) -> Response[bytes]:
        """404 for everybody else: who has no token need not know that there is something."""
        if not metrics.opens_for(request.exchange.header(b"authorization")):
            raise Refusal("route_not_found", "There is no such route. The routes are listed in /openapi.json.")
        return Response(await metrics.text(), media_type=CONTENT_TYPE)

    return [read_metrics]
