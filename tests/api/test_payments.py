"""Paying a sale or an invoice: several tenders, parts, change, the account, and the credit limit."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.identity.model import Role
from tests.api.client import Json, Shop, open_shop, problem
from tests.api.money import assert_accounts_add_up

LINE_PRICE = "10.00"


def tender(method: str, amount: str | None = None, tendered: str | None = None) -> Json:
    given = {"method": method, "amount": amount, "tendered": tendered}
    return {name: value for name, value in given.items() if value is not None}


async def sale_body(shop: Shop, **fields: Any) -> Json:
    product = await shop.make_product(unit_price=LINE_PRICE)
    return {"lines": [{"product_id": product["id"], "quantity": "1"}]} | fields


@pytest.mark.parametrize(
    ("payments", "rows", "change"),
    [
        ([tender("CARD", "4.00"), tender("CASH")], [("CARD", "4.00"), ("CASH", "6.00")], "0.00"),
        ([tender("CASH", "4.00"), tender("CARD", "6.00")], [("CASH", "4.00"), ("CARD", "6.00")], "0.00"),
        ([tender("CARD", "4.00"), tender("CASH", None, "20.00")], [("CARD", "4.00"), ("CASH", "6.00")], "14.00"),
        ([tender("TRANSFER")], [("TRANSFER", "10.00")], "0.00"),
        ([tender("CASH", "10.00", "10.00")], [("CASH", "10.00")], "0.00"),
    ],
)
async def test_tenders_share_what_is_due(shop: Shop, payments: list[Json], rows: list[Any], change: str) -> None:
    sale = await shop.api.post("/v1/sales", await sale_body(shop, payments=payments))
    assert [(p["method"], p["amount"]) for p in sale["payments"]] == rows
    assert (sale["status"], sale["paid"], sale["change_due"]) == ("PAID", "10.00", change)
    assert len({p["receipt_number"] for p in sale["payments"]}) == 1


@pytest.mark.parametrize(
    ("payments", "status", "code"),
    [
        ([tender("CARD", "4.00")], 422, "insufficient_tender"),
        ([tender("CASH", None, "9.99")], 422, "insufficient_tender"),
        ([tender("CARD", "10.01")], 422, "overpayment"),
        ([tender("CARD", "10.00", "12.00")], 422, "overpayment"),
        ([tender("CARD", "10.00"), tender("CASH", "0.01")], 422, "overpayment"),
        ([tender("CARD", "0.00"), tender("CASH")], 422, "invalid_value"),
        ([tender("CASH", "10.005")], 422, "invalid_value"),
        ([tender("CASH", "-1.00")], 422, "invalid_request"),
        ([tender("CHEQUE")], 422, "invalid_request"),
        ([tender("CARD", "0.40")] * 21, 422, "invalid_value"),
        ([tender("ACCOUNT")], 422, "invalid_value"),
        ([tender("CREDIT")], 422, "invalid_value"),
        ([tender("CREDIT", "1.00")], 422, "invalid_request"),
        ([], 422, "insufficient_tender"),
    ],
)
async def test_tenders_that_do_not_fit_are_refused(shop: Shop, payments: list[Json], status: int, code: str) -> None:
    body = await sale_body(shop, payments=payments)
    problem(await shop.api.request("POST", "/v1/sales", json=body), status, code)
    assert await shop.ledger() == []


async def test_one_way_of_paying_is_given(shop: Shop) -> None:
    for fields in ({}, {"payment_method": "CASH", "payments": [tender("CASH")]}):
        body = await sale_body(shop, **fields)
        problem(await shop.api.request("POST", "/v1/sales", json=body), 422, "invalid_request", field="payment_method")


async def test_part_now_and_the_rest_on_credit(shop: Shop) -> None:
    customer = await shop.make_customer()
    payments = [tender("CASH", "3.00", "5.00"), tender("CREDIT")]
    sale = await shop.api.post("/v1/sales", await sale_body(shop, payments=payments, customer_id=customer["id"]))
    assert (sale["status"], sale["paid"], sale["outstanding"], sale["change_due"]) == ("UNPAID", "3.00", "7.00", "2.00")
    assert await shop.balance_of(customer) == 7
    await assert_accounts_add_up(shop)


async def test_an_invoice_is_paid_in_parts_until_nothing_is_left(shop: Shop) -> None:
    customer = await shop.make_customer()
    invoice = await shop.api.post(
        "/v1/sales", await sale_body(shop, payment_method="CREDIT", customer_id=customer["id"])
    )
    path = f"/v1/invoices/{invoice['id']}/payments"
    for amount, left in (("2.50", "7.50"), ("0.01", "7.49")):
        paid = await shop.api.post(path, {"payment_method": "CARD", "amount": amount})
        assert (paid["status"], paid["outstanding"], len(paid["payments"])) == ("UNPAID", left, 1)
    problem(await shop.api.request("POST", path, json={"payment_method": "CARD", "amount": "7.50"}), 422, "overpayment")
    problem(await shop.api.request("POST", path, json={"payment_method": "CREDIT"}), 422, "invalid_request")
    paid = await shop.api.post(path, {"payment_method": "CASH", "amount_tendered": "10.00"})
    assert (paid["status"], paid["outstanding"], paid["change_due"]) == ("PAID", "0.00", "2.51")
    problem(await shop.api.request("POST", path, json={"payment_method": "CASH"}), 409, "invalid_transition")
    read = await shop.api.get(f"/v1/invoices/{invoice['id']}")
    assert [p["receipt_number"] for p in read["payments"]] == [1, 2, 3]
    await assert_accounts_add_up(shop)


async def test_an_invoice_is_paid_at_the_version_that_was_read(shop: Shop) -> None:
    customer = await shop.make_customer()
    invoice = await shop.api.post(
        "/v1/sales", await sale_body(shop, payment_method="CREDIT", customer_id=customer["id"])
    )
    path, body = f"/v1/invoices/{invoice['id']}/payments", {"payment_method": "CARD", "amount": "1.00"}
    await shop.api.post(path, body, headers={"if-match": '"v1"'})
    response = await shop.api.request("POST", path, json=body, headers={"if-match": '"v1"'})
    problem(response, 412, "precondition_failed")


async def test_the_account_pays_up_to_what_is_on_it(shop: Shop) -> None:
    customer = await shop.make_customer()
    await shop.api.post(f"/v1/customers/{customer['id']}/opening-balance", {"credit": "12.00"})
    body = await sale_body(shop, payment_method="ACCOUNT", customer_id=customer["id"])
    sale = await shop.api.post("/v1/sales", body)
    assert (sale["status"], sale["payments"][0]["method"]) == ("PAID", "ACCOUNT")
    problem(await shop.api.request("POST", "/v1/sales", json=body), 409, "insufficient_account_credit")
    split = body | {"payments": [tender("ACCOUNT", "2.00"), tender("CASH")]}
    del split["payment_method"]
    await shop.api.post("/v1/sales", split)
    seen = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert (seen["balance"], seen["account_credit"]) == ("0.00", "0.00")
    assert [(e["type"], e["debit"], e["credit"]) for e in await shop.ledger()][1:] == [
        ("SALE", "10.00", "0.00"),
        ("SALE", "10.00", "0.00"),
        ("RECEIPT", "0.00", "8.00"),
    ]
    await assert_accounts_add_up(shop)


async def test_the_account_is_used_once_by_sales_at_once(shop: Shop) -> None:
    customer = await shop.make_customer()
    await shop.api.post(f"/v1/customers/{customer['id']}/opening-balance", {"credit": "30.00"})
    body = await sale_body(shop, payment_method="ACCOUNT", customer_id=customer["id"])
    answers = await asyncio.gather(*(shop.api.request("POST", "/v1/sales", json=body) for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 5
    await assert_accounts_add_up(shop)


async def test_the_credit_limit_holds_to_the_cent(shop: Shop) -> None:
    customer = await shop.make_customer(credit_limit="20.00")
    body = await sale_body(shop, payment_method="CREDIT", customer_id=customer["id"])
    await shop.api.post("/v1/sales", body)
    await shop.api.post("/v1/sales", body)
    refused = problem(await shop.api.request("POST", "/v1/sales", json=body), 409, "credit_limit_exceeded")
    assert (refused["details"]["balance"], refused["details"]["credit_limit"]) == ("20.00", "20.00")
    await shop.api.post("/v1/sales", body | {"payment_method": "CASH"})
    await shop.api.post(f"/v1/customers/{customer['id']}/receipts", {"payments": [tender("CASH", "9.99")]})
    problem(await shop.api.request("POST", "/v1/sales", json=body), 409, "credit_limit_exceeded")
    await shop.api.post(f"/v1/customers/{customer['id']}/receipts", {"payments": [tender("CASH", "0.01")]})
    await shop.api.post("/v1/sales", body)
    await assert_accounts_add_up(shop)


async def test_beyond_the_limit_only_with_a_managers_reason(shop: Shop) -> None:
    customer = await shop.make_customer(credit_limit="5.00")
    reason = {"override_reason": "known for years"}
    body = await sale_body(shop, payment_method="CREDIT", customer_id=customer["id"])
    cashier, manager = await shop.as_role(Role.CASHIER), await shop.as_role(Role.MANAGER)
    problem(await manager.request("POST", "/v1/sales", json=body), 409, "credit_limit_exceeded")
    problem(await cashier.request("POST", "/v1/sales", json=body | reason), 403, "permission_refused")
    await manager.post("/v1/sales", body | reason)
    draft = await shop.draft(await shop.make_product(), customer_id=customer["id"])
    path = f"/v1/invoices/{draft['id']}/issue"
    problem(await manager.request("POST", path, json={"payment_method": "CREDIT"}), 409, "credit_limit_exceeded")
    await manager.post(path, {"payment_method": "CREDIT"} | reason, expect=200)
    audit = await shop.rows(
        "SELECT reason FROM ibex.audit_entries WHERE store_id = $1 AND action = 'invoice.issued' ORDER BY seq"
    )
    assert [row["reason"] for row in audit] == ["known for years"] * 2
    await assert_accounts_add_up(shop)


async def test_the_limit_holds_when_many_buy_at_once(shop: Shop) -> None:
    customer = await shop.make_customer(credit_limit="35.00")
    body = await sale_body(shop, payment_method="CREDIT", customer_id=customer["id"])
    answers = await asyncio.gather(*(shop.api.request("POST", "/v1/sales", json=body) for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 7
    assert await shop.balance_of(customer) == 30


async def test_cash_is_rounded_to_what_coins_there_are(shop: Shop) -> None:
    swiss = await open_shop(shop.service, currency="CHF", cash_rounding=Decimal("0.05"))
    product = await swiss.make_product(unit_price="9.98")
    cash = await swiss.sell(product, amount_tendered="20.00")
    assert (cash["total"], cash["rounding"], cash["change_due"]) == ("10.00", "0.02", "10.00")
    card = await swiss.sell(product, method="CARD")
    assert (card["total"], card["rounding"]) == ("9.98", "0.00")
    body = {
        "lines": [{"product_id": product["id"], "quantity": "1"}],
        "payments": [tender("CARD", "4.00"), tender("CASH")],
    }
    mixed = await swiss.api.post("/v1/sales", body)
    assert (mixed["total"], mixed["payments"][1]["amount"]) == ("9.98", "5.98")
