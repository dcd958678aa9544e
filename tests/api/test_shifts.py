"""Drawers: float, cash in and out, the count, and a report that is final and adds up."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Json, Service, Shop, open_shop, problem

FIGURES = ("opening_float", "cash_receipts", "cash_refunds", "paid_in", "paid_out")


async def open_drawer(shop: Shop, opening_float: str = "100.00", drawer: str = "till 1") -> Json:
    made: Json = await shop.api.post("/v1/shifts", {"drawer": drawer, "opening_float": opening_float})
    return made


async def close(shop: Shop, shift: Json, *, expect: int = 200, **body: Any) -> Json:
    made: Json = await shop.api.post(f"/v1/shifts/{shift['id']}/close", body, expect=expect)
    return made


def assert_report_adds_up(report: Json) -> None:
    """What is said of every report, open or closed."""
    of = {name: Decimal(report[name]) for name in FIGURES}
    expected = of["opening_float"] + of["cash_receipts"] - of["cash_refunds"] + of["paid_in"] - of["paid_out"]
    assert Decimal(report["expected_cash"]) == expected
    if report["counted_cash"] is not None:
        assert Decimal(report["difference"]) == Decimal(report["counted_cash"]) - expected
    cash = next((m for m in report["methods"] if m["method"] == "CASH"), {"receipts": "0", "refunds": "0"})
    assert (Decimal(cash["receipts"]), Decimal(cash["refunds"])) == (of["cash_receipts"], of["cash_refunds"])
    for method in report["methods"]:
        assert Decimal(method["net"]) == Decimal(method["receipts"]) - Decimal(method["refunds"])
    sales, notes = report["sales"], report["credit_notes"]
    for part in (sales, notes):
        assert Decimal(part["total"]) == Decimal(part["net"]) + Decimal(part["tax"]) + Decimal(part["rounding"])
    assert sum(Decimal(t["tax"]) for t in report["taxes"]) == Decimal(sales["tax"])
    assert sum(Decimal(t["net"]) for t in report["taxes"]) == Decimal(sales["net"])
    assert sum(Decimal(t["credited_tax"]) for t in report["taxes"]) == Decimal(notes["tax"])
    people = report["operators"]
    assert sum(p["sales_count"] for p in people) == sales["count"]
    assert sum(Decimal(p["sales_total"]) for p in people) == Decimal(sales["total"])
    assert sum(p["credit_notes_count"] for p in people) == notes["count"]
    money = sum(Decimal(m["net"]) for m in report["methods"] if m["method"] != "ACCOUNT")
    assert sum(Decimal(p["received"]) for p in people) == money
    moved = {kind: Decimal(0) for kind in ("PAID_IN", "PAID_OUT")}
    for movement in report["movements"]:
        moved[movement["kind"]] += Decimal(movement["amount"])
    assert (moved["PAID_IN"], moved["PAID_OUT"]) == (of["paid_in"], of["paid_out"])


async def test_a_day_at_the_drawer_adds_up(shop: Shop) -> None:
    shift = await open_drawer(shop)
    assert (shift["status"], shift["opening_float"], shift["number"]) == ("OPEN", "100.00", None)
    product = await shop.make_product(unit_price="12.20", tax_rate="22")
    discount = {"amount": "2.00"}
    await shop.sell(product, amount_tendered="20.00", shift_id=shift["id"])
    await shop.sell(product, method="CARD", shift_id=shift["id"], discount=discount)
    customer = await shop.make_customer()
    owed = await shop.sell(product, method="CREDIT", customer_id=customer["id"], shift_id=shift["id"])
    cashier = await shop.as_role(Role.CASHIER)
    paid = {"payments": [{"method": "CASH", "amount": "5.00"}], "shift_id": shift["id"]}
    await cashier.post(f"/v1/customers/{customer['id']}/receipts", paid)
    movements = f"/v1/shifts/{shift['id']}/movements"
    await shop.api.post(movements, {"kind": "PAID_IN", "amount": "50.00", "reason": "coins"})
    await cashier.post(movements, {"kind": "PAID_OUT", "amount": "8.50", "reason": "window cleaner"})
    back = {"lines": [{"line_no": 1, "quantity": "1"}], "refund_method": "CASH", "shift_id": shift["id"]}
    sold = await shop.sell(product, shift_id=shift["id"])
    await shop.api.post(f"/v1/invoices/{sold['id']}/credit-notes", back)

    closed = await close(shop, shift, counted_cash="158.00", note="a coin is missing")
    report = closed["report"]
    assert_report_adds_up(report)
    assert [report[name] for name in FIGURES] == ["100.00", "29.40", "12.20", "50.00", "8.50"]
    assert (closed["expected_cash"], closed["counted_cash"], closed["difference"]) == ("158.70", "158.00", "-0.70")
    assert (closed["number"], report["number"], closed["status"]) == (1, 1, "CLOSED")
    assert (report["sales"]["count"], report["sales"]["discounts"]) == (4, "2.00")
    assert (report["credit_notes"]["count"], report["credit_notes"]["total"]) == (1, "12.20")
    assert [(m["method"], m["receipts"], m["refunds"], m["count"]) for m in report["methods"]] == [
        ("CARD", "10.20", "0.00", 1),
        ("CASH", "29.40", "12.20", 4),
    ]
    assert {p["name"]: (p["sales_count"], p["received"]) for p in report["operators"]} == {
        "Ada": (4, "22.40"),
        f"CASHIER {shop.store_id}": (0, "5.00"),
    }
    assert report["note"] == "a coin is missing"
    assert [m["reason"] for m in report["movements"]] == ["coins", "window cleaner"]
    assert owed["status"] == "UNPAID"


async def test_the_report_is_read_as_it_was_answered(shop: Shop, api: Api) -> None:
    shift = await open_drawer(shop)
    await api.post(
        f"/v1/shifts/{shift['id']}/movements", {"kind": "PAID_IN", "amount": "1.00", "reason": 'a "quote" \\'}
    )
    path, body = (
        f"/v1/shifts/{shift['id']}/close",
        {"counted_cash": "101.00", "note": 'said "ok"\n\u05e9\u05dc\u05d5\u05dd'},
    )
    first = await api.request("POST", path, json=body, key="close")
    again = await api.request("POST", path, json=body, key="close")
    assert (first.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.content == first.content
    assert first.headers["etag"] == '"v2"'
    response = await api.request("GET", f"/v1/shifts/{shift['id']}")
    assert response.json() == first.json()
    assert (await api.request("GET", f"/v1/shifts/{shift['id']}", headers={"if-none-match": '"v2"'})).status_code == 304
    problem(await api.request("POST", path, json=body), 409, "shift_closed")
    audit = await shop.rows(
        "SELECT after::text FROM ibex.audit_entries WHERE store_id = $1 AND action = 'shift.closed'"
    )
    assert '"difference": "0.00"' in audit[0]["after"]
    assert '"number": 1' in audit[0]["after"]


async def test_pieces_are_counted(shop: Shop) -> None:
    shift = await open_drawer(shop, "25.00")
    pieces = [{"value": "10.00", "count": 2}, {"value": "0.50", "count": 9}, {"value": "0.01", "count": 0}]
    path = f"/v1/shifts/{shift['id']}/close"
    wrong = {"counted_cash": "25.00", "denominations": pieces}
    problem(await shop.api.request("POST", path, json=wrong), 422, "invalid_value", field="counted_cash")
    closed = await close(shop, shift, denominations=pieces)
    assert (closed["counted_cash"], closed["difference"]) == ("24.50", "-0.50")
    assert closed["report"]["denominations"] == [{"value": p["value"], "count": p["count"]} for p in pieces]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_value"),
        ({"counted_cash": "-1.00"}, "invalid_request"),
        ({"counted_cash": "1.005"}, "invalid_value"),
        ({"denominations": [{"value": "0.00", "count": 1}]}, "invalid_value"),
        ({"denominations": [{"value": "1.00", "count": -1}]}, "invalid_request"),
        ({"denominations": [{"value": "1.00", "count": 1}] * 51}, "invalid_request"),
        ({"counted_cash": "1.00", "cash": "1.00"}, "invalid_request"),
    ],
)
async def test_counts_that_make_no_sense_are_refused(shop: Shop, body: Json, code: str) -> None:
    shift = await open_drawer(shop)
    problem(await shop.api.request("POST", f"/v1/shifts/{shift['id']}/close", json=body), 422, code)
    assert (await shop.api.get("/v1/shifts/current", params={"drawer": "till 1"}))["id"] == shift["id"]


async def test_a_drawer_is_open_once(shop: Shop, api: Api) -> None:
    shift = await open_drawer(shop)
    body = {"drawer": "till 1", "opening_float": "0.00"}
    problem(await api.request("POST", "/v1/shifts", json=body), 409, "already_exists", field="drawer")
    other = await open_drawer(shop, drawer="till 2")
    assert (await api.get("/v1/shifts/current", params={"drawer": "till 2"}))["id"] == other["id"]
    await close(shop, shift, counted_cash="100.00")
    problem(await api.request("GET", "/v1/shifts/current", params={"drawer": "till 1"}), 404, "not_found")
    again = await open_drawer(shop, "90.00")
    assert [s["id"] for s in await api.all("/v1/shifts", drawer="till 1", limit=1)] == [again["id"], shift["id"]]
    assert [s["id"] for s in await api.all("/v1/shifts", status="CLOSED")] == [shift["id"]]
    assert await api.all("/v1/shifts", to="2020-01-01") == []


async def test_openings_that_make_no_sense_are_refused(api: Api) -> None:
    for body, code in (
        ({"drawer": "till 1"}, "invalid_request"),
        ({"drawer": "", "opening_float": "1.00"}, "invalid_request"),
        ({"drawer": " till", "opening_float": "1.00"}, "invalid_value"),
        ({"drawer": "till 1", "opening_float": "1.005"}, "invalid_value"),
        ({"drawer": "x" * 51, "opening_float": "1.00"}, "invalid_value"),
    ):
        problem(await api.request("POST", "/v1/shifts", json=body), 422, code)


async def test_nothing_is_booked_on_a_closed_shift(shop: Shop, api: Api) -> None:
    shift = await open_drawer(shop)
    product, customer = await shop.make_product(), await shop.make_customer()
    sold = await shop.sell(product, shift_id=shift["id"])
    owed = await shop.sell(product, method="CREDIT", customer_id=customer["id"])
    draft = await shop.draft(product)
    await api.post(f"/v1/customers/{customer['id']}/opening-balance", {"credit": "5.00"})
    await close(shop, shift, counted_cash="110.00")
    cash = {"payment_method": "CASH", "shift_id": shift["id"]}
    line = {"product_id": product["id"], "quantity": "1"}
    late: list[tuple[str, Json]] = [
        ("/v1/sales", {"lines": [line]} | cash),
        (f"/v1/invoices/{draft['id']}/issue", cash),
        (f"/v1/invoices/{owed['id']}/payments", cash),
        (f"/v1/customers/{customer['id']}/receipts", {"payments": [{"method": "CASH"}], "shift_id": shift["id"]}),
        (f"/v1/customers/{customer['id']}/refunds", {"method": "CASH", "shift_id": shift["id"]}),
        (
            f"/v1/invoices/{sold['id']}/credit-notes",
            {"lines": [{"line_no": 1, "quantity": "1"}], "refund_method": "CASH", "shift_id": shift["id"]},
        ),
        (f"/v1/shifts/{shift['id']}/movements", {"kind": "PAID_IN", "amount": "1.00", "reason": "late"}),
        (f"/v1/shifts/{shift['id']}/close", {"counted_cash": "110.00"}),
    ]
    for path, body in late:
        problem(await api.request("POST", path, json=body), 409, "shift_closed")
    assert len(await api.all("/v1/shifts")) == 1


async def test_the_database_itself_keeps_a_closed_shift(shop: Shop) -> None:
    shift = await open_drawer(shop)
    with pytest.raises(asyncpg.PostgresError, match="only closes") as refused:
        await shop.execute("UPDATE ibex.shifts SET opening_float = 5 WHERE id = $1", shift["id"])
    assert refused.value.sqlstate == "IB023"
    await close(shop, shift, counted_cash="100.00")
    for statement in (
        "UPDATE ibex.shifts SET difference = 0 WHERE id = $1",
        "UPDATE ibex.shifts SET status = 'OPEN' WHERE id = $1",
        "DELETE FROM ibex.shifts WHERE id = $1",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            await shop.execute(statement, shift["id"])
        assert refused.value.sqlstate in {"IB020", "IB023"}


async def test_only_those_who_read_reports_see_what_should_be_in_an_open_drawer(shop: Shop) -> None:
    shift = await open_drawer(shop)
    await shop.sell(await shop.make_product(), shift_id=shift["id"])
    path = f"/v1/shifts/{shift['id']}"
    manager, cashier = await shop.as_role(Role.MANAGER), await shop.as_role(Role.CASHIER)
    report = (await manager.get(path))["report"]
    assert_report_adds_up(report)
    assert (report["expected_cash"], report["counted_cash"], report["number"]) == ("110.00", None, None)
    assert (await cashier.get(path))["report"] is None
    assert (await cashier.get("/v1/shifts/current", params={"drawer": "till 1"}))["report"] is None
    closed = await cashier.post(f"{path}/close", {"counted_cash": "110.00"}, expect=200)
    assert (await cashier.get(path))["report"] == closed["report"]
    auditor = await shop.as_role(Role.AUDITOR)
    await auditor.get(path)
    for target, body in (("/v1/shifts", {"drawer": "x", "opening_float": "1.00"}), (f"{path}/close", {})):
        problem(await auditor.request("POST", target, json=body), 403, "permission_refused")


async def test_another_stores_drawer_cannot_be_used(shop: Shop, foreign: Foreign) -> None:
    shift = await open_drawer(foreign.shop)
    product = await shop.make_product()
    body = {
        "lines": [{"product_id": product["id"], "quantity": "1"}],
        "payment_method": "CASH",
        "shift_id": shift["id"],
    }
    problem(await shop.api.request("POST", "/v1/sales", json=body), 409, "shift_closed")
    path = f"/v1/shifts/{shift['id']}"
    problem(await shop.api.request("GET", path), 404, "not_found")
    problem(await shop.api.request("POST", f"{path}/close", json={"counted_cash": "1.00"}), 404, "not_found")
    moved = {"kind": "PAID_IN", "amount": "1.00", "reason": "x"}
    problem(await shop.api.request("POST", f"{path}/movements", json=moved), 404, "not_found")
    problem(await shop.api.request("GET", f"/v1/shifts/{uuid4()}"), 404, "not_found")


async def test_reports_are_numbered_without_gaps(shop: Shop) -> None:
    shifts = [await open_drawer(shop, drawer=f"till {n}") for n in range(6)]
    closed = await asyncio.gather(*(close(shop, shift, counted_cash="1.00") for shift in shifts))
    assert sorted(c["number"] for c in closed) == [1, 2, 3, 4, 5, 6]
    problem(
        await shop.api.request("POST", f"/v1/shifts/{shifts[0]['id']}/close", json={"counted_cash": "1.00"}),
        409,
        "shift_closed",
    )
    last = await open_drawer(shop)
    assert (await close(shop, last, counted_cash="1.00"))["number"] == 7


async def test_a_sale_is_in_the_report_or_refused(shop: Shop) -> None:
    """Sales go on while the drawer closes under them, again and again: no cash is lost between two reports."""
    product = await shop.make_product(unit_price="1.00", stock="100000")
    sold = refused = 0
    reports = []
    for round_ in range(5):
        shift = await open_drawer(shop, "0.00")

        async def sell(shift_id: str = shift["id"]) -> int:
            line = {"product_id": product["id"], "quantity": "1"}
            body = {"lines": [line], "payment_method": "CASH", "shift_id": shift_id}
            response = await shop.api.request("POST", "/v1/sales", json=body)
            if response.status_code != 201:
                problem(response, 409, "shift_closed")
            return response.status_code

        async def close_soon(shift: Json = shift, delay: float = 0.01 * round_) -> Json:
            await asyncio.sleep(delay)
            return await close(shop, shift, counted_cash="0.00")

        closing = asyncio.create_task(close_soon())
        statuses = await asyncio.gather(*(sell() for _ in range(24)))
        reports.append((await closing)["report"])
        sold += statuses.count(201)
        refused += statuses.count(409)
        counted = Decimal(reports[-1]["cash_receipts"])
        assert counted == statuses.count(201), "what was sold in this shift is what its report says"
        rows = await shop.rows(
            "SELECT sum(amount) AS amount FROM ibex.payments WHERE store_id = $1 AND shift_id = $2", shift["id"]
        )
        assert (rows[0]["amount"] or 0) == counted
    assert sold > 0, "every sale came too late"
    assert refused > 0, "no sale came too late"
    for report in reports:
        assert_report_adds_up(report)
    assert sum(Decimal(r["cash_receipts"]) for r in reports) == sold


async def test_other_currencies_keep_their_decimals(service: Service) -> None:
    for currency, price, expected in (("JPY", "120", "620"), ("KWD", "1.250", "501.250")):
        shop = await open_shop(service, currency=currency)
        shift = await open_drawer(shop, "500")
        await shop.sell(await shop.make_product(unit_price=price), shift_id=shift["id"])
        closed = await close(shop, shift, counted_cash="500")
        assert closed["expected_cash"] == closed["report"]["expected_cash"] == expected
        assert Decimal(closed["difference"]) == -Decimal(price)
        assert_report_adds_up(closed["report"])
