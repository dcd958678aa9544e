"""/metrics and traces of the service as it runs, on a real database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ibex_devtools.sandbox import Cluster
from tests.api.client import Service, open_shop
from tests.api.conftest import service_on

TOKEN = "0123456789abcdef0123456789abcdef"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def service(cluster: Cluster, database_name: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service with a token for /metrics."""
    environment = cluster.environment(database_name) | {"IBEX_METRICS_TOKEN": TOKEN, "IBEX_POOL_SIZE": "3"}
    async with service_on(environment, tmp_path) as running:
        yield running


async def figures(service: Service) -> dict[str, float]:
    """Every sample, by its name and labels."""
    response = await service.http.get("/metrics", headers=BEARER)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in response.text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
    ],
)
async def test_without_the_token_there_is_no_such_route(service: Service, headers: dict[str, str]) -> None:
    response = await service.http.get("/metrics", headers=headers)
    unknown = await service.http.get("/no-such-thing")
    assert response.status_code == unknown.status_code == 404
    assert response.json()["code"] == unknown.json()["code"] == "route_not_found"
    assert response.json()["detail"] == unknown.json()["detail"]


async def test_without_a_token_in_the_settings_there_is_no_such_route_for_anybody(
    cluster: Cluster, database_name: str, tmp_path: Path
) -> None:
    async with service_on(cluster.environment(database_name), tmp_path) as running:
        assert (await running.http.get("/metrics", headers=BEARER)).status_code == 404
        assert (await running.http.get("/metrics", headers={"authorization": "Bearer x"})).status_code == 404


async def test_it_is_not_in_the_contract(service: Service) -> None:
    assert "/metrics" not in (await service.http.get("/openapi.json")).json()["paths"]


async def test_requests_are_counted_by_route_template_with_their_round_trips(service: Service) -> None:
    shop = await open_shop(service)
    product = await shop.make_product()
    for _ in range(3):
        await shop.sell(product)
    await shop.api.get(f"/v1/products/{product['id']}")
    await service.http.get(f"/v1/products/{product['id']}")
    await service.http.request("PROPFIND", "/v1/whatever")
    found = await figures(service)
    assert found['ibex_http_requests_total{method="POST",route="/v1/sales",status="201"}'] == 3
    template = 'method="GET",route="/v1/products/{product_id}"'
    assert found[f'ibex_http_requests_total{{{template},status="200"}}'] == 1
    assert found[f'ibex_http_requests_total{{{template},status="401"}}'] == 1
    assert found['ibex_http_requests_total{method="OTHER",route="(none)",status="404"}'] == 1
    assert found['ibex_http_problems_total{code="unauthenticated"}'] == 1
    # The first sale looks up the product; those after it are one round trip.
    sales = 'method="POST",route="/v1/sales"'
    assert found[f"ibex_http_database_statements_sum{{{sales}}}"] == 4
    assert found[f'ibex_http_database_statements_bucket{{le="1.0",{sales}}}'] == 2
    assert found[f"ibex_http_request_seconds_count{{{sales}}}"] == 3
    assert product["id"] not in str(found)


async def test_pool_schema_and_outbox_have_their_figures(service: Service) -> None:
    shop = await open_shop(service)
    await shop.make_product()
    found = await figures(service)
    assert found["ibex_database_pool_size"] == 3
    assert found['ibex_database_connections{state="in_use"}'] == 0
    assert found['ibex_database_connections{state="free"}'] >= 1
    assert found["ibex_database_waiting"] == 0
    assert found["ibex_database_connections_opened_total"] >= 1
    assert found["ibex_database_connect_failures_total"] == 0
    assert found['ibex_schema_state{state="current"}'] == 1
    assert found['ibex_outbox{kind="events_behind"}'] >= 0
    assert found["ibex_http_in_flight"] == 1
    assert found["process_resident_memory_bytes"] > 0


async def test_a_scraper_alone_opens_no_connection(service: Service) -> None:
    for _ in range(3):
        assert (await figures(service))["ibex_database_connections_opened_total"] == 0


async def test_a_callers_trace_is_in_the_log_lines(
    service: Service, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    response = await service.http.get("/v1/me", headers=headers)
    assert response.status_code == 401
    printed = capsys.readouterr().out + caplog.text
    assert trace in printed, printed


@pytest.mark.parametrize(
    "given", ["", "00-short", "ff-" + "1" * 32 + "-" + "1" * 16 + "-01", "00-" + "0" * 32 + "-" + "1" * 16 + "-01"]
)
async def test_a_malformed_trace_is_left_out(service: Service, given: str) -> None:
    assert (await service.http.get("/health/live", headers={"traceparent": given})).status_code == 200


def test_every_metric_is_in_the_operators_handbook() -> None:
    root = Path(__file__).resolve().parents[3]
    source = (root / "src/ibex/entrypoints/http/metrics.py").read_text()
    names = set(re.findall(r'"(ibex_[a-z_]+)"', source))
    assert len(names) > 10
    handbook = (root / "docs/OPERATIONS.md").read_text()
    missing = {name for name in names if name not in handbook}
    assert not missing, missing
