"""Sales of a batch are written in groups where they can be: what is in the books afterwards is the same either way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ibex.adapters.postgres import batches
from ibex.adapters.system import Uuid7Source
from ibex.domain.identity.model import Role
from tests.api.client import Json, Service, Shop, open_shop

PATH = "/v1/sales/batch"
_IDS = Uuid7Source()

BOOKS = {
    "invoices": """SELECT i.number, i.status, i.total, i.tax_total, i.paid, i.oversold, i.line_count, c.name,
                     i.occurred_at, (SELECT array_agg(p.name || l.quantity || '/' || l.total ORDER BY l.line_no)
                      FROM ibex.invoice_lines l JOIN ibex.products p ON p.store_id = l.store_id AND p.id = l.product_id
                      WHERE l.store_id = i.store_id AND l.invoice_id = i.id)
                   FROM ibex.invoices i LEFT JOIN ibex.customers c ON c.store_id = i.store_id AND c.id = i.customer_id
                   WHERE i.store_id = $1 ORDER BY i.number""",
    "ledger": """SELECT e.seq, e.type, e.debit, e.credit, e.customer_balance, e.document_number, i.number, c.name
                 FROM ibex.ledger_entries e JOIN ibex.invoices i ON i.store_id = e.store_id AND i.id = e.invoice_id
                 LEFT JOIN ibex.customers c ON c.store_id = e.store_id AND c.id = e.customer_id
                 WHERE e.store_id = $1 ORDER BY e.seq""",
    "movements": """SELECT m.seq, p.name, m.kind, m.quantity, m.balance, i.number
                    FROM ibex.stock_movements m JOIN ibex.products p ON p.store_id = m.store_id AND p.id = m.product_id
                    LEFT JOIN ibex.invoices i ON i.store_id = m.store_id AND i.id = m.invoice_id
                    WHERE m.store_id = $1 ORDER BY i.number, p.name, m.seq""",
    "payments": """SELECT p.receipt_number, p.method, p.amount, i.number FROM ibex.payments p
                   JOIN ibex.invoices i ON i.store_id = p.store_id AND i.id = p.invoice_id
                   WHERE p.store_id = $1 ORDER BY p.receipt_number""",
    "products": "SELECT name, stock, oversold FROM ibex.products WHERE store_id = $1 ORDER BY name",
    "customers": "SELECT name, balance, account_credit FROM ibex.customers WHERE store_id = $1 ORDER BY name",
    "audit": """SELECT a.seq, a.action, a.after ->> 'number', a.after ->> 'total' FROM ibex.audit_entries a
                WHERE a.store_id = $1 AND a.entity = 'invoice' ORDER BY a.seq""",
    "events": """SELECT e.seq, e.type, e.data ->> 'number' FROM ibex.events e
                 WHERE e.store_id = $1 AND e.type LIKE 'invoice%' ORDER BY e.seq""",
    "fingerprints": "SELECT count(*) FROM ibex.sale_fingerprints WHERE store_id = $1",
}


async def furnished(service: Service) -> tuple[Shop, list[Json], list[Json]]:
    """A shop with six products (one of them not counted, one with little stock) and three customers."""
    shop = await open_shop(service)
    products = [
        await shop.make_product(name=f"P{n}", sku=f"P{n}", stock=stock, track_stock=stock != "0")
        for n, stock in enumerate(("500", "500", "500", "500", "0", "12"))
    ]
    customers = [await shop.make_customer(name=f"C{n}", phone=f"+39061234{n}") for n in range(3)]
    await shop.api.patch(f"/v1/customers/{customers[2]['id']}", {"active": False}, headers={"if-match": "*"})
    return shop, products, customers


def invented(seed: int, count: int, *, ordinary: bool) -> list[dict[str, Any]]:
    """Sales as indexes of products and customers; ordinary ones sell no P5 (little stock) and know no C2 (archived)."""
    chance = random.Random(seed)
    began = datetime.now(UTC) - timedelta(hours=3)
    sales = []
    for n in range(count):
        lines = [
            (
                chance.randrange(5 if ordinary else 6),
                str(chance.randint(1, 3)),
                chance.choice(("9.90", "0.35", "12.00")),
            )
            for _ in range(chance.randint(1, 4))
        ]
        sales.append(
            {
                "lines": lines,
                "at": (began + timedelta(seconds=20 * n)).isoformat(),
                "customer": chance.choice((None, None, 0, 1) if ordinary or n % 23 else (2,)),
                "method": chance.choice(("CASH", "CARD")),
            }
        )
    return sales


def as_items(sales: Sequence[dict[str, Any]], products: list[Json], customers: list[Json]) -> list[Json]:
    """What a till sends."""
    return [
        {
            "id": str(_IDS.new()),
            "occurred_at": sale["at"],
            "lines": [
                {"product_id": products[p]["id"], "quantity": quantity, "unit_price": price}
                for p, quantity, price in sale["lines"]
            ],
            "payment_method": sale["method"] if sale["customer"] is None else "CREDIT",
        }
        | ({} if sale["customer"] is None else {"customer_id": customers[sale["customer"]]["id"]})
        for sale in sales
    ]


async def books(shop: Shop) -> dict[str, list[Json]]:
    """All that sales write, by numbers and names instead of ids."""
    return {name: await shop.rows(statement) for name, statement in BOOKS.items()}


def without_order(rows: list[Json]) -> list[Json]:
    """Movements of one sale have no order among themselves."""
    return [{name: value for name, value in row.items() if name != "seq"} for row in rows]


@pytest.mark.parametrize("ordinary", [True, False])
async def test_a_batch_writes_what_its_sales_write_one_by_one(service: Service, *, ordinary: bool) -> None:
    sales = invented(7, 70, ordinary=ordinary)
    together, products, customers = await furnished(service)
    answer = await together.api.post(PATH, {"items": as_items(sales, products, customers)}, expect=200)
    apart, products, customers = await furnished(service)
    single = [
        (await apart.api.post(PATH, {"items": [item]}, expect=200))["items"][0]
        for item in as_items(sales, products, customers)
    ]
    kept = ("result", "number", "total", "oversold")
    assert [[one[k] for k in kept] for one in answer["items"]] == [[one[k] for k in kept] for one in single]
    assert {one["result"] for one in single} == ({"created"} if ordinary else {"created", "invalid"})
    assert any(one["oversold"] for one in single) is not ordinary
    of_batch, of_single = await books(together), await books(apart)
    of_batch["movements"], of_single["movements"] = map(without_order, (of_batch["movements"], of_single["movements"]))
    assert of_batch == of_single
    # Movements are numbered without a gap, and each has the stock that the one before it left.
    moved = await together.rows(
        """SELECT seq - row_number() OVER (ORDER BY seq) AS gap, balance - quantity
             - lag(balance, 1, balance - quantity) OVER (PARTITION BY product_id ORDER BY seq) AS leap
           FROM ibex.stock_movements WHERE store_id = $1"""
    )
    assert {(row["gap"], row["leap"]) for row in moved} == {(0, Decimal(0))}


async def test_groups_end_where_another_drawer_begins(service: Service) -> None:
    shop, products, _ = await furnished(service)
    cashier = await shop.as_role(Role.CASHIER)
    shift = await cashier.post("/v1/shifts", {"drawer": "Till 1", "opening_float": "10.00"})
    items = as_items(invented(3, 30, ordinary=True), products, [{"id": None}] * 3)
    for n, item in enumerate(items):
        item.pop("customer_id", None)
        item["payment_method"] = "CASH"
        if n % 10 < 5:
            item["shift_id"] = shift["id"]
    answer = await cashier.post(PATH, {"items": items}, expect=200)
    assert [one["number"] for one in answer["items"]] == list(range(1, 31))
    rows = await shop.rows("SELECT number, shift_id FROM ibex.invoices WHERE store_id = $1 ORDER BY number")
    assert [row["shift_id"] is not None for row in rows] == [n % 10 < 5 for n in range(30)]


async def test_what_is_ordinary_is_written_in_groups(service: Service) -> None:
    """Each group is a sub-transaction of its own, and so would be each sale."""
    shop, products, customers = await furnished(service)
    items = as_items(invented(5, 2 * batches.GROUP_SALES, ordinary=True), products, customers)
    await shop.api.post(PATH, {"items": items}, expect=200)
    rows = await shop.rows("SELECT DISTINCT xmin::text AS made FROM ibex.invoices WHERE store_id = $1")
    assert len(rows) == 2
