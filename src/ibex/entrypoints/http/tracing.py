"""Traces: a caller's traceparent is taken up, and where OpenTelemetry is installed and set up, spans are sent."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from ibex.entrypoints.http.exchange import Exchange
from ibex.entrypoints.telemetry import span_provider, traceparent_of

HEADER: Final = b"traceparent"
RESPONSE_HEADER: Final = b"traceresponse"
_TRACEPARENT: Final = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_STATE: Final = b"tracestate"
MAX_SPANS: Final = 50
"""Statements of one request that get a span."""


class Trace(Protocol):
    """One request's span while it is open."""

    trace_id: str

    def end(self, exchange: Exchange, scope: Any) -> None:
        """The answer is out."""
        ...


class Tracer(Protocol):
    """Opens spans."""

    def begin(self, exchange: Exchange, scope: Any) -> Trace:
        """The request has come in."""
        ...


def trace_id_of(headers: Mapping[bytes, bytes]) -> str:
    """The trace that the caller says the request belongs to (W3C Trace Context); empty if none, or malformed."""
    given = headers.get(HEADER)
    match = None if given is None else _TRACEPARENT.match(given)
    return "" if match is None else match[1].decode()


def open_telemetry(service_version: str) -> OpenTelemetryTracer | None:
    """A tracer that sends spans as the OTEL_* variables say; None, with a line in the log, if it is not installed."""
    provider = span_provider(service_version)
    return None if provider is None else OpenTelemetryTracer(provider)


class OpenTelemetryTracer:
    """Spans of requests, and under them of their statements."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._provider = provider
        self._tracer = provider.get_tracer("ibex")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, exchange: Exchange, scope: Any) -> Trace:
        """See Tracer."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        carrier = {
            name.decode(): exchange.raw_headers[name].decode("latin-1")
            for name in (HEADER, _STATE)
            if name in exchange.raw_headers
        }
        context = self._propagator.extract(carrier)
        span = self._tracer.start_span(scope["method"], context=context, kind=SpanKind.SERVER)
        exchange.call.traced = bool(span.is_recording())
        exchange.headers.append((RESPONSE_HEADER, traceparent_of(span).encode()))
        return _RequestTrace(self._tracer, span, f"{span.get_span_context().trace_id:032x}")

    def close(self) -> None:
        """Send what is left, within the exporter's own time limit."""
        self._provider.shutdown()


class _RequestTrace:
    def __init__(self, tracer: Any, span: Any, trace_id: str) -> None:
        self.trace_id = trace_id
        self._tracer = tracer
        self._span = span

    def end(self, exchange: Exchange, scope: Any) -> None:
        """See Trace. Names and attributes are those of OpenTelemetry's semantic conventions for HTTP and databases."""
        span = self._span
        if span.is_recording():
            route = scope.get("path_template", "")
            span.update_name(f"{scope['method']} {route}".rstrip())
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", exchange.status)
            span.set_attribute("ibex.request_id", exchange.request_id)
            if exchange.code:
                span.set_attribute("error.type", exchange.code)
            if exchange.actor is not None:
                span.set_attribute("ibex.store_id", str(exchange.actor.store_id))
            if exchange.status >= 500 or exchange.status == 0:
                self._fail(span)
            self._statements(exchange)
        span.end()

    def _statements(self, exchange: Exchange) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415

        # Statements keep monotonic seconds; spans want the time of day.
        offset = time.time() - time.monotonic()
        context = set_span_in_context(self._span)
        for text, began, ended, error in exchange.call.trail[:MAX_SPANS]:
            child = self._tracer.start_span(
                " ".join(text.split()[:3])[:60],
                context=context,
                kind=SpanKind.CLIENT,
                start_time=int((began + offset) * 1e9),
                attributes={"db.system.name": "postgresql", "db.query.text": text[:2000]},
            )
            if error:
                child.set_attribute("error.type", error)
                self._fail(child)
            child.end(int((ended + offset) * 1e9))

    @staticmethod
    def _fail(span: Any) -> None:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415

        span.set_status(StatusCode.ERROR)
