"""Goods that come back: by line, as a whole, and without their invoice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.identity.model import Permission, Role
from tests.api.client import Api, Foreign, Json, Service, Shop, open_shop, problem


def back(*lines: tuple[int, str], **fields: Any) -> Json:
    """The body of a return."""
    return {"lines": [{"line_no": line_no, "quantity": quantity} for line_no, quantity in lines]} | fields


async def give_back(shop: Shop, invoice: Json, body: Json, *, expect: int = 201, **options: Any) -> Json:
    """A return."""
    path = f"/v1/invoices/{invoice['id']}/credit-notes"
    made: Json = await shop.api.post(path, body, expect=expect, **options)
    return made


async def refused(shop: Shop, path: str, body: Json, status: int, code: str, field: str | None = None) -> Json:
    """The problem that a POST must answer."""
    return problem(await shop.api.request("POST", path, json=body), status, code, field=field)


def amounts(entries: Sequence[Json]) -> list[tuple[str, str, str]]:
    """What of ledger entries matters here."""
    return [(entry["type"], entry["debit"], entry["credit"]) for entry in entries]


async def test_one_of_three_comes_back_for_cash(shop: Shop) -> None:
    product = await shop.make_product(unit_price="1.00", tax_rate="22", stock="10")
    sale = await shop.sell([(product, "3")])
    note = await give_back(shop, sale, back((1, "1"), refund_method="CASH", reason="wrong size"))
    assert (note["number"], note["total"], note["settled"], note["refunded"]) == (1, "1.00", "0.00", "1.00")
    assert (note["net_total"], note["tax_total"], note["reason"]) == ("0.82", "0.18", "wrong size")
    (line,) = note["lines"]
    assert (line["invoice_line_no"], line["quantity"], line["disposition"]) == (1, "1", "RESTOCKED")
    (refund,) = note["payments"]
    assert (refund["kind"], refund["method"], refund["amount"], refund["receipt_number"]) == (
        "REFUND",
        "CASH",
        "1.00",
        2,
    )
    assert await shop.stock_of(product) == 8
    assert amounts(await shop.ledger()) == [
        ("SALE", "3.00", "0.00"),
        ("RECEIPT", "0.00", "3.00"),
        ("CREDIT_NOTE", "0.00", "1.00"),
        ("REFUND", "1.00", "0.00"),
    ]
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    assert (invoice["status"], invoice["paid"], invoice["credited"], invoice["outstanding"]) == (
        "PAID",
        "2.00",
        "1.00",
        "0.00",
    )
    assert invoice["lines"][0]["returned"] == "1"
    movements = await shop.api.all(f"/v1/products/{product['id']}/stock-movements")
    assert [(m["kind"], m["quantity"]) for m in movements if m["kind"] == "RETURNED"] == [("RETURNED", "1")]


async def test_the_note_is_read_as_it_was_answered(shop: Shop) -> None:
    product = await shop.make_product(unit_price="2.55", tax_rate="10")
    sale = await shop.sell([(product, "2"), (product, "1")])
    note = await give_back(
        shop, sale, back((1, "1"), (2, "1"), refunds=[{"method": "CARD", "amount": "2.00"}, {"method": "CASH"}])
    )
    response = await shop.api.request("GET", f"/v1/credit-notes/{note['id']}")
    assert response.json() == note
    again = await shop.api.request(
        "GET", f"/v1/credit-notes/{note['id']}", headers={"if-none-match": response.headers["etag"]}
    )
    assert again.status_code == 304
    assert [(p["method"], p["amount"]) for p in note["payments"]] == [("CARD", "2.00"), ("CASH", "3.10")]
    assert len({p["receipt_number"] for p in note["payments"]}) == 1


async def test_every_split_of_a_line_adds_up_to_it(shop: Shop) -> None:
    product = await shop.make_product(unit_price="0.10", tax_rate="22")
    sale = await shop.sell([(product, "7")], discount={"amount": "0.06"})
    notes = [await give_back(shop, sale, back((1, "1"), refund_method="CASH")) for _ in range(7)]
    assert sum(Decimal(note["total"]) for note in notes) == Decimal(sale["total"]) == Decimal("0.64")
    assert sum(Decimal(note["net_total"]) for note in notes) == Decimal(sale["net_total"])
    assert sum(Decimal(note["tax_total"]) for note in notes) == Decimal(sale["tax_total"])
    assert [note["number"] for note in notes] == [1, 2, 3, 4, 5, 6, 7]


async def test_a_debt_is_lowered_before_money_goes_back(shop: Shop) -> None:
    customer = await shop.make_customer()
    product = await shop.make_product()
    sale = await shop.sell([(product, "3")], method="CREDIT", customer_id=customer["id"])
    await shop.api.post(f"/v1/invoices/{sale['id']}/payments", {"payment_method": "CARD", "amount": "12.00"})
    # 30 sold, 12 paid, 18 owed: the first return lowers the debt only, and needs no way to give money back.
    first = await give_back(shop, sale, back((1, "1")))
    assert (first["settled"], first["refunded"], first["payments"]) == ("10.00", "0.00", [])
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    assert (invoice["status"], invoice["outstanding"]) == ("UNPAID", "8.00")
    assert await shop.balance_of(customer) == 8
    # The second is worth more than what is owed: 8 settle the invoice, 2 go back.
    problem_ = await refused(
        shop, f"/v1/invoices/{sale['id']}/credit-notes", back((1, "1")), 422, "invalid_value", "refund_method"
    )
    assert problem_["details"]["due"] == "2.00"
    second = await give_back(shop, sale, back((1, "1"), refund_method="TRANSFER"))
    assert (second["settled"], second["refunded"]) == ("8.00", "2.00")
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    assert (invoice["status"], invoice["paid"], invoice["credited"]) == ("PAID", "10.00", "20.00")
    assert await shop.balance_of(customer) == 0


async def test_a_refund_kept_on_the_account_pays_a_later_sale(shop: Shop) -> None:
    customer = await shop.make_customer()
    product = await shop.make_product()
    sale = await shop.sell([(product, "2")], method="CARD", customer_id=customer["id"])
    note = await give_back(shop, sale, back((1, "2"), refund_method="ACCOUNT"))
    assert [(p["kind"], p["method"], p["amount"]) for p in note["payments"]] == [("REFUND", "ACCOUNT", "20.00")]
    held = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert (held["balance"], held["account_credit"]) == ("-20.00", "20.00")
    assert [entry["type"] for entry in await shop.ledger()] == ["SALE", "RECEIPT", "CREDIT_NOTE"]
    later = await shop.sell(product, method="ACCOUNT", customer_id=customer["id"])
    assert later["status"] == "PAID"
    held = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert (held["balance"], held["account_credit"]) == ("-10.00", "10.00")


async def test_goods_written_off_do_not_go_back_on_the_shelf(shop: Shop) -> None:
    product = await shop.make_product(stock="10")
    sale = await shop.sell([(product, "4")])
    body = {
        "lines": [
            {"line_no": 1, "quantity": "1", "disposition": "WRITTEN_OFF"},
            {"line_no": 1, "quantity": "2", "disposition": "RESTOCKED"},
        ],
        "refund_method": "CASH",
    }
    note = await give_back(shop, sale, body)
    assert [line["disposition"] for line in note["lines"]] == ["WRITTEN_OFF", "RESTOCKED"]
    assert await shop.stock_of(product) == 8
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    assert invoice["lines"][0]["returned"] == "3"


async def test_never_more_than_was_sold_less_what_came_back(shop: Shop) -> None:
    product = await shop.make_product()
    sale = await shop.sell([(product, "2"), (product, "0.5")])
    path = f"/v1/invoices/{sale['id']}/credit-notes"
    await refused(shop, path, back((1, "3"), refund_method="CASH"), 409, "return_exceeds_sale", "lines[0].quantity")
    await give_back(shop, sale, back((1, "1"), refund_method="CASH"))
    await refused(shop, path, back((1, "2"), refund_method="CASH"), 409, "return_exceeds_sale", "lines[0].quantity")
    # The same line twice counts together.
    twice = back((1, "1"), (1, "1"), refund_method="CASH")
    await refused(shop, path, twice, 409, "return_exceeds_sale", "lines[1].quantity")
    await refused(shop, path, back((2, "0.501"), refund_method="CASH"), 409, "return_exceeds_sale")
    await give_back(shop, sale, back((1, "1"), (2, "0.5"), refund_method="CASH"))
    await refused(shop, path, back((1, "0.001"), refund_method="CASH"), 409, "return_exceeds_sale")
    assert [note["number"] for note in await shop.api.all("/v1/credit-notes", order="asc")] == [1, 2]


async def test_a_void_credits_exactly_the_total_in_cash_steps(service: Service) -> None:
    shop = await open_shop(service, currency="CHF", cash_rounding=Decimal("0.05"))
    product = await shop.make_product(unit_price="0.34")
    sale = await shop.sell([(product, "3")], amount_tendered="5.00")
    assert (sale["rounding"], sale["total"], sale["change_due"]) == ("-0.02", "1.00", "4.00")
    note = await shop.api.post(f"/v1/invoices/{sale['id']}/void", {"refund_method": "CASH", "reason": "rang up twice"})
    assert (note["rounding"], note["total"], note["refunded"]) == ("-0.02", "1.00", "1.00")
    assert await shop.stock_of(product) == 100
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    assert (invoice["number"], invoice["paid"], invoice["credited"]) == (1, "0.00", "1.00")
    await refused(shop, f"/v1/invoices/{sale['id']}/void", {"refund_method": "CASH"}, 409, "invalid_transition")


async def test_cash_goes_back_in_coins_that_there_are(service: Service) -> None:
    shop = await open_shop(service, currency="CHF", cash_rounding=Decimal("0.05"))
    product = await shop.make_product(unit_price="0.34")
    sale = await shop.sell([(product, "3")])
    parts = [await give_back(shop, sale, back((1, "1"), refund_method="CASH")) for _ in range(3)]
    assert [part["total"] for part in parts] == ["0.35", "0.35", "0.30"]
    by_card = await shop.sell([(product, "3")], method="CARD")
    assert by_card["total"] == "1.02"
    parts = [await give_back(shop, by_card, back((1, "1"), refund_method="CARD")) for _ in range(3)]
    assert [part["total"] for part in parts] == ["0.34", "0.34", "0.34"]


async def test_a_void_after_a_partial_return_takes_the_rest(shop: Shop) -> None:
    customer = await shop.make_customer()
    product, other = await shop.make_product(tax_rate="22"), await shop.make_product(unit_price="0.99")
    sale = await shop.sell(
        [(product, "3"), (other, "2")], method="CREDIT", customer_id=customer["id"], discount={"percent": "7"}
    )
    first = await give_back(shop, sale, back((1, "2"), (2, "1")))
    rest = await shop.api.post(f"/v1/invoices/{sale['id']}/void", {"disposition": "WRITTEN_OFF"})
    assert Decimal(first["total"]) + Decimal(rest["total"]) == Decimal(sale["total"])
    assert {line["disposition"] for line in rest["lines"]} == {"WRITTEN_OFF"}
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    assert (invoice["status"], invoice["outstanding"], invoice["credited"]) == ("PAID", "0.00", sale["total"])
    assert await shop.balance_of(customer) == 0
    actions = await shop.rows("SELECT action, reason FROM ibex.audit_entries WHERE store_id = $1 ORDER BY seq")
    assert [row["action"] for row in actions][-3:] == ["credit_note.issued", "credit_note.issued", "invoice.voided"]


async def test_a_sale_for_nothing_comes_back_for_nothing(shop: Shop) -> None:
    product = await shop.make_product(unit_price="0", stock="5")
    sale = await shop.sell([(product, "2")])
    note = await give_back(shop, sale, back((1, "1")))
    assert (note["total"], note["payments"]) == ("0.00", [])
    assert await shop.stock_of(product) == 4


async def test_what_was_not_issued_cannot_come_back(shop: Shop, foreign: Foreign) -> None:
    product = await shop.make_product()
    draft = await shop.draft([(product, "1")])
    for path in (f"/v1/invoices/{draft['id']}/credit-notes", f"/v1/invoices/{draft['id']}/void"):
        body = back((1, "1"), refund_method="CASH") if path.endswith("notes") else {"refund_method": "CASH"}
        await refused(shop, path, body, 409, "invalid_transition")
    path = f"/v1/invoices/{foreign.ids['invoice_id']}/credit-notes"
    await refused(shop, path, back((1, "1"), refund_method="CASH"), 404, "not_found", "invoice_id")
    await refused(shop, f"/v1/invoices/{foreign.ids['invoice_id']}/void", {}, 404, "not_found", "invoice_id")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (back(refund_method="CASH"), 422, "invalid_value", "lines"),
        (back((1, "0"), refund_method="CASH"), 422, "invalid_value", "lines[0].quantity"),
        (back((1, "-1"), refund_method="CASH"), 422, "invalid_request", "lines[0].quantity"),
        (back((9, "1"), refund_method="CASH"), 404, "not_found", "lines[0].line_no"),
        (back((0, "1"), refund_method="CASH"), 422, "invalid_request", "lines[0].line_no"),
        (back((1, "1")), 422, "invalid_value", "refund_method"),
        (back((1, "1"), refund_method="CREDIT"), 422, "invalid_request", "refund_method"),
        (back((1, "1"), refund_method="ACCOUNT"), 422, "invalid_value", "refund_method"),
        (back((1, "1"), refund_method="CASH", refunds=[]), 422, "invalid_request", "refund_method"),
        (back((1, "1"), refunds=[{"method": "CASH", "amount": "9.99"}]), 422, "insufficient_tender", "refunds"),
        (back((1, "1"), refunds=[{"method": "CARD", "amount": "10.01"}]), 422, "overpayment", "refunds[0].amount"),
        (back((1, "1"), refunds=[{"method": "CARD", "amount": "1.001"}]), 422, "invalid_value", "refunds[0].amount"),
        (back((1, "1"), refund_method="CASH", nonsense=1), 422, "invalid_request", "nonsense"),
        (back((1, "1"), refund_method="CASH", reason="a\u0000b"), 422, "invalid_request", "reason"),
    ],
)
async def test_a_return_that_makes_no_sense(shop: Shop, body: Json, status: int, code: str, field: str) -> None:
    sale = await shop.sell(await shop.make_product())
    await refused(shop, f"/v1/invoices/{sale['id']}/credit-notes", body, status, code, field)
    assert await shop.api.all("/v1/credit-notes") == []


async def test_the_same_key_gives_the_same_note(shop: Shop) -> None:
    product = await shop.make_product()
    sale = await shop.sell([(product, "2")])
    path, body = f"/v1/invoices/{sale['id']}/void", {"refund_method": "CASH"}
    first = await shop.api.request("POST", path, json=body, key="void-1")
    again = await shop.api.request("POST", path, json=body, key="void-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == f"/v1/credit-notes/{first.json()['id']}"
    other = await shop.api.request("POST", path, json=body | {"reason": "?"}, key="void-1")
    problem(other, 422, "idempotency_key_reused")
    assert len(await shop.api.all("/v1/credit-notes")) == 1


async def test_a_version_that_is_gone(shop: Shop) -> None:
    product = await shop.make_product()
    sale = await shop.sell([(product, "2")])
    tag = {"if-match": f'"v{sale["version"]}"'}
    await give_back(shop, sale, back((1, "1"), refund_method="CASH"), headers=tag)
    path = f"/v1/invoices/{sale['id']}/credit-notes"
    stale = await shop.api.request("POST", path, json=back((1, "1"), refund_method="CASH"), headers=tag)
    problem(stale, 412, "precondition_failed")


async def test_an_id_of_the_tills_own_is_taken_once(shop: Shop) -> None:
    product = await shop.make_product()
    sale = await shop.sell([(product, "2")])
    body = back((1, "1"), refund_method="CASH", id="0190f3a0-7b1c-7d00-8000-0000000000aa")
    assert (await give_back(shop, sale, body))["id"] == body["id"]
    await refused(shop, f"/v1/invoices/{sale['id']}/credit-notes", body, 409, "already_exists", "id")


async def test_who_may_take_goods_back(shop: Shop) -> None:
    product = await shop.make_product()
    sale = await shop.sell([(product, "2")])
    path, body = f"/v1/invoices/{sale['id']}/credit-notes", back((1, "1"), refund_method="CASH")
    cashier, auditor = await shop.as_role(Role.CASHIER), await shop.as_role(Role.AUDITOR)
    await cashier.post(path, body)
    problem(await auditor.request("POST", path, json=body), 403, "permission_refused")
    narrow = await shop.with_token(Role.OWNER, scopes=frozenset({Permission.SALES_READ}))
    problem(await narrow.request("POST", path, json=body), 403, "permission_refused")
    loose = {
        "lines": [{"product_id": product["id"], "quantity": "1"}],
        "refund_method": "CASH",
        "reason": "receipt lost",
    }
    problem(await cashier.request("POST", "/v1/credit-notes", json=loose), 403, "permission_refused")
    await (await shop.as_role(Role.MANAGER)).post("/v1/credit-notes", loose)
    assert len(await auditor.all("/v1/credit-notes")) == 2


async def test_goods_without_their_invoice(shop: Shop) -> None:
    customer = await shop.make_customer()
    product = await shop.make_product(unit_price="5.00", tax_rate="22", stock="1", barcode="4711")
    lines = [
        {"barcode": "4711", "quantity": "2"},
        {"sku": product["sku"], "quantity": "1", "unit_price": "3.50", "disposition": "WRITTEN_OFF"},
    ]
    body = {"lines": lines, "refund_method": "ACCOUNT", "reason": "present", "customer_id": customer["id"]}
    note = await shop.api.post("/v1/credit-notes", body)
    assert (note["invoice_id"], note["total"], note["settled"], note["refunded"]) == (None, "13.50", "0.00", "13.50")
    assert note["taxes"] == [{"rate": "22", "net": "11.07", "tax": "2.43", "total": "13.50"}]
    assert await shop.stock_of(product) == 3
    assert await shop.balance_of(customer) == Decimal("-13.50")
    for change, field in (
        ({"reason": " "}, "reason"),
        ({"lines": []}, "lines"),
        ({"refund_method": None}, "refund_method"),
        ({"customer_id": None}, "refund_method"),
    ):
        await refused(shop, "/v1/credit-notes", body | change, 422, "invalid_value", field)
    nobody = body | {"customer_id": "0190f3a0-7b1c-7d00-8000-0000000000ab"}
    await refused(shop, "/v1/credit-notes", nobody, 404, "not_found", "customer_id")
    nothing = body | {"lines": [{"sku": "NONE", "quantity": "1"}]}
    await refused(shop, "/v1/credit-notes", nothing, 404, "not_found", "lines[0]")
    assert len(await shop.api.all("/v1/credit-notes")) == 1


async def test_the_price_of_today_is_read_anew(shop: Shop) -> None:
    product = await shop.make_product(unit_price="5.00")
    await shop.sell(product)
    await shop.rows(
        "UPDATE ibex.products SET unit_price = 7, version = version + 1 WHERE store_id = $1 RETURNING 1 AS n"
    )
    body = {
        "lines": [{"product_id": product["id"], "quantity": "1"}],
        "refund_method": "CASH",
        "reason": "receipt lost",
    }
    assert (await shop.api.post("/v1/credit-notes", body))["total"] == "7.00"


async def test_lists_are_filtered_and_paged(shop: Shop, api: Api, foreign: Foreign) -> None:
    customer = await shop.make_customer()
    product = await shop.make_product()
    one = await shop.sell([(product, "3")], method="CREDIT", customer_id=customer["id"])
    two = await shop.sell([(product, "2")])
    for _ in range(3):
        await give_back(shop, one, back((1, "1")))
    await give_back(shop, two, back((1, "2"), refund_method="CASH"))
    assert [n["number"] for n in await api.all("/v1/credit-notes")] == [4, 3, 2, 1]
    assert [n["number"] for n in await api.all("/v1/credit-notes", invoice_id=two["id"])] == [4]
    assert [n["number"] for n in await api.all("/v1/credit-notes", customer_id=customer["id"], order="asc")] == [
        1,
        2,
        3,
    ]
    assert [n["number"] for n in await api.all("/v1/credit-notes", number=2)] == [2]
    assert await api.all("/v1/credit-notes", to="2001-01-01") == []
    page = await api.get("/v1/credit-notes", params={"limit": 3})
    await give_back(shop, await shop.sell(product), back((1, "1"), refund_method="CASH"))
    rest = await api.get("/v1/credit-notes", params={"limit": 3, "cursor": page["next_cursor"]})
    assert [n["number"] for n in page["items"] + rest["items"]] == [4, 3, 2, 1]
    mine = (await api.get("/v1/credit-notes"))["items"][0]["id"]
    assert mine not in [note["id"] for note in await foreign.shop.api.all("/v1/credit-notes")]
    problem(await foreign.shop.api.request("GET", f"/v1/credit-notes/{mine}"), 404, "not_found")


async def test_fifty_returns_of_one_unit_at_once(shop: Shop) -> None:
    product = await shop.make_product(stock="1")
    sale = await shop.sell(product)
    path, body = f"/v1/invoices/{sale['id']}/credit-notes", back((1, "1"), refund_method="CASH")
    answers = await asyncio.gather(*(shop.api.request("POST", path, json=body, key=f"r{i}") for i in range(50)))
    done = [answer for answer in answers if answer.status_code == 201]
    assert len(done) == 1
    for answer in answers:
        if answer is not done[0]:
            assert answer.status_code == 409, answer.text
            assert answer.json()["code"] in ("return_exceeds_sale", "concurrent_change")
    assert await shop.stock_of(product) == 1
    (row,) = await shop.rows("SELECT credit_note_number AS n FROM ibex.store_counters WHERE store_id = $1")
    assert row["n"] == 1
    invoice = await shop.api.get(f"/v1/invoices/{sale['id']}")
    assert (invoice["paid"], invoice["credited"], invoice["lines"][0]["returned"]) == ("0.00", "10.00", "1")


async def test_returns_and_payments_at_once_keep_the_books(shop: Shop) -> None:
    customer = await shop.make_customer()
    product = await shop.make_product()
    sale = await shop.sell([(product, "10")], method="CREDIT", customer_id=customer["id"])
    path = f"/v1/invoices/{sale['id']}"
    give = [("credit-notes", back((1, "1"), refund_method="ACCOUNT"))] * 8
    pay = [("payments", {"payment_method": "CARD", "amount": "10.00"})] * 8
    answers = await asyncio.gather(
        *(shop.api.request("POST", f"{path}/{end}", json=body) for end, body in [*give, *pay])
    )
    assert {answer.status_code for answer in answers} <= {201, 409, 422}
    invoice = await shop.api.get(path)
    notes = await shop.api.all("/v1/credit-notes", invoice_id=sale["id"])
    credited = sum(Decimal(note["total"]) for note in notes)
    signs = {"RECEIPT": 1, "REFUND": -1}
    paid = sum(signs[p["kind"]] * Decimal(p["amount"]) for p in invoice["payments"])
    assert (Decimal(invoice["credited"]), Decimal(invoice["paid"])) == (credited, paid)
    assert Decimal(invoice["lines"][0]["returned"]) * 10 == credited
    held = await shop.api.get(f"/v1/customers/{customer['id']}")
    assert Decimal(held["balance"]) == Decimal(invoice["outstanding"]) - Decimal(held["account_credit"])
    balance = sum(Decimal(entry["debit"]) - Decimal(entry["credit"]) for entry in await shop.ledger())
    assert balance == Decimal(held["balance"])
