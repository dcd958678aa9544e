"""OpenTelemetry, where it is installed and set up: what makes spans and sends them, and the spans of webhooks.

Set up means the standard variables: OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) and its
relatives, read by OpenTelemetry itself. Installed means the extra: `uv sync --extra otel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from ibex.domain.events.ports import Answered, NotSent, Sender

log = structlog.get_logger("ibex.tracing")


def span_provider(service_version: str) -> Any | None:
    """What sends spans as the OTEL_* variables say; None, with a line in the log, if it is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning(
            "tracing_unavailable", fix="Install the extra (uv sync --extra otel), or remove the OTEL_ variables."
        )
        return None
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before what is said here.
    ours = Resource({"service.name": "ibex", "service.version": service_version})
    resource = Resource.create({}).merge(ours).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def traceparent_of(span: Any) -> str:
    """What tells others the span and its trace (W3C Trace Context, version 00)."""
    found = span.get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"


class TracedSender:
    """A Sender whose every request is a span of a trace of its own, which its ``traceparent`` names to the receiver.

    An event keeps no trace: it may be sent days after the request that made it.
    """

    def __init__(self, sender: Sender, provider: Any) -> None:
        self._sender = sender
        self._tracer = provider.get_tracer("ibex")

    async def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answered:
        """See the port. The span tells the host alone: a path may hold a secret of the receiver's."""
        from opentelemetry.context import Context  # noqa: PLC0415
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

        said = {"http.request.method": "POST", "server.address": urlsplit(url).hostname or ""}
        span = self._tracer.start_span("webhook", context=Context(), kind=SpanKind.CLIENT, attributes=said)
        try:
            answer = await self._sender.send(url, (*headers, ("traceparent", traceparent_of(span))), body)
        except NotSent:
            span.set_attribute("error.type", "not_sent")
            span.set_status(StatusCode.ERROR)
            raise
        else:
            span.set_attribute("http.response.status_code", answer.status)
            if not 200 <= answer.status < 300:
                span.set_status(StatusCode.ERROR)
            return answer
        finally:
            span.end()
