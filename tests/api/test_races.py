"""Many at once, on the real database: what only one may have goes to one, and everybody gets an answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.api.client import Json, Shop

pytestmark = pytest.mark.timeout(300)


async def at_once(*requests: Any) -> list[httpx.Response]:
    """The answers, in the order of the requests."""
    return list(await asyncio.gather(*requests))


def outcomes(answers: list[httpx.Response]) -> Counter[tuple[int, str]]:
    """How many answered what: status, and the problem's code."""
    return Counter((a.status_code, a.json().get("code", "") if a.status_code >= 400 else "") for a in answers)


def sale(product: Json, quantity: str = "1", **fields: Any) -> Json:
    return {"lines": [{"product_id": product["id"], "quantity": quantity}], "payment_method": "CASH", **fields}


async def test_fifty_issues_of_one_draft_make_one_invoice(shop: Shop) -> None:
    product = await shop.make_product(stock="10")
    draft = await shop.draft([(product, "2")])
    path, body = f"/v1/invoices/{draft['id']}/issue", {"payment_method": "CASH"}
    answers = await at_once(*(shop.api.request("POST", path, json=body) for _ in range(50)))
    found = outcomes(answers)
    assert found[200, ""] == 1
    assert set(found) <= {(200, ""), (409, "invalid_transition"), (409, "concurrent_change")}
    assert [e["type"] for e in await shop.ledger()] == ["SALE", "RECEIPT"]
    assert await shop.stock_of(product) == 8
    assert len(await shop.api.all("/v1/invoices", status="PAID")) == 1


async def test_fifty_payments_of_what_is_owed_take_it_once(shop: Shop) -> None:
    product, customer = await shop.make_product(), await shop.make_customer()
    invoice = await shop.sell(product, method="CREDIT", customer_id=customer["id"])
    path, body = f"/v1/invoices/{invoice['id']}/payments", {"payment_method": "CARD"}
    answers = await at_once(*(shop.api.request("POST", path, json=body) for _ in range(50)))
    found = outcomes(answers)
    assert found[201, ""] == 1
    assert set(found) <= {(201, ""), (409, "invalid_transition"), (409, "concurrent_change")}
    assert await shop.balance_of(customer) == 0
    assert [e["type"] for e in await shop.ledger()] == ["SALE", "RECEIPT"]


async def test_two_hundred_sales_of_a_hundred_sell_a_hundred(shop: Shop) -> None:
    product = await shop.make_product(stock="100")
    answers = await at_once(*(shop.api.request("POST", "/v1/sales", json=sale(product)) for _ in range(200)))
    assert outcomes(answers) == {(201, ""): 100, (409, "insufficient_stock"): 100}
    assert await shop.stock_of(product) == 0
    assert sorted(a.json()["number"] for a in answers if a.status_code == 201) == list(range(1, 101))


async def test_a_hundred_sales_take_the_numbers_from_1_to_100(shop: Shop) -> None:
    products = [await shop.make_product() for _ in range(5)]
    answers = await at_once(*(shop.api.request("POST", "/v1/sales", json=sale(products[i % 5])) for i in range(100)))
    assert sorted(a.json()["number"] for a in answers) == list(range(1, 101))
    assert sorted(a.json()["payments"][0]["receipt_number"] for a in answers) == list(range(1, 101))
    assert [entry["seq"] for entry in await shop.ledger()] == list(range(1, 201))


async def test_refused_sales_among_others_leave_no_gap(shop: Shop) -> None:
    plenty, little = await shop.make_product(stock="100"), await shop.make_product(stock="3")
    answers = await at_once(
        *(shop.api.request("POST", "/v1/sales", json=sale([plenty, little][i % 2])) for i in range(60))
    )
    assert outcomes(answers) == {(201, ""): 33, (409, "insufficient_stock"): 27}
    assert sorted(a.json()["number"] for a in answers if a.status_code == 201) == list(range(1, 34))


async def test_two_products_in_opposite_order_never_deadlock(shop: Shop) -> None:
    a, b = await shop.make_product(stock="500"), await shop.make_product(stock="500")
    customers = [await shop.make_customer() for _ in range(2)]

    async def sell(i: int) -> httpx.Response:
        order = [a, b] if i % 2 else [b, a]
        lines = [{"product_id": product["id"], "quantity": "1"} for product in order]
        body = {"lines": lines, "payment_method": "CREDIT", "customer_id": customers[i // 2 % 2]["id"]}
        return await shop.api.request("POST", "/v1/sales", json=body)

    answers = await at_once(*(sell(i) for i in range(100)))
    assert outcomes(answers) == {(201, ""): 100}
    assert [await shop.stock_of(product) for product in (a, b)] == [400, 400]
    assert sum([await shop.balance_of(customer) for customer in customers], Decimal(0)) == 2000


@pytest.mark.parametrize("round_", range(10))
async def test_a_draft_is_issued_or_cancelled_never_both(shop: Shop, round_: int) -> None:
    product = await shop.make_product(stock="10")
    draft = await shop.draft(product)
    issue = shop.api.request("POST", f"/v1/invoices/{draft['id']}/issue", json={"payment_method": "CASH"})
    cancel = shop.api.request("POST", f"/v1/invoices/{draft['id']}/cancel")
    issued, cancelled = await at_once(issue, cancel) if round_ % 2 else reversed(await at_once(cancel, issue))
    assert sorted([issued.status_code, cancelled.status_code]) == [200, 409]
    status = (await shop.api.get(f"/v1/invoices/{draft['id']}"))["status"]
    assert status == ("PAID" if issued.status_code == 200 else "CANCELLED")
    assert await shop.stock_of(product) == (9 if status == "PAID" else 10)
    assert len(await shop.ledger()) == (2 if status == "PAID" else 0)


async def test_a_draft_changed_and_issued_at_once_is_issued_as_one_of_the_two(shop: Shop) -> None:
    product = await shop.make_product(stock="100")
    for _ in range(5):
        draft = await shop.draft([(product, "1")])
        change = shop.api.request(
            "PATCH",
            f"/v1/invoices/{draft['id']}",
            json={"lines": [{"product_id": product["id"], "quantity": "3"}]},
        )
        issue = shop.api.request("POST", f"/v1/invoices/{draft['id']}/issue", json={"payment_method": "CASH"})
        changed, issued = await at_once(change, issue)
        assert 200 in (changed.status_code, issued.status_code)
        assert {changed.status_code, issued.status_code} <= {200, 409}
        found = await shop.api.get(f"/v1/invoices/{draft['id']}")
        assert Decimal(found["total"]) == sum(Decimal(line["total"]) for line in found["lines"])


async def test_one_key_sent_twenty_times_sells_once(shop: Shop) -> None:
    product = await shop.make_product(stock="10")
    answers = await at_once(
        *(shop.api.request("POST", "/v1/sales", json=sale(product), key="till-1-1") for _ in range(20))
    )
    found = outcomes(answers)
    assert set(found) <= {(201, ""), (409, "request_in_progress")}
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert await shop.stock_of(product) == 9
    again = await shop.api.request("POST", "/v1/sales", json=sale(product), key="till-1-1")
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_credit_limit_holds_against_twenty_sales_at_once(shop: Shop) -> None:
    product = await shop.make_product(unit_price="10.00", stock="100")
    customer = await shop.make_customer(credit_limit="50.00")
    body = sale(product, payment_method="CREDIT", customer_id=customer["id"])
    answers = await at_once(*(shop.api.request("POST", "/v1/sales", json=body) for _ in range(20)))
    assert outcomes(answers) == {(201, ""): 5, (409, "credit_limit_exceeded"): 15}
    assert await shop.balance_of(customer) == 50


async def test_prices_that_change_under_sales_are_one_or_the_other(shop: Shop) -> None:
    product = await shop.make_product(unit_price="1.00", stock="500")

    async def change(i: int) -> httpx.Response:
        await asyncio.sleep(i * 0.01)
        price = {"unit_price": f"{i + 2}.00"}
        return await shop.api.request("PATCH", f"/v1/products/{product['id']}", json=price)

    sales = [shop.api.request("POST", "/v1/sales", json=sale(product)) for _ in range(60)]
    answers = (await at_once(*sales, *(change(i) for i in range(3))))[:60]
    assert {a.status_code for a in answers} <= {201, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"product_changed"}
    totals = {a.json()["total"] for a in answers if a.status_code == 201}
    assert totals <= {"1.00", "2.00", "3.00", "4.00"}
    last = await shop.sell(product)
    assert last["total"] == (await shop.api.get(f"/v1/products/{product['id']}"))["unit_price"]
