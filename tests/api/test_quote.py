"""Prices, discounts, tax and rounding: shown before the sale, and the same in it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.identity.model import Permission, Role
from tests.api.client import Foreign, Json, Service, Shop, open_shop, problem

QUOTE = "/v1/sales/quote"
SAME = ("subtotal", "discount_total", "net_total", "tax_total", "rounding", "total", "taxes", "change_due", "currency")


def lines(*given: tuple[Json, str], **fields: Any) -> list[Json]:
    """Lines of ``(product, quantity)``, the fields on the first."""
    made: list[Json] = [{"product_id": p["id"], "quantity": quantity} for p, quantity in given]
    made[0] |= fields
    return made


async def test_a_quote_is_what_the_sale_will_be_and_writes_nothing(shop: Shop) -> None:
    bread = await shop.make_product(unit_price="1.459", tax_rate="4")
    wine = await shop.make_product(unit_price="7.99", tax_rate="22")
    body = {
        "lines": lines((bread, "0.375"), (wine, "3"), (bread, "2"), discount={"percent": "5"}),
        "discount": {"amount": "1.01"},
        "payment_method": "CASH",
        "amount_tendered": "50.00",
    }
    quote = await shop.api.post(QUOTE, body, expect=200)
    assert await shop.api.all("/v1/invoices") == []
    assert await shop.ledger() == []
    sale = await shop.api.post("/v1/sales", body)
    assert {name: quote[name] for name in SAME} == {name: sale[name] for name in SAME}
    assert quote["lines"] == sale["lines"]
    assert quote["due"] == "0.00"
    assert sale["number"] == 1
    for name in ("net", "tax", "total"):
        assert sum(Decimal(line[name]) for line in sale["lines"]) == sum(Decimal(tax[name]) for tax in sale["taxes"])
    assert [tax["rate"] for tax in sale["taxes"]] == ["22", "4"]
    assert sum(Decimal(line["order_discount"]) for line in sale["lines"]) == Decimal("1.01")


async def test_without_a_payment_nothing_is_rounded_and_cash_is_shown_beside(service: Service) -> None:
    shop = await open_shop(service, currency="CHF", cash_rounding=Decimal("0.05"))
    product = await shop.make_product(unit_price="0.34")
    body: Json = {"lines": lines((product, "3"))}
    quote = await shop.api.post(QUOTE, body, expect=200)
    assert (quote["total"], quote["cash_total"], quote["rounding"], quote["due"]) == ("1.02", "1.00", "0.00", "1.02")
    for payment, total, rounding, change in (
        ({"payment_method": "CASH", "amount_tendered": "2.00"}, "1.00", "-0.02", "1.00"),
        ({"payment_method": "CARD"}, "1.02", "0.00", "0.00"),
        ({"payments": [{"method": "CARD", "amount": "1.00"}, {"method": "CASH"}]}, "1.02", "0.00", "0.00"),
    ):
        quote = await shop.api.post(QUOTE, body | payment, expect=200)
        sale = await shop.api.post("/v1/sales", body | payment)
        for answer in (quote, sale):
            assert (answer["total"], answer["rounding"], answer["change_due"]) == (total, rounding, change), payment
    part = {"payments": [{"method": "CARD", "amount": "0.50"}, {"method": "CREDIT"}]}
    assert (await shop.api.post(QUOTE, body | part, expect=200))["due"] == "0.52"


@pytest.mark.parametrize(
    ("included", "net", "tax", "total"), [(True, "81.97", "18.03", "100.00"), (False, "100.00", "22.00", "122.00")]
)
async def test_tax_is_in_the_price_or_on_top(service: Service, included: bool, net: str, tax: str, total: str) -> None:
    shop = await open_shop(service, prices_include_tax=included)
    product = await shop.make_product(unit_price="100.00", tax_rate="22")
    sale = await shop.sell(product)
    assert (sale["net_total"], sale["tax_total"], sale["total"]) == (net, tax, total)
    assert sale["taxes"] == [{"rate": "22", "net": net, "tax": tax, "total": total}]


@pytest.mark.parametrize(
    ("currency", "price", "total"), [("JPY", "333", "666"), ("KWD", "0.333", "0.666"), ("EUR", "0.3333", "0.67")]
)
async def test_every_currency_in_its_own_decimals(service: Service, currency: str, price: str, total: str) -> None:
    shop = await open_shop(service, currency=currency)
    product = await shop.make_product(unit_price=price, tax_rate="10")
    sale = await shop.api.post("/v1/sales", {"lines": lines((product, "2")), "payment_method": "CARD"})
    assert sale["total"] == total
    assert Decimal(sale["net_total"]) + Decimal(sale["tax_total"]) == Decimal(total)
    note = await shop.api.post(f"/v1/invoices/{sale['id']}/void", {"refund_method": "CARD"})
    assert note["total"] == total


async def test_prices_are_as_of_now(shop: Shop) -> None:
    product = await shop.make_product(unit_price="5.00", stock="2")
    await shop.sell(product)
    await shop.rows("UPDATE ibex.products SET unit_price = 7, version = version + 1 WHERE store_id = $1 RETURNING id")
    quote = await shop.api.post(QUOTE, {"lines": lines((product, "2"), (product, "1"))}, expect=200)
    assert quote["total"] == "21.00"
    assert quote["shortages"] == [{"product_id": product["id"], "sku": product["sku"], "asked": "3", "in_stock": "1"}]


async def test_a_discount_in_percent_and_in_money(shop: Shop) -> None:
    product = await shop.make_product(unit_price="10.00")
    for discount, expected in (
        ({"percent": "12.5"}, "8.75"),
        ({"amount": "0.01"}, "9.99"),
        ({"percent": "100"}, "0.00"),
    ):
        line = {"lines": lines((product, "1"), discount=discount), "payment_method": "CARD"}
        order = {"lines": lines((product, "1")), "discount": discount, "payment_method": "CARD"}
        for body in (line, order):
            assert (await shop.api.post(QUOTE, body, expect=200))["total"] == expected
            assert (await shop.api.post("/v1/sales", body))["total"] == expected


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"lines": []}, 422, "invalid_value", "lines"),
        ({"discount": {}}, 422, "invalid_value", "discount"),
        ({"discount": {"percent": "5", "amount": "1"}}, 422, "invalid_value", "discount"),
        ({"discount": {"percent": "100.1"}}, 422, "invalid_value", "discount.percent"),
        ({"discount": {"amount": "10.01"}}, 422, "invalid_value", "discount.amount"),
        ({"discount": {"amount": "0.001"}}, 422, "invalid_value", "discount.amount"),
        ({"payment_method": "CARD", "payments": []}, 422, "invalid_request", "payment_method"),
        ({"payment_method": "CARD", "amount_tendered": "11.00"}, 422, "overpayment", "payments[0].tendered"),
        ({"amount_tendered": "11.00"}, 422, "invalid_request", "payment_method"),
        ({"customer_id": None}, 422, "invalid_request", "customer_id"),
    ],
)
async def test_a_quote_that_makes_no_sense(shop: Shop, change: Json, status: int, code: str, field: str) -> None:
    product = await shop.make_product(unit_price="10.00")
    body = {"lines": lines((product, "1"))} | change
    problem(await shop.api.request("POST", QUOTE, json=body), status, code, field=field)


async def test_who_may_ask(shop: Shop, foreign: Foreign) -> None:
    product = await shop.make_product(unit_price="10.00")
    body = {"lines": lines((product, "1"))}
    await (await shop.as_role(Role.AUDITOR)).post(QUOTE, body, expect=200)
    stranger = {"lines": lines((foreign.things["product"], "1"))}
    problem(await shop.api.request("POST", QUOTE, json=stranger), 404, "not_found", field="lines[0]")
    cheap = {"lines": lines((product, "1"), unit_price="1.00")}
    cashier = await shop.as_role(Role.CASHIER)
    problem(await cashier.request("POST", QUOTE, json=cheap), 403, "permission_refused")
    assert (await shop.api.post(QUOTE, cheap, expect=200))["total"] == "1.00"
    narrow = await shop.with_token(Role.OWNER, scopes=frozenset({Permission.CATALOG_READ}))
    problem(await narrow.request("POST", QUOTE, json=body), 403, "permission_refused")
    await shop.api.patch(f"/v1/products/{product['id']}", {"active": False}, headers={"if-match": "*"})
    problem(await shop.api.request("POST", QUOTE, json=body), 409, "product_inactive")
