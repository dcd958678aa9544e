"""Reports over the API: they equal the books, whatever the shop did and however far its sums are behind."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibex.adapters.postgres.catalog import FreshProducts, PostgresProducts
from ibex.adapters.postgres.journal import PostgresJournal
from ibex.adapters.postgres.report_sums import ReportSums
from ibex.adapters.postgres.tokens import PostgresTokens
from ibex.adapters.system import SystemClock, Uuid7Source
from ibex.domain.catalog.model import ProductRef
from ibex.domain.identity.model import Role
from ibex.domain.sales.requests import LineRequest, SaleRequest
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.ids import ProductId
from ibex.domain.shared.journal import Reply
from tests.api.books import reports_equal_the_books
from tests.api.client import Api, Foreign, Json, Service, Shop, open_shop, problem

FIRST, LAST = "2026-01-01", "2026-12-31"
ALL = [
    *(f"/v1/reports/sales?group_by={g}" for g in ("day", "hour", "product", "category", "operator", "customer")),
    "/v1/reports/sales?group_by=payment_method",
    "/v1/reports/tax",
    *(f"/v1/reports/margins?group_by={g}" for g in ("product", "category", "day")),
    "/v1/reports/products/top",
    "/v1/reports/products/slow",
    "/v1/reports/stock-valuation",
    "/v1/reports/receivables",
]


def today() -> str:
    """The day of trade of a store that keeps UTC's days, near enough: one day around it is asked for."""
    return datetime.now(UTC).date().isoformat()


def around(days: int = 1) -> dict[str, str]:
    """A period that surely holds now."""
    now = datetime.now(UTC).date()
    return {"from": (now - timedelta(days=days)).isoformat(), "to": (now + timedelta(days=days)).isoformat()}


def with_period(path: str) -> str:
    """The path with a period, where the report takes one."""
    if "valuation" in path or "receivables" in path:
        return path
    days = around()
    return f"{path}{'&' if '?' in path else '?'}from={days['from']}&to={days['to']}"


async def sell_on(shop: Shop, product: Json, quantity: str, moment: datetime, *, method: str = "CASH") -> None:
    """A sale of an offline till, of another day."""
    database = shop.service.database
    rows = await shop.rows("SELECT secret_hash FROM ibex.api_tokens WHERE store_id = $1 ORDER BY created_at LIMIT 1")
    actor = await PostgresTokens(database).find_actor(rows[0]["secret_hash"])
    assert actor is not None
    record_sale = RecordSale(
        FreshProducts(PostgresProducts(database)), PostgresJournal(database), SystemClock(), Uuid7Source()
    )
    request = SaleRequest(
        lines=[LineRequest(product=ProductRef(id=ProductId(UUID(product["id"]))), quantity=Decimal(quantity))],
        tenders=[Tender(method=PaymentMethod(method))],
        on_credit=False,
        occurred_at=moment,
        offline=True,
    )
    await record_sale(actor, request, Reply(present=lambda _: b"{}", status=201))


STEPS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "do": st.just("sell"),
                "lines": st.lists(
                    st.tuples(st.integers(0, 4), st.sampled_from(["1", "2", "0.375", "13"])), min_size=1, max_size=4
                ),
                "method": st.sampled_from(["CASH", "CARD", "TRANSFER", "CREDIT", "SPLIT"]),
                "discount": st.sampled_from([None, {"percent": "7.5"}, {"amount": "0.01"}]),
                "customer": st.sampled_from([None, 0, 1]),
                "by": st.sampled_from([Role.OWNER, Role.CASHIER]),
            }
        ),
        st.fixed_dictionaries(
            {
                "do": st.just("return"),
                "quantity": st.sampled_from(["1", "0.125"]),
                "disposition": st.sampled_from(["RESTOCKED", "WRITTEN_OFF"]),
                "refund": st.sampled_from(["CASH", "CARD"]),
                "which": st.integers(0, 9),
            }
        ),
        st.fixed_dictionaries({"do": st.just("other day"), "days": st.integers(1, 40), "which": st.integers(0, 4)}),
        st.fixed_dictionaries({"do": st.just("fold"), "most": st.sampled_from([1, 3, 1000])}),
        st.fixed_dictionaries(
            {"do": st.just("price"), "which": st.integers(0, 4), "cost": st.sampled_from([None, "0.5"])}
        ),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
async def test_reports_equal_the_books_after_any_course_of_trade(service: Service, steps: list[dict[str, Any]]) -> None:
    shop = await open_shop(service, cash_rounding=Decimal("0.05"))
    sums = ReportSums(service.database)
    category = await shop.api.post("/v1/categories", {"name": "Dairy"})
    products = [
        await shop.make_product(
            unit_price=price,
            tax_rate=rate,
            cost_price=cost,
            stock="100000",
            category_id=category["id"] if i % 2 else None,
        )
        for i, (price, rate, cost) in enumerate(
            [
                ("1.29", "22", "0.777"),
                ("9.99", "10", None),
                ("0.03", "4", "0.01"),
                ("5", "0", "6"),
                ("2.4590", "22", None),
            ]
        )
    ]
    customers = [await shop.make_customer(), await shop.make_customer()]
    sold: list[Json] = []
    for step in steps:
        if step["do"] == "sell":
            sold += await _sell(shop, products, customers, step)
        elif step["do"] == "return" and sold:
            await _give_back(shop, sold[step["which"] % len(sold)], step)
        elif step["do"] == "other day":
            moment = datetime.now(UTC) - timedelta(days=step["days"], hours=step["which"] * 5)
            await sell_on(shop, products[step["which"]], "2", moment)
        elif step["do"] == "fold":
            await sums.fold(shop.store_id, step["most"])
        elif step["do"] == "price":
            path = f"/v1/products/{products[step['which']]['id']}"
            await shop.api.patch(path, {"cost_price": step["cost"], "tax_rate": "5"})
    period = around(60)
    await reports_equal_the_books(shop, period["from"], period["to"])
    await reports_equal_the_books(shop, (datetime.now(UTC).date() - timedelta(days=5)).isoformat(), period["to"])
    while await sums.fold(shop.store_id) != 0:
        pass
    await reports_equal_the_books(shop, period["from"], period["to"])
    owed = await shop.api.get("/v1/reports/receivables")
    balances = [Decimal(c["balance"]) for c in await shop.api.all("/v1/customers")]
    entries = [e for e in await shop.ledger() if e["customer_id"]]
    assert Decimal(owed["net"]) == sum(balances)
    assert sum(balances) == sum(Decimal(e["debit"]) - Decimal(e["credit"]) for e in entries)


async def _sell(shop: Shop, products: list[Json], customers: list[Json], step: dict[str, Any]) -> list[Json]:
    body: Json = {"lines": [{"product_id": products[i]["id"], "quantity": q} for i, q in step["lines"]]}
    customer = step["customer"] if step["method"] != "CREDIT" else step["customer"] or 0
    if customer is not None:
        body["customer_id"] = customers[customer]["id"]
    if step["discount"] is not None:
        body["discount"] = step["discount"]
    if step["method"] == "SPLIT":
        body["payments"] = [{"method": "CARD", "amount": "0.01"}, {"method": "CASH"}]
    else:
        body["payment_method"] = step["method"]
    by = await shop.as_role(step["by"])
    answer = await by.request("POST", "/v1/sales", json=body)
    # Nothing to pay is nothing to split or to take a cent off.
    assert answer.status_code in (201, 422), answer.text
    return [answer.json()] if answer.status_code == 201 else []


async def _give_back(shop: Shop, invoice: Json, step: dict[str, Any]) -> None:
    line = {"line_no": 1, "quantity": step["quantity"], "disposition": step["disposition"]}
    body = {"lines": [line], "refund_method": step["refund"]}
    answer = await shop.api.request("POST", f"/v1/invoices/{invoice['id']}/credit-notes", json=body)
    assert answer.status_code in (201, 409, 422), answer.text


async def test_reports_never_tear_while_the_shop_sells_and_the_sums_are_made(shop: Shop, api: Api) -> None:
    product = await shop.make_product(unit_price="1.00", stock="1000")
    sums = ReportSums(shop.service.database)
    done = asyncio.Event()

    async def fold() -> None:
        while not done.is_set():
            await sums.fold(shop.store_id, 5)
            await asyncio.sleep(0)

    async def look() -> None:
        seen = Decimal(0)
        while not done.is_set():
            days, products = await asyncio.gather(
                api.get("/v1/reports/sales", params=around()),
                api.get("/v1/reports/sales", params=around() | {"group_by": "product"}),
            )
            for report in (days, products):
                assert sum((Decimal(r["net"]) for r in report["rows"]), Decimal(0)) == Decimal(report["totals"]["net"])
            assert Decimal(days["totals"]["net"]) >= seen
            seen = Decimal(days["totals"]["net"])

    others = [asyncio.create_task(fold()), asyncio.create_task(fold()), asyncio.create_task(look())]
    for _ in range(8):
        await asyncio.gather(*(shop.sell(product) for _ in range(8)))
    done.set()
    await asyncio.gather(*others)
    assert Decimal((await api.get("/v1/reports/sales", params=around()))["totals"]["net"]) == 64


async def test_reading_a_report_brings_its_sums_up(shop: Shop, api: Api) -> None:
    await shop.sell(await shop.make_product())
    await api.get("/v1/reports/sales", params=around())
    marks: list[dict[str, Any]] = []
    for _ in range(100):
        marks = await shop.rows("SELECT ledger_seq FROM ibex.report_marks WHERE store_id = $1")
        if marks and marks[0]["ledger_seq"] == 2:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"the sums were not brought up: {marks}")


async def test_hours_and_days_are_the_stores_own(service: Service) -> None:
    shop = await open_shop(service, time_zone="Asia/Tokyo")
    product = await shop.make_product()
    await sell_on(shop, product, "1", datetime(2026, 3, 1, 15, 30, tzinfo=UTC))  # half past midnight of the 2nd
    for _ in range(2):
        days = await shop.api.get("/v1/reports/sales", params={"from": FIRST, "to": LAST})
        assert [(r["key"], r["label"], r["net"]) for r in days["rows"]] == [("2026-03-02", "2026-03-02", "10.00")]
        hours = await shop.api.get("/v1/reports/sales", params={"from": FIRST, "to": LAST, "group_by": "hour"})
        assert [(r["key"], r["label"]) for r in hours["rows"]] == [("0", "00:00")]
        await ReportSums(service.database).fold(shop.store_id)


async def test_written_off_goods_keep_their_cost_and_unknown_costs_are_told_apart(shop: Shop, api: Api) -> None:
    known = await shop.make_product(sku="KNOWN", unit_price="10.00", cost_price="6.00")
    unknown = await shop.make_product(sku="UNKNOWN", unit_price="5.00")
    sale = await shop.sell([(known, "3"), (unknown, "1")])
    for disposition in ("RESTOCKED", "WRITTEN_OFF"):
        line = {"line_no": 1, "quantity": "1", "disposition": disposition}
        await api.post(f"/v1/invoices/{sale['id']}/credit-notes", {"lines": [line], "refund_method": "CASH"})
    report = await api.get("/v1/reports/margins", params=around())
    by_sku = {r["sku"]: r for r in report["rows"]}
    known_row, unknown_row = by_sku["KNOWN"], by_sku["UNKNOWN"]
    assert (known_row["quantity"], known_row["revenue"], known_row["cost"]) == ("1", "10.00", "12.00")
    assert (known_row["margin"], known_row["margin_percent"]) == ("-2.00", "-20.00")
    assert (unknown_row["revenue"], unknown_row["revenue_costed"], unknown_row["margin"]) == ("5.00", "0.00", "0.00")
    assert (unknown_row["revenue_uncosted"], unknown_row["margin_percent"]) == ("5.00", None)


async def test_slow_products_are_in_stock_and_hardly_sold(shop: Shop, api: Api) -> None:
    fast = await shop.make_product(sku="FAST", stock="50", cost_price="1")
    slow = await shop.make_product(sku="SLOW", stock="50", cost_price="2")
    await shop.make_product(sku="NEVER", stock="1", cost_price="3")
    await shop.make_product(sku="GONE", stock="0")
    await shop.make_product(sku="OFF", stock="5", active=False)
    await shop.make_product(sku="SERVICE", stock="0", track_stock=False)
    await shop.sell([(fast, "10"), (slow, "1")])
    report = await api.get("/v1/reports/products/slow", params=around())
    assert [(r["sku"], r["quantity_sold"], r["stock_value"]) for r in report["rows"]] == [
        ("NEVER", "0", "3.00"),
        ("SLOW", "1", "98.00"),
        ("FAST", "10", "40.00"),
    ]
    assert [r["last_sold_at"] is None for r in report["rows"]] == [True, False, False]
    assert len((await api.get("/v1/reports/products/slow", params=around() | {"limit": 1}))["rows"]) == 1


async def test_stock_is_valued_at_cost_by_category(shop: Shop, api: Api) -> None:
    dairy = await api.post("/v1/categories", {"name": "Dairy"})
    await shop.make_product(stock="3", cost_price="0.333", unit_price="1.00", category_id=dairy["id"])
    await shop.make_product(stock="2", unit_price="4.00", category_id=dairy["id"])
    below = await shop.make_product(stock="1", cost_price="9", unit_price="10.00")
    await shop.make_product(stock="1.5", cost_price="2", unit_price="3.00")
    await shop.make_product(stock="0", cost_price="2")
    await sell_on(shop, below, "3", datetime.now(UTC))
    report = await api.get("/v1/reports/stock-valuation")
    assert report["cost_basis"] == "cost_price"
    rows = {r["category"]: r for r in report["rows"]}
    assert (rows["Dairy"]["value"], rows["Dairy"]["retail_value"], rows["Dairy"]["uncosted_products"]) == (
        "1.00",
        "11.00",
        1,
    )
    assert (rows[""]["value"], rows[""]["oversold_products"], rows[""]["products"]) == ("3.00", 1, 2)
    totals = report["totals"]
    assert (totals["value"], totals["retail_value"], totals["products"], totals["quantity"]) == (
        "4.00",
        "15.50",
        4,
        "6.5",
    )


async def test_receivables_tell_what_is_owed_and_overdue(shop: Shop, api: Api) -> None:
    product, ada, bob = await shop.make_product(), await shop.make_customer(name="Ada"), await shop.make_customer()
    await shop.sell(product, method="CREDIT", customer_id=ada["id"], due_date="2020-01-01")
    await shop.sell([(product, "2")], method="CREDIT", customer_id=ada["id"], due_date="2100-01-01")
    await shop.sell(product, method="CREDIT", customer_id=bob["id"])
    report = await api.get("/v1/reports/receivables")
    assert (report["customers"], report["owed"], report["owing"], report["net"]) == (2, "40.00", "0.00", "40.00")
    assert (report["unpaid_invoices"], report["unpaid"]) == (3, "40.00")
    assert (report["overdue_invoices"], report["overdue"]) == (1, "10.00")
    assert (report["debtors"][0]["name"], report["debtors"][0]["balance"]) == ("Ada", "30.00")
    assert len((await api.get("/v1/reports/receivables", params={"limit": 1}))["debtors"]) == 1


async def test_every_report_is_there_as_json_and_as_csv(shop: Shop, api: Api) -> None:
    dairy = await api.post("/v1/categories", {"name": "=Dairy"})
    product = await shop.make_product(name="@cmd", category_id=dairy["id"], cost_price="1")
    customer = await shop.make_customer(name="+Ada")
    await shop.sell(product, method="CREDIT", customer_id=customer["id"])
    await shop.sell(product)
    for path in map(with_period, ALL):
        document = await api.get(path)
        answer = await api.request("GET", path, headers={"accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith("attachment")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        told = document.get("rows", document.get("debtors"))
        assert document.get("totals", {}).get("label", "") == "", path
        assert set(rows[0]) == set(told[0])
        totals = [row for row in rows if next(iter(row.values())) == "TOTAL"]
        assert len(rows) - len(totals) == len(told) >= 1
        for name, value in list(document.get("totals", {}).items())[1:]:
            assert totals[0][name] == ("" if value is None else str(value))
        for row in rows:
            assert not any(cell.startswith(("=", "+", "@")) for cell in row.values()), row
        assert (await api.request("GET", path, headers={"accept": "image/png"})).status_code == 406


async def test_reports_show_nothing_of_another_store_and_nothing_to_a_cashier(
    shop: Shop, api: Api, foreign: Foreign
) -> None:
    cashier, auditor = await shop.as_role(Role.CASHIER), await shop.as_role(Role.AUDITOR)
    for path in map(with_period, ALL):
        document = await api.get(path)
        assert document.get("rows", document.get("debtors")) == []
        totals = document.get("totals", {})
        assert all(Decimal(totals[n]) == 0 for n in ("sales", "revenue", "receipts", "total", "value") if n in totals)
        problem(await cashier.request("GET", path), 403, "permission_refused")
        assert await auditor.get(path) == document
    assert (await foreign.shop.api.get(with_period(ALL[0])))["rows"] != []


async def test_the_period_has_bounds(api: Api) -> None:
    path = "/v1/reports/sales"
    for params, code, field in [
        ({"to": LAST}, "invalid_request", "from"),
        ({"from": FIRST}, "invalid_request", "to"),
        ({"from": "2026-02-30", "to": LAST}, "invalid_request", "from"),
        ({"from": LAST, "to": FIRST}, "invalid_value", "to"),
        ({"from": "2025-12-30", "to": LAST}, "invalid_value", "to"),
        ({"from": FIRST, "to": LAST, "group_by": "colour"}, "invalid_request", "group_by"),
    ]:
        problem(await api.request("GET", path, params=params), 422, code, field=field)
    await api.get(path, params={"from": "2025-12-31", "to": LAST})
    await api.get(path, params={"from": "0001-01-01", "to": "0001-12-31"})
    await api.get(path, params={"from": "9999-12-31", "to": date.max.isoformat()})
    answer = await api.request("GET", "/v1/reports/products/top", params={"from": FIRST, "to": LAST, "limit": 201})
    problem(answer, 422, "invalid_request", field="limit")
