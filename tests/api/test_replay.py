"""The reconciliation notices what does not agree."""

from __future__ import annotations

from pathlib import Path

from ibex_devtools.load.api import Till
from ibex_devtools.replay.__main__ import replay
from ibex_devtools.replay.ledger_book import make_book
from ibex_devtools.replay.loader import Loader
from ibex_devtools.replay.reconcile import reconcile
from ibex_devtools.replay.rows import read_rows
from tests.api.client import Service, open_shop

MONTH = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,A,APPLE,6,2010-12-01,2.55,17850.0,France
2,A,APPLE,1,2010-12-01,3.25,,France
"""


async def test_a_sale_a_count_and_a_payment_too_many_are_noticed(service: Service, tmp_path: Path) -> None:
    shop = await open_shop(service, currency="GBP")
    (tmp_path / "month.csv").write_text(MONTH)
    book = make_book(read_rows(tmp_path / "month.csv"))
    assert shop.api.token is not None
    found = await replay(book, service.base_url, shop.api.token, in_flight=2)
    assert found.agrees, found.table("file", "shop")

    [product] = await shop.api.all("/v1/products")
    async with Till(service.base_url, shop.api.token, in_flight=2) as till:
        loader = Loader(till, str(shop.store_id))
        customer = {"id": loader.id_of("customer", "17850")}
        await shop.sell([(product, "1")], method="CREDIT", customer_id=customer["id"])
        await shop.api.post(f"/v1/products/{product['id']}/stock-movements", {"kind": "COUNTED", "quantity": "3"})
        found = await reconcile(till, loader, book)
    assert not found.agrees
    told = "\n".join(found.differences)
    for what in (
        "invoices: 2 expected, 3 found",
        "SALE: 18.55",
        "stock of A",
        "balance of customer 17850",
        "statement",
    ):
        assert what in told
    assert "<-- differs" in found.table("file", "shop")
