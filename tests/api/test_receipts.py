"""One receipt for many invoices, account credit, and what customers owed before the shop moved in."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Json, Service, Shop, open_shop, problem
from tests.api.money import assert_account_adds_up

CASH = {"method": "CASH"}


async def owing(shop: Shop, *prices: str, **fields: Any) -> tuple[Json, list[Json]]:
    """A customer with one open invoice of each price, in this order."""
    customer = await shop.make_customer(**fields)
    invoices = []
    for price in prices:
        product = await shop.make_product(unit_price=price)
        invoices.append(await shop.sell(product, method="CREDIT", customer_id=customer["id"]))
    return customer, invoices


async def receive(shop: Shop, customer: Json, *payments: Json, expect: int = 201, **fields: Any) -> Json:
    body = {"payments": list(payments)} | fields
    made: Json = await shop.api.post(f"/v1/customers/{customer['id']}/receipts", body, expect=expect)
    return made


def paid(receipt: Json) -> list[tuple[int, str, str, str]]:
    return [(i["number"], i["amount"], i["status"], i["outstanding"]) for i in receipt["invoices"]]


async def test_one_receipt_pays_the_oldest_invoices_first(shop: Shop) -> None:
    customer, _ = await owing(shop, "10.00", "20.00", "30.00")
    receipt = await receive(shop, customer, {"method": "CARD", "amount": "25.00", "reference": "slip 7"})
    assert paid(receipt) == [(1, "10.00", "PAID", "0.00"), (2, "15.00", "UNPAID", "5.00")]
    assert (receipt["amount"], receipt["to_invoices"], receipt["kind"]) == ("25.00", "25.00", "RECEIPT")
    assert [p["amount"] for p in receipt["payments"]] == ["10.00", "15.00"]
    assert {p["reference"] for p in receipt["payments"]} == {"slip 7"}
    assert await shop.balance_of(customer) == 35
    await assert_account_adds_up(shop, customer)


async def test_without_an_amount_all_that_is_owed_is_paid(shop: Shop) -> None:
    customer, _ = await owing(shop, "10.00", "20.00")
    receipt = await receive(shop, customer, CASH | {"tendered": "50.00"})
    assert (receipt["amount"], receipt["change_due"]) == ("30.00", "20.00")
    assert [(p["amount"], p["tendered"], p["change_due"]) for p in receipt["payments"]] == [
        ("10.00", "10.00", "0.00"),
        ("20.00", "40.00", "20.00"),
    ]
    assert await shop.balance_of(customer) == 0
    await assert_account_adds_up(shop, customer)


async def test_several_tenders_are_cut_along_the_invoices(shop: Shop) -> None:
    customer, _ = await owing(shop, "10.00", "20.00")
    receipt = await receive(shop, customer, {"method": "CARD", "amount": "15.00"}, CASH)
    assert [(p["method"], p["amount"]) for p in receipt["payments"]] == [
        ("CARD", "10.00"),
        ("CARD", "5.00"),
        ("CASH", "15.00"),
    ]
    assert len({p["id"] for p in receipt["payments"]}) == 3
    receipts = [e for e in await shop.ledger() if e["type"] == "RECEIPT"]
    assert {e["document_number"] for e in receipts} == {receipt["number"]}
    assert [e["credit"] for e in receipts] == ["10.00", "5.00", "15.00"]
    await assert_account_adds_up(shop, customer)


async def test_the_caller_may_name_the_invoices(shop: Shop) -> None:
    customer, (first, second, third) = await owing(shop, "10.00", "20.00", "30.00")
    wanted = [{"invoice_id": third["id"]}, {"invoice_id": second["id"], "amount": "4.00"}]
    receipt = await receive(shop, customer, {"method": "TRANSFER", "amount": "36.00"}, allocations=wanted)
    # 30 + 4 as wanted; the other 2 go to the oldest.
    assert paid(receipt) == [
        (first["number"], "2.00", "UNPAID", "8.00"),
        (second["number"], "4.00", "UNPAID", "16.00"),
        (third["number"], "30.00", "PAID", "0.00"),
    ]
    await assert_account_adds_up(shop, customer)


async def test_money_beyond_all_debts_is_kept_only_when_the_caller_says_so(shop: Shop) -> None:
    customer, _ = await owing(shop, "10.00")
    path = f"/v1/customers/{customer['id']}/receipts"
    too_much = {"payments": [{"method": "CARD", "amount": "15.00"}]}
    problem(await shop.api.request("POST", path, json=too_much), 422, "overpayment", field="payments[0].amount")
    assert await shop.balance_of(customer) == 10
    receipt = await shop.api.post(path, too_much | {"keep_overpayment": True})
    assert (receipt["to_invoices"], receipt["to_account"], receipt["amount"]) == ("10.00", "5.00", "15.00")
    seen = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert (seen["balance"], seen["account_credit"]) == ("-5.00", "5.00")
    await assert_account_adds_up(shop, customer)


async def test_account_credit_pays_invoices_without_a_new_ledger_entry(shop: Shop) -> None:
    customer = await shop.make_customer()
    await receive(shop, customer, CASH | {"amount": "12.00"}, keep_overpayment=True)
    product = await shop.make_product(unit_price="10.00")
    invoice = await shop.sell(product, method="CREDIT", customer_id=customer["id"])
    entries = len(await shop.ledger())
    receipt = await receive(shop, customer, {"method": "ACCOUNT"})
    assert paid(receipt) == [(invoice["number"], "10.00", "PAID", "0.00")]
    assert len(await shop.ledger()) == entries
    seen = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert (seen["balance"], seen["account_credit"]) == ("-2.00", "2.00")
    await assert_account_adds_up(shop, customer)


async def test_the_account_pays_what_it_can_and_money_the_rest(shop: Shop) -> None:
    customer = await shop.make_customer()
    await receive(shop, customer, CASH | {"amount": "4.00"}, keep_overpayment=True)
    product = await shop.make_product(unit_price="10.00")
    await shop.sell(product, method="CREDIT", customer_id=customer["id"])
    # The account first, whatever the order: credit is never bought with credit.
    receipt = await receive(shop, customer, CASH | {"amount": "7.00"}, {"method": "ACCOUNT"}, keep_overpayment=True)
    assert [(p["method"], p["amount"], p["purpose"]) for p in receipt["payments"]] == [
        ("ACCOUNT", "4.00", "INVOICE"),
        ("CASH", "6.00", "INVOICE"),
        ("CASH", "1.00", "ACCOUNT"),
    ]
    await assert_account_adds_up(shop, customer)


async def test_an_account_with_nothing_on_it_pays_nothing(shop: Shop) -> None:
    customer, _ = await owing(shop, "10.00")
    path = f"/v1/customers/{customer['id']}/receipts"
    for tender in ({"method": "ACCOUNT"}, {"method": "ACCOUNT", "amount": "1.00"}):
        response = await shop.api.request("POST", path, json={"payments": [tender]})
        problem(response, 409, "insufficient_account_credit")


async def test_account_credit_is_paid_back(shop: Shop) -> None:
    customer = await shop.make_customer()
    await receive(shop, customer, CASH | {"amount": "12.00"}, keep_overpayment=True)
    path = f"/v1/customers/{customer['id']}/refunds"
    refund = await shop.api.post(path, CASH | {"amount": "5.00", "reason": "asked for"})
    assert (refund["kind"], refund["amount"], refund["number"]) == ("REFUND", "5.00", 2)
    assert [(p["purpose"], p["amount"]) for p in refund["payments"]] == [("ACCOUNT", "5.00")]
    rest = await shop.api.post(path, {"method": "TRANSFER"})
    assert rest["amount"] == "7.00"
    assert await shop.balance_of(customer) == 0
    problem(await shop.api.request("POST", path, json=CASH), 409, "insufficient_account_credit", field="amount")
    problem(await shop.api.request("POST", path, json={"method": "ACCOUNT"}), 422, "invalid_value", field="method")
    assert [(e["type"], e["debit"], e["note"]) for e in await shop.ledger() if e["type"] == "REFUND"] == [
        ("REFUND", "5.00", "asked for"),
        ("REFUND", "7.00", ""),
    ]
    await assert_account_adds_up(shop, customer)


async def test_paying_credit_back_keeps_to_the_credit_limit(shop: Shop) -> None:
    customer, _ = await owing(shop, "40.00", credit_limit="50.00")
    await shop.api.post(f"/v1/customers/{customer['id']}/opening-balance", {"credit": "30.00"})
    product = await shop.make_product(unit_price="35.00")
    await shop.sell(product, method="CREDIT", customer_id=customer["id"])
    # Owes 75, has 30: 45 of 50. Without the credit it would be 75.
    path = f"/v1/customers/{customer['id']}/refunds"
    problem(await shop.api.request("POST", path, json=CASH), 409, "credit_limit_exceeded")
    cashier = await shop.as_role(Role.CASHIER)
    allowed = CASH | {"override_reason": "the owner agreed"}
    problem(await cashier.request("POST", path, json=allowed), 403, "permission_refused")
    await shop.api.post(path, allowed)
    assert await shop.balance_of(customer) == 75
    await assert_account_adds_up(shop, customer)


async def test_an_opening_debt_is_paid_before_any_invoice(shop: Shop) -> None:
    customer, (invoice,) = await owing(shop, "10.00")
    path = f"/v1/customers/{customer['id']}/opening-balance"
    opening = await shop.api.post(path, {"debit": "25.50", "as_of": "2025-12-31", "note": "from the old books"})
    assert (opening["debit"], opening["credit"], opening["as_of"]) == ("25.50", "0.00", "2025-12-31")
    seen = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert (seen["balance"], seen["opening_due"]) == ("35.50", "25.50")
    receipt = await receive(shop, customer, CASH | {"amount": "30.00"})
    assert (receipt["to_opening"], receipt["to_invoices"]) == ("25.50", "4.50")
    assert paid(receipt) == [(invoice["number"], "4.50", "UNPAID", "5.50")]
    await shop.api.post(path, {"debit": "1.00"})
    assert (await shop.api.get(f"/v1/customers/{customer['id']}"))["opening_due"] == "1.00"
    await assert_account_adds_up(shop, customer)


async def test_an_opening_mistake_is_corrected_from_the_other_side(shop: Shop) -> None:
    customer = await shop.make_customer()
    path = f"/v1/customers/{customer['id']}/opening-balance"
    await shop.api.post(path, {"debit": "100.00"})
    await shop.api.post(path, {"credit": "100.00", "note": "was another customer's"})
    receipt = await receive(shop, customer, {"method": "ACCOUNT"})
    assert (receipt["to_opening"], [p["purpose"] for p in receipt["payments"]]) == ("100.00", ["OPENING"])
    seen = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert (seen["balance"], seen["opening_due"], seen["account_credit"]) == ("0.00", "0.00", "0.00")
    await assert_account_adds_up(shop, customer)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_value"),
        ({"debit": "1.00", "credit": "1.00"}, "invalid_value"),
        ({"debit": "0.00"}, "invalid_value"),
        ({"debit": "1.001"}, "invalid_value"),
        ({"debit": "-1.00"}, "invalid_request"),
        ({"debit": "1.00", "as_of": "2999-01-01"}, "invalid_value"),
        ({"debit": "1.00", "date": "2026-01-01"}, "invalid_request"),
    ],
)
async def test_openings_that_make_no_sense_are_refused(shop: Shop, body: Json, code: str) -> None:
    customer = await shop.make_customer()
    response = await shop.api.request("POST", f"/v1/customers/{customer['id']}/opening-balance", json=body)
    problem(response, 422, code)


async def test_opening_balances_are_a_managers_to_enter(shop: Shop) -> None:
    customer = await shop.make_customer()
    path = f"/v1/customers/{customer['id']}/opening-balance"
    for role, status in ((Role.CASHIER, 403), (Role.AUDITOR, 403), (Role.MANAGER, 201)):
        response = await (await shop.as_role(role)).request("POST", path, json={"debit": "1.00"})
        assert response.status_code == status, role


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"payments": []}, 422, "invalid_request", "payments"),
        ({"payments": [{"method": "CREDIT"}]}, 422, "invalid_request", "payments[0].method"),
        ({"payments": [CASH | {"amount": "0.00"}]}, 422, "invalid_value", "payments[0].amount"),
        ({"payments": [CASH | {"amount": "1.005"}]}, 422, "invalid_value", "payments[0].amount"),
        ({"payments": [CASH | {"amount": "5.00", "tendered": "4.00"}]}, 422, "insufficient_tender", None),
        ({"payments": [{"method": "CARD", "amount": "5.00", "tendered": "6.00"}]}, 422, "overpayment", None),
        ({"payments": [CASH] * 21}, 422, "invalid_request", "payments"),
        ({"payments": [CASH], "shift_id": str(uuid4())}, 409, "shift_closed", "shift_id"),
        ({"payments": [CASH], "allocations": [{"invoice_id": str(uuid4())}]}, 404, "not_found", None),
    ],
)
async def test_receipts_that_make_no_sense_are_refused(
    shop: Shop, body: Json, status: int, code: str, field: str | None
) -> None:
    customer, _ = await owing(shop, "10.00")
    response = await shop.api.request("POST", f"/v1/customers/{customer['id']}/receipts", json=body)
    problem(response, status, code, field=field)
    assert await shop.balance_of(customer) == 10


async def test_allocations_that_make_no_sense_are_refused(shop: Shop) -> None:
    customer, (first, second) = await owing(shop, "10.00", "20.00")
    await receive(shop, customer, CASH | {"amount": "10.00"})
    _, (strangers,) = await owing(shop, "10.00")
    draft = await shop.draft(await shop.make_product(), customer_id=customer["id"])
    path = f"/v1/customers/{customer['id']}/receipts"
    cases: list[tuple[list[Json], int, str]] = [
        ([{"invoice_id": first["id"]}], 409, "invalid_transition"),  # paid already
        ([{"invoice_id": draft["id"]}], 409, "invalid_transition"),
        ([{"invoice_id": strangers["id"]}], 404, "not_found"),
        ([{"invoice_id": second["id"], "amount": "20.01"}], 422, "overpayment"),
        ([{"invoice_id": second["id"], "amount": "0.00"}], 422, "invalid_value"),
        ([{"invoice_id": second["id"], "amount": "5.00"}] * 2, 422, "invalid_value"),
    ]
    for allocations, status, code in cases:
        body = {"payments": [CASH], "allocations": allocations}
        problem(await shop.api.request("POST", path, json=body), status, code)
    body = {"payments": [CASH | {"amount": "3.00"}], "allocations": [{"invoice_id": second["id"], "amount": "5.00"}]}
    problem(await shop.api.request("POST", path, json=body), 422, "insufficient_tender")


async def test_a_customer_who_owes_nothing_cannot_pay_by_accident(shop: Shop) -> None:
    customer = await shop.make_customer()
    path = f"/v1/customers/{customer['id']}/receipts"
    problem(await shop.api.request("POST", path, json={"payments": [CASH]}), 422, "overpayment")


async def test_strangers_and_auditors_take_no_money(shop: Shop, foreign: Foreign) -> None:
    body = {"payments": [CASH]}
    response = await shop.api.request("POST", f"/v1/customers/{foreign.ids['customer_id']}/receipts", json=body)
    problem(response, 404, "not_found")
    customer, _ = await owing(shop, "10.00")
    auditor = await shop.as_role(Role.AUDITOR)
    problem(
        await auditor.request("POST", f"/v1/customers/{customer['id']}/receipts", json=body), 403, "permission_refused"
    )


async def test_the_same_key_takes_the_money_once(shop: Shop) -> None:
    customer, _ = await owing(shop, "10.00", "20.00")
    path, body = f"/v1/customers/{customer['id']}/receipts", {"payments": [CASH | {"amount": "25.00"}]}
    first = await shop.api.request("POST", path, json=body, key="one")
    again = await shop.api.request("POST", path, json=body, key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert first.headers["location"] == f"/v1/receipts/{first.json()['id']}"
    assert await shop.balance_of(customer) == 5


async def test_receipts_taken_at_once_pay_every_invoice_once(shop: Shop) -> None:
    customer, _ = await owing(shop, *["10.00"] * 6)
    path = f"/v1/customers/{customer['id']}/receipts"
    body = {"payments": [CASH | {"amount": "10.00"}]}

    async def pay() -> int:
        for _ in range(20):
            response = await shop.api.request("POST", path, json=body)
            if response.status_code != 409:
                return response.status_code
            problem(response, 409, "concurrent_change")
        return 409

    statuses = await asyncio.gather(*(pay() for _ in range(8)))
    assert sorted(statuses) == [201] * 6 + [422] * 2
    assert await shop.balance_of(customer) == 0
    sums = await shop.rows(
        "SELECT i.id, i.total, sum(p.amount) AS paid FROM ibex.invoices i JOIN ibex.payments p "
        "ON p.store_id = i.store_id AND p.invoice_id = i.id WHERE i.store_id = $1 GROUP BY i.id, i.total"
    )
    assert len(sums) == 6
    assert all(row["paid"] == row["total"] for row in sums)
    await assert_account_adds_up(shop, customer)


async def test_a_receipt_settles_at_most_a_hundred_invoices(shop: Shop) -> None:
    customer = await shop.make_customer()
    product = await shop.make_product(unit_price="1.00", stock="1000")
    for _ in range(101):
        await shop.sell(product, method="CREDIT", customer_id=customer["id"])
    path = f"/v1/customers/{customer['id']}/receipts"
    problem(await shop.api.request("POST", path, json={"payments": [CASH]}), 422, "limit_exceeded", field="payments")
    receipt = await receive(shop, customer, CASH | {"amount": "100.00"})
    assert len(receipt["invoices"]) == 100
    receipt = await receive(shop, customer, CASH)
    assert paid(receipt) == [(101, "1.00", "PAID", "0.00")]


async def test_receipts_are_read_and_listed(shop: Shop, api: Api) -> None:
    customer, invoices = await owing(shop, "10.00", "20.00")
    sale = await shop.sell(await shop.make_product(unit_price="3.00"), amount_tendered="5.00")
    taken = await receive(shop, customer, CASH | {"amount": "12.00"})
    read = await api.get(f"/v1/receipts/{taken['id']}")
    assert read == taken
    of_sale = await api.get(f"/v1/receipts/{sale['payments'][0]['receipt_id']}")
    assert (of_sale["customer_id"], of_sale["change_due"]) == (None, "2.00")
    assert paid(of_sale) == [(sale["number"], "3.00", "PAID", "0.00")]
    listed = await api.all("/v1/receipts", limit=1)
    assert [(r["number"], r["amount"], r["methods"]) for r in listed] == [
        (2, "12.00", ["CASH"]),
        (1, "3.00", ["CASH"]),
    ]
    assert [r["number"] for r in await api.all("/v1/receipts", customer_id=customer["id"])] == [2]
    assert await api.all("/v1/receipts", kind="REFUND") == []
    assert [r["number"] for r in await api.all("/v1/receipts", **{"from": taken["business_date"]})] == [2, 1]
    assert await api.all("/v1/receipts", **{"from": "2999-01-01"}) == []
    problem(await api.request("GET", f"/v1/receipts/{uuid4()}"), 404, "not_found")
    assert invoices[0]["number"] == 1


async def test_other_stores_receipts_are_not_there(shop: Shop, foreign: Foreign) -> None:
    paid_there = await foreign.shop.api.post(
        f"/v1/customers/{foreign.ids['customer_id']}/receipts", {"payments": [CASH]}
    )
    problem(await shop.api.request("GET", f"/v1/receipts/{paid_there['id']}"), 404, "not_found")
    assert await shop.api.all("/v1/receipts") == []


async def test_what_happened_is_in_the_audit_and_the_outbox(shop: Shop) -> None:
    customer, _ = await owing(shop, "10.00", "20.00")
    receipt = await receive(shop, customer, CASH | {"amount": "15.00"})
    audit = await shop.rows(
        "SELECT action, entity_id, after::text FROM ibex.audit_entries WHERE store_id = $1 ORDER BY seq DESC LIMIT 3"
    )
    assert [row["action"] for row in audit] == ["receipt.taken", "payment.received", "invoice.paid"]
    assert audit[0]["entity_id"] == receipt["id"]
    assert f'"number": {receipt["number"]}' in audit[0]["after"]
    events = await shop.rows("SELECT type FROM ibex.events WHERE store_id = $1 ORDER BY seq DESC LIMIT 3")
    assert [row["type"] for row in events] == ["receipt.taken", "payment.received", "invoice.paid"]


async def test_yen_and_dinars_are_cut_at_their_own_decimals(service: Service) -> None:
    for currency, price, given, left in (("JPY", "100", "150", "50"), ("KWD", "1.005", "1.500", "0.510")):
        shop = await open_shop(service, currency=currency)
        customer, _ = await owing(shop, price, price)
        receipt = await receive(shop, customer, CASH | {"amount": given})
        assert [i["outstanding"] for i in receipt["invoices"]][-1] == left
        assert Decimal(receipt["amount"]) == Decimal(given)
        await assert_account_adds_up(shop, customer)
