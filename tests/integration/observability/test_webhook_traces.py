"""A request to a webhook bears the traceparent of its span, when traces are on."""

from __future__ import annotations

import re

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from ibex.adapters.webhook_sender import PinnedSender
from ibex.domain.events.destinations import DestinationRules
from ibex.domain.events.ports import Answered, NotSent
from ibex.entrypoints.telemetry import TracedSender
from tests.fakes.webhooks import FakeSender
from tests.fixtures.receiver import receiving

URL = "https://hooks.example.com/a-secret-path?key=1"
HEADERS = (("content-type", "application/json"), ("webhook-id", "1"))


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(spans: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(spans))
    return made


async def test_each_request_is_a_trace_of_its_own(provider: TracerProvider, spans: InMemorySpanExporter) -> None:
    sender = FakeSender(Answered(status=204), Answered(status=500))
    traced = TracedSender(sender, provider)
    with provider.get_tracer("test").start_as_current_span("around"):
        for _ in range(2):
            await traced.send(URL, HEADERS, b"{}")
    first, second = [span for span in spans.get_finished_spans() if span.name == "webhook"]
    for span, (url, headers, body) in zip((first, second), sender.sent, strict=True):
        assert span.parent is None
        ids = f"{span.context.trace_id:032x}-{span.context.span_id:016x}"
        assert headers["traceparent"] == f"00-{ids}-{int(span.context.trace_flags):02x}"
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", headers["traceparent"])
        assert (url, headers["webhook-id"], body) == (URL, "1", b"{}")
        assert "secret" not in str(span.to_json())
    assert first.context.trace_id != second.context.trace_id
    assert (first.status.status_code, second.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)


async def test_what_was_not_sent_is_an_error(provider: TracerProvider, spans: InMemorySpanExporter) -> None:
    with pytest.raises(NotSent):
        await TracedSender(FakeSender(NotSent("refused")), provider).send(URL, HEADERS, b"{}")
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


async def test_the_receiver_sees_it(provider: TracerProvider) -> None:
    sender = PinnedSender(DestinationRules(allow_loopback=True), timeout_seconds=5)
    async with receiving() as receiver:
        await TracedSender(sender, provider).send(receiver.url(), HEADERS, b"{}")
        [got] = receiver.got
    sender.close()
    assert got.headers["traceparent"].startswith("00-")
