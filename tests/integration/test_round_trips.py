"""How often a request goes to the database and back, counted on the wire: the cost that does not shrink with hardware.

The figures are promises, not measurements: one more statement anywhere on these paths fails here.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ibex.adapters.postgres.report_sums import ReportSums
from ibex_devtools.neon import NeonStandIn, Traffic, local_names
from ibex_devtools.sandbox import Cluster
from tests.api.client import Service, Shop, open_shop
from tests.api.conftest import SETTINGS, service_on


@pytest.fixture
def _names() -> Iterator[None]:
    with local_names():
        yield


@pytest.fixture
async def neon(cluster: Cluster, _names: None) -> AsyncIterator[NeonStandIn]:
    """The proxy that counts."""
    async with NeonStandIn(cluster) as stand_in:
        yield stand_in


@pytest.fixture
async def counted(
    neon: NeonStandIn, database_name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Service]:
    """The service behind the proxy, with one connection: what it has prepared once is prepared."""
    # Aside of requests the workers are woken, a few times a second, and a store's sums are brought up, every ten
    # seconds at most, however many requests there are: that is no request's cost.
    monkeypatch.setattr("ibex.adapters.postgres.nudge.GATHER_SECONDS", 3600.0)
    monkeypatch.setattr(ReportSums, "nudge", lambda *_: None)
    monkeypatch.setenv("SSL_CERT_FILE", neon.trust_file)
    environment = neon.environment(database_name) | SETTINGS | {"IBEX_POOL_SIZE": "1"}
    async with service_on(environment, tmp_path) as service:
        yield service


@pytest.fixture
async def shop(counted: Service) -> Shop:
    """A store of this test's own."""
    return await open_shop(counted)


class Counter:
    """Runs a request twice, and says what the second cost: by then its statements are prepared."""

    def __init__(self, neon: NeonStandIn, shop: Shop) -> None:
        self.neon = neon
        self.shop = shop

    async def of_get(self, path: str) -> int:
        await self.shop.api.get(path)
        with self.neon.recording() as traffic:
            await self.shop.api.get(path)
        return self.trips(traffic)

    async def of_post(self, path: str, body: object, *, expect: int = 201, key: str | None = None) -> int:
        with self.neon.recording() as traffic:
            await self.shop.api.post(path, body, expect=expect, key=key)
        return self.trips(traffic)

    @staticmethod
    def trips(traffic: Traffic) -> int:
        # What is shown when the count is not what was expected.
        print(*("  ".join(text.split())[:100] for text in traffic.texts), sep="\n")  # noqa: T201
        return traffic.round_trips


@pytest.fixture
def count(neon: NeonStandIn, shop: Shop) -> Counter:
    """Of requests in the shop."""
    return Counter(neon, shop)


def sale_of(product: dict[str, object], **fields: object) -> dict[str, object]:
    return {"lines": [{"product_id": product["id"], "quantity": "1"}], "payment_method": "CASH"} | fields


async def test_a_sale_of_known_products_is_one_round_trip(shop: Shop, count: Counter) -> None:
    product = await shop.make_product()
    await shop.sell(product, key=str(uuid.uuid4()))

    assert await count.of_post("/v1/sales", sale_of(product), key=str(uuid.uuid4())) == 1
    assert await count.of_post("/v1/sales", sale_of(product)) == 1


async def test_a_sale_of_unknown_products_reads_them_first(shop: Shop, count: Counter) -> None:
    await shop.sell(await shop.make_product())  # the statements are prepared
    product = await shop.make_product()

    assert await count.of_post("/v1/sales", sale_of(product), key=str(uuid.uuid4())) == 2


async def test_repeating_a_request_is_at_most_two_round_trips(shop: Shop, count: Counter) -> None:
    product, key = await shop.make_product(), str(uuid.uuid4())
    first = await shop.api.post("/v1/sales", sale_of(product), key=key)
    await shop.api.post("/v1/sales", sale_of(product), key=key)

    assert await count.of_post("/v1/sales", sale_of(product), key=key) <= 2
    assert await shop.api.post("/v1/sales", sale_of(product), key=key) == first


async def test_issuing_and_paying_are_two_round_trips_each(shop: Shop, count: Counter) -> None:
    product, customer = await shop.make_product(), await shop.make_customer()

    async def draft() -> str:
        return str((await shop.draft([(product, "1")], customer_id=customer["id"]))["id"])

    credit, card = {"payment_method": "CREDIT"}, {"payment_method": "CARD"}
    once = await draft()
    await shop.api.post(f"/v1/invoices/{once}/issue", credit, expect=200, key=str(uuid.uuid4()))
    await shop.api.post(f"/v1/invoices/{once}/payments", card, key=str(uuid.uuid4()))

    invoice = await draft()
    assert await count.of_post(f"/v1/invoices/{invoice}/issue", credit, expect=200, key=str(uuid.uuid4())) == 2
    assert await count.of_post(f"/v1/invoices/{invoice}/payments", card, key=str(uuid.uuid4())) == 2


async def test_every_read_list_and_statement_is_one_round_trip(shop: Shop, count: Counter) -> None:
    product, customer = await shop.make_product(barcode="2000000000017"), await shop.make_customer()
    invoice = await shop.sell([(product, "1")], method="CREDIT", customer_id=customer["id"])

    for path in (
        f"/v1/invoices/{invoice['id']}",
        f"/v1/products/{product['id']}",
        f"/v1/customers/{customer['id']}",
        f"/v1/customers/{customer['id']}/statement",
        "/v1/products?barcode=2000000000017",
        f"/v1/products/{product['id']}/stock-movements",
        "/v1/products",
        "/v1/customers",
        "/v1/invoices",
        "/v1/ledger",
        "/v1/receipts",
        "/v1/audit",
        "/v1/events",
        "/v1/shifts",
        "/v1/reports/sales?from=2026-01-01&to=2026-01-31",
    ):
        assert await count.of_get(path) == 1, path


async def test_a_known_token_costs_nothing(count: Counter) -> None:
    assert await count.of_get("/v1/me") == 0
