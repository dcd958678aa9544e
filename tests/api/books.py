"""What reports must say, worked out from the rows of the books one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.api.client import Json, Shop

ZERO = Decimal(0)
_LINES = """
SELECT e.business_date, e.type, l.product_id, l.tax_rate, l.quantity, l.net, l.tax, l.cost_price, l.disposition
FROM ibex.ledger_entries e JOIN (
  SELECT store_id, invoice_id AS id, product_id, tax_rate, quantity, net, tax, cost_price, NULL AS disposition
  FROM ibex.invoice_lines
  UNION ALL
  SELECT store_id, credit_note_id, product_id, tax_rate, quantity, net, tax, cost_price, disposition
  FROM ibex.credit_note_lines
) l ON l.store_id = e.store_id AND l.id = CASE e.type WHEN 'SALE' THEN e.invoice_id ELSE e.credit_note_id END
WHERE e.store_id = $1 AND e.type IN ('SALE', 'CREDIT_NOTE')
"""


async def reports_equal_the_books(shop: Shop, first: str, last: str) -> None:
    """Every report of the period against the ledger and the lines of its documents."""
    period = {"from": first, "to": last}
    ledger = [e for e in await shop.ledger() if first <= e["business_date"] <= last]
    await _documents(shop, period, ledger)
    await _money(shop, period, ledger)
    lines = [row for row in await shop.rows(_LINES) if first <= row["business_date"].isoformat() <= last]
    await _lines(shop, period, lines, total(ledger, "SALE", "debit") - total(ledger, "CREDIT_NOTE", "credit"))
    await _margins(shop, period, lines)


async def _documents(shop: Shop, period: Json, ledger: list[Json]) -> None:
    customers = {c["id"]: c["name"] for c in await shop.api.all("/v1/customers")}
    zone = ZoneInfo("Europe/Rome")
    keys: dict[str, Callable[[Json], Any]] = {
        "day": lambda e: e["business_date"],
        "hour": lambda e: str(_moment(e["occurred_at"]).astimezone(zone).hour),
        "operator": lambda e: e["operator_id"],
        "customer": lambda e: e["customer_id"],
    }
    for group_by, key in keys.items():
        report = await shop.api.get("/v1/reports/sales", params=period | {"group_by": group_by})
        expected: dict[Any, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for entry in ledger:
            if entry["type"] in ("SALE", "CREDIT_NOTE"):
                sums = expected[key(entry)]
                sums[entry["type"] != "SALE"] += Decimal(entry["debit"]) + Decimal(entry["credit"])
        found = {row["key"]: [Decimal(row["sales"]), Decimal(row["returns"])] for row in report["rows"]}
        assert found == dict(expected), group_by
        totals = report["totals"]
        assert Decimal(totals["sales"]) == total(ledger, "SALE", "debit")
        assert Decimal(totals["returns"]) == total(ledger, "CREDIT_NOTE", "credit")
        assert Decimal(totals["net"]) == Decimal(totals["sales"]) - Decimal(totals["returns"])
        assert totals["sales_count"] == sum(e["type"] == "SALE" for e in ledger)
        assert totals["returns_count"] == sum(e["type"] == "CREDIT_NOTE" for e in ledger)
        adds_up(report, *(set(totals) - {"key", "label", "sku", "quantity_sold", "quantity_returned"}))
        if group_by == "customer":
            assert {r["label"] for r in report["rows"] if r["key"]} <= set(customers.values())


async def _money(shop: Shop, period: Json, ledger: list[Json]) -> None:
    report = await shop.api.get("/v1/reports/sales", params=period | {"group_by": "payment_method"})
    methods = {
        row["id"]: row["method"]
        for row in await shop.rows("SELECT p.id::text, p.method FROM ibex.payments p WHERE p.store_id = $1")
    }
    expected: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for entry in ledger:
        if entry["type"] in ("RECEIPT", "REFUND"):
            expected[methods[entry["payment_id"]]][entry["type"] == "REFUND"] += Decimal(entry["debit"]) + Decimal(
                entry["credit"]
            )
    assert {r["method"]: [Decimal(r["receipts"]), Decimal(r["refunds"])] for r in report["rows"]} == dict(expected)
    assert Decimal(report["totals"]["receipts"]) == total(ledger, "RECEIPT", "credit")
    assert Decimal(report["totals"]["refunds"]) == total(ledger, "REFUND", "debit")
    adds_up(report, "receipts", "refunds", "net", "receipts_count", "refunds_count")


async def _lines(shop: Shop, period: Json, lines: list[Json], net: Decimal) -> None:
    products = {p["id"]: p for p in await shop.api.all("/v1/products")}
    for group_by in ("product", "category"):
        expected: dict[Any, list[Decimal]] = defaultdict(lambda: [ZERO] * 4)
        for line in lines:
            product = products[str(line["product_id"])]
            sums = expected[product["id"] if group_by == "product" else product["category_id"]]
            back = line["type"] != "SALE"
            sums[back] += line["net"] + line["tax"]
            sums[2 + back] += line["quantity"]
        report = await shop.api.get("/v1/reports/sales", params=period | {"group_by": group_by})
        names = ("sales", "returns", "quantity_sold", "quantity_returned")
        assert {r["key"]: [Decimal(r[name]) for name in names] for r in report["rows"]} == dict(expected), group_by
        totals = report["totals"]
        assert Decimal(totals["net"]) == net
        for side in ("sales", "returns"):
            rounding = Decimal(totals[f"{side}_rounding"])
            assert sum((Decimal(r[side]) for r in report["rows"]), rounding) == Decimal(totals[side])
        adds_up(report, "discounts", "sales_tax", "returns_tax", "tax", "quantity_sold", "quantity_returned")
    tax = await shop.api.get("/v1/reports/tax", params=period)
    rates: dict[Decimal, list[Decimal]] = defaultdict(lambda: [ZERO] * 4)
    for line in lines:
        back = 2 * (line["type"] != "SALE")
        rates[line["tax_rate"]][back] += line["net"]
        rates[line["tax_rate"]][back + 1] += line["tax"]
    names = ("sales_net", "sales_tax", "returns_net", "returns_tax")
    assert {Decimal(r["tax_rate"]): [Decimal(r[name]) for name in names] for r in tax["rows"]} == dict(rates)
    assert [Decimal(r["tax_rate"]) for r in tax["rows"]] == sorted(rates, reverse=True)
    adds_up(tax, *(set(tax["totals"]) - {"tax_rate"}))
    assert Decimal(tax["totals"]["total"]) + Decimal(tax["rounding"]) == Decimal(tax["net"]) == net


async def _margins(shop: Shop, period: Json, lines: list[Json]) -> None:
    expected: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO] * 4)
    for line in lines:
        sign = 1 if line["type"] == "SALE" else -1
        sums = expected[str(line["product_id"])]
        sums[0] += sign * line["quantity"]
        sums[1] += sign * line["net"]
        if line["cost_price"] is not None:
            sums[2] += sign * line["net"]
            if line["disposition"] != "WRITTEN_OFF":
                cost = (line["quantity"] * line["cost_price"]).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
                sums[3] += sign * cost
    names = ("quantity", "revenue", "revenue_costed", "cost")
    for group_by in ("product", "category", "day"):
        report = await shop.api.get("/v1/reports/margins", params=period | {"group_by": group_by})
        if group_by == "product":
            assert {r["key"]: [Decimal(r[name]) for name in names] for r in report["rows"]} == dict(expected)
        totals = report["totals"]
        assert [Decimal(totals[name]) for name in names] == [
            sum(c, ZERO) for c in zip(*expected.values(), strict=True)
        ] or (not expected)
        assert Decimal(totals["margin"]) == Decimal(totals["revenue_costed"]) - Decimal(totals["cost"])
        adds_up(report, *names, "margin", "revenue_uncosted")
    for by, name in (("net", "revenue"), ("quantity", "quantity"), ("margin", "margin")):
        top = await shop.api.get("/v1/reports/products/top", params=period | {"by": by, "limit": 2})
        best = [Decimal(row[name]) for row in top["rows"]]
        assert best == sorted(best, reverse=True)
        assert len(best) == min(2, len(expected))
        assert top["truncated"] == (len(expected) > 2)
        assert [Decimal(top["totals"][n]) for n in names] == [
            sum((e[i] for e in expected.values()), ZERO) for i in range(4)
        ]


def adds_up(report: Json, *names: str) -> None:
    """The rows' sums are the totals."""
    for name in names:
        assert sum((Decimal(row[name]) for row in report["rows"]), ZERO) == Decimal(report["totals"][name]), name


def total(ledger: Iterable[Json], kind: str, side: str) -> Decimal:
    """The sum of one side of the entries of a type."""
    return sum((Decimal(entry[side]) for entry in ledger if entry["type"] == kind), ZERO)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
