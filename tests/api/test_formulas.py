"""No cell of any table that can be exported is a formula to a spreadsheet: every route of the contract that makes CSV,
in every grouping, in a shop whose every text begins as a formula does.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import pytest

from tests.api.client import Service, Shop, open_shop
from tests.api.contract_cases import Operation, operations, resolved

BEGINNINGS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
DANGEROUS: Final = (*BEGINNINGS, "\t", "\r", "\n")
TABLES: Final = [
    operation
    for operation in operations()
    if "text/csv" in operation.contract["responses"].get("200", {}).get("content", {})
]
WITHOUT_TEXT: Final = ("report_tax",)


def evil(beginning: str, what: str) -> str:
    """A text that a spreadsheet would run."""
    return f"{beginning}HYPERLINK({what})"


async def shop_of_formulas(service: Service, beginning: str) -> tuple[Shop, dict[str, str]]:
    """A shop with one sale, one return and one debt, and its ids."""
    shop = await open_shop(service, name=evil(beginning, "store"), owner=evil(beginning, "owner"))
    api = shop.api
    category = await api.post("/v1/categories", {"name": evil(beginning, "category")})
    product = await shop.make_product(
        sku=evil(beginning, "sku"),
        name=evil(beginning, "product"),
        barcode=evil(beginning, "code"),
        category_id=category["id"],
        cost_price="1.00",
    )
    customer = await shop.make_customer(name=evil(beginning, "customer"))
    note = {"debit": "3.00", "note": evil(beginning, "note")}
    await api.post(f"/v1/customers/{customer['id']}/opening-balance", note)
    await shop.sell([(product, "2")], method="CREDIT", customer_id=customer["id"], note=evil(beginning, "note"))
    paid = await shop.sell([(product, "1")])
    back = {"lines": [{"line_no": 1, "quantity": "1"}], "reason": evil(beginning, "reason"), "refund_method": "CASH"}
    await api.post(f"/v1/invoices/{paid['id']}/credit-notes", back)
    return shop, {"customer_id": customer["id"], "product_id": product["id"], "category_id": category["id"]}


def variants(operation: Operation) -> Iterator[dict[str, str]]:
    """The table in every grouping that it has."""
    now = datetime.now(UTC).date()
    period = {"from": (now - timedelta(2)).isoformat(), "to": (now + timedelta(2)).isoformat()}
    known = operation.parameters("query")
    chosen = {name: value for name, value in period.items() if name in known}
    groupings = [(name, resolved(schema)["enum"]) for name, schema in known.items() if name in ("group_by", "by")]
    if not groupings:
        yield chosen
    for name, values in groupings:
        yield from (chosen | {name: value} for value in values)


def is_number(cell: str) -> bool:
    """Whether it is but a number, which stays one."""
    try:
        return Decimal(cell).is_finite() and cell.strip() == cell
    except InvalidOperation:
        return False


def test_these_are_all() -> None:
    assert len(TABLES) >= 10
    assert {"list_products", "list_ledger"} <= {operation.name for operation in TABLES}


@pytest.mark.parametrize("beginning", BEGINNINGS)
async def test_no_cell_is_a_formula(service: Service, beginning: str) -> None:
    shop, ids = await shop_of_formulas(service, beginning)
    for operation in TABLES:
        defused = 0
        for params in variants(operation):
            answer = await shop.api.request("GET", operation.url(ids), params=params, headers={"accept": "text/csv"})
            assert answer.status_code == 200, f"{operation} {params}: {answer.text}"
            assert answer.headers["content-type"].startswith("text/csv")
            rows = list(csv.reader(io.StringIO(answer.text)))
            assert len(rows) >= 2, f"{operation} {params}: nothing to look at"
            assert len({len(row) for row in rows}) == 1, "a text broke out of its cell"
            for cell in (cell for row in rows for cell in row):
                assert not cell.startswith(DANGEROUS) or is_number(cell), f"{operation} {params}: {cell!r}"
                defused += cell.startswith(f"'{beginning}")
        assert (defused > 0) is (operation.name not in WITHOUT_TEXT), operation
