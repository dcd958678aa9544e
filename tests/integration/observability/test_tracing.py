"""Traces, sent to a collector as OpenTelemetry's variables say."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster
from tests.api.client import Service, open_shop
from tests.api.conftest import service_on

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP on the loopback interface."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[Any] = []

    @property
    def spans(self) -> list[Any]:
        """Every span so far."""
        resources = [resource for request in self.received for resource in request.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


class Handler(BaseHTTPRequestHandler):
    """One export."""

    def do_POST(self) -> None:
        """Keeps it."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append(ExportTraceServiceRequest.FromString(body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def service(
    cluster: Cluster, database_name: str, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    endpoint = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    for name, value in endpoint.items():
        monkeypatch.setenv(name, value)  # its library reads them itself
    async with service_on(cluster.environment(database_name) | endpoint, tmp_path) as running:
        yield running


async def span_of(collector: Collector, name: str) -> Any:
    """The last span of that name, as soon as it was sent."""
    async with asyncio.timeout(10):
        while True:
            for span in reversed(collector.spans):
                if span.name == name:
                    return span
            await asyncio.sleep(0.05)


async def test_a_request_and_its_statements_belong_to_the_callers_trace(service: Service, collector: Collector) -> None:
    shop = await open_shop(service)
    product = await shop.make_product()
    sale = {"lines": [{"product_id": product["id"], "quantity": "1"}], "payment_method": "CASH"}
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    response = await shop.api.request("POST", "/v1/sales", json=sale, headers=headers)
    assert response.status_code == 201
    span = await span_of(collector, "POST /v1/sales")
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT
    assert response.headers["traceresponse"] == f"00-{TRACE}-{span.span_id.hex()}-01"
    said = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
    assert said["http.route"] == "/v1/sales"
    assert said["http.response.status_code"] == 201
    assert said["ibex.request_id"] == response.headers["x-request-id"]
    assert said["ibex.store_id"] == str(shop.store_id)
    statement = await span_of(collector, "SELECT ibex.post($1::jsonb, $2::text)")
    assert statement.parent_span_id == span.span_id
    assert span.start_time_unix_nano <= statement.start_time_unix_nano <= statement.end_time_unix_nano
    resource = {one.key: one.value.string_value for one in collector.received[0].resource_spans[0].resource.attributes}
    assert resource["service.name"] == "ibex"


async def test_a_request_of_nobodys_trace_begins_one(service: Service, collector: Collector) -> None:
    response = await service.http.get("/health/live")
    span = await span_of(collector, "GET /health/live")
    assert span.trace_id.hex() in response.headers["traceresponse"]
    assert not span.parent_span_id


async def test_a_sampled_out_request_is_not_sent(service: Service, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    response = await service.http.get("/v1/me", headers=headers)
    assert response.headers["traceresponse"].endswith("-00")
    await service.http.get("/health/live")
    await span_of(collector, "GET /health/live")
    assert all(span.name != "GET /v1/me" for span in collector.spans)


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
    ],
)
def test_what_turns_traces_on(tmp_path: Path, variables: dict[str, str], wanted: bool) -> None:
    url = "postgresql://u:S3cr3t@ep-x-1.eu-central-1.aws.neon.tech/db?sslmode=require"
    assert Settings.from_environ({"DATABASE_URL": url} | variables, cwd=tmp_path).tracing is wanted


def test_without_the_extra_it_says_so_and_serves_all_the_same() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from ibex.entrypoints.http.tracing import open_telemetry\n"
        "assert open_telemetry('1') is None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "uv sync --extra otel" in done.stdout
