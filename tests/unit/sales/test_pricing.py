"""Lines, discounts, tax and rounding: exact in every currency, whatever the numbers."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.sales.pricing import (
    Discount,
    Priced,
    ToPrice,
    price_lines,
    rounding_of,
    split_tax,
    spread,
    totals,
)
from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.money import Currency

CURRENCIES = [Currency("JPY"), Currency("USD"), Currency("KWD")]
currencies = st.sampled_from(CURRENCIES)
quantities = st.integers(1, 99_999_999).map(lambda n: Decimal(n) / 1000)
prices = st.integers(0, 99_999_999).map(lambda n: Decimal(n) / 10_000)
rates = st.sampled_from(["0", "4", "5.5", "10", "19", "22", "25.5", "100", "8.8750"]).map(Decimal)
percents = st.integers(0, 1_000_000).map(lambda n: Decimal(n) / 10_000)


@st.composite
def orders(draw: st.DrawFn) -> tuple[Currency, list[ToPrice], Discount | None, bool]:
    """An order: lines with or without discounts, and perhaps a discount on the whole."""
    currency = draw(currencies)

    def discount() -> Discount | None:
        return Discount(percent=draw(percents)) if draw(st.booleans()) else None

    lines = [
        ToPrice(quantity=draw(quantities), unit_price=draw(prices), tax_rate=draw(rates), discount=discount())
        for _ in range(draw(st.integers(1, 8)))
    ]
    whole = discount()
    if draw(st.booleans()):
        after = sum((line.gross - line.discount for line in priced(currency, lines, None, True)), Decimal(0))
        steps = int(after / currency.step)
        whole = Discount(amount=draw(st.integers(0, steps)) * currency.step)
    return currency, lines, whole, draw(st.booleans())


def priced(currency: Currency, lines: list[ToPrice], whole: Discount | None, included: bool) -> list[Priced]:
    return price_lines(lines, discount=whole, prices_include_tax=included, currency=currency)


@given(orders())
def test_lines_add_up_to_the_totals_at_the_currencys_decimals(
    order: tuple[Currency, list[ToPrice], Discount | None, bool],
) -> None:
    currency, lines, whole, included = order
    found = priced(currency, lines, whole, included)
    sums = totals(found, currency)
    for line, asked in zip(found, lines, strict=True):
        assert line.gross == (asked.quantity * asked.unit_price).quantize(currency.step, ROUND_HALF_UP)
        assert line.total == line.net + line.tax
        assert line.net >= 0
        assert line.tax >= 0
        assert 0 <= line.discount <= line.gross
        assert 0 <= line.order_discount <= line.gross - line.discount
        paid = line.gross - line.discount - line.order_discount
        assert (line.total if included else line.net) == paid
        for amount in (line.gross, line.discount, line.order_discount, line.net, line.tax, line.total):
            assert -amount.as_tuple().exponent == currency.exponent  # type: ignore[operator]
    assert sums.total == sum(line.total for line in found) == sums.net + sums.tax
    assert sums.subtotal - sums.discount == (sums.total if included else sums.net)


@given(orders())
def test_an_orders_discount_is_spread_to_the_last_cent(
    order: tuple[Currency, list[ToPrice], Discount | None, bool],
) -> None:
    currency, lines, whole, included = order
    found = priced(currency, lines, whole, included)
    after = sum((line.gross - line.discount for line in found), Decimal(0))
    wanted = whole.of(after, currency) if whole else currency.zero()
    assert sum(line.order_discount for line in found) == wanted


@given(currencies, st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.data())
def test_spreading_is_exact_and_nobody_bears_more_than_there_is(
    currency: Currency, steps: list[int], data: st.DataObject
) -> None:
    weights = [step * currency.step for step in steps]
    amount = data.draw(st.integers(0, sum(steps))) * currency.step
    shares = spread(amount, weights, currency)
    assert sum(shares) == amount
    total = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert 0 <= share <= weight
        if total:
            assert abs(share - amount * weight / total) < currency.step


@given(currencies, st.integers(0, 10**11), rates)
def test_tax_taken_out_and_added_are_the_two_sides_of_one_amount(currency: Currency, steps: int, rate: Decimal) -> None:
    amount = steps * currency.step
    net, tax = split_tax(amount, rate, included=True, currency=currency)
    assert net + tax == amount
    assert abs(tax - net * rate / 100) <= currency.step * (1 + rate / 100)
    net, tax = split_tax(amount, rate, included=False, currency=currency)
    assert net == amount
    assert abs(tax - amount * rate / 100) <= currency.step / 2


@pytest.mark.parametrize(
    ("amount", "rate", "included", "net", "tax", "code"),
    [
        ("7.09", "10", True, "6.45", "0.64", "EUR"),
        ("1.00", "22", True, "0.82", "0.18", "EUR"),
        ("100.00", "19", False, "100.00", "19.00", "EUR"),
        ("0.13", "19", False, "0.13", "0.02", "EUR"),
        ("1080", "8", True, "1000", "80", "JPY"),
        ("0.105", "5", False, "0.105", "0.005", "KWD"),
        ("5.00", "0", True, "5.00", "0.00", "EUR"),
        ("5.00", "100", True, "2.50", "2.50", "EUR"),
    ],
)
def test_tax_by_hand(amount: str, rate: str, included: bool, net: str, tax: str, code: str) -> None:
    found = split_tax(Decimal(amount), Decimal(rate), included=included, currency=Currency(code))
    assert tuple(map(str, found)) == (net, tax)


@pytest.mark.parametrize(
    ("total", "step", "rounding"),
    [
        ("7.43", "0.05", "0.02"),
        ("7.42", "0.05", "-0.02"),
        ("7.425", "0.05", "0.025"),
        ("7.40", "0.05", "0.00"),
        ("0.02", "0.05", "-0.02"),
        ("0.03", "0.05", "0.02"),
        ("7.43", "0", "0.00"),
        ("7.50", "1.00", "0.50"),
        ("7.43", "0.10", "-0.03"),
    ],
)
def test_cash_is_rounded_to_the_nearest_coin_half_up(total: str, step: str, rounding: str) -> None:
    exact = Currency("KWD") if total.count("5") and len(total.split(".")[1]) == 3 else Currency("CHF")
    assert rounding_of(Decimal(total), Decimal(step), exact) == Decimal(rounding)


@given(st.integers(0, 10**9), st.sampled_from(["0.05", "0.10", "0.50", "1.00"]).map(Decimal))
def test_a_rounded_total_is_a_multiple_of_the_coin_and_near(cents: int, step: Decimal) -> None:
    total = Decimal(cents) / 100
    rounding = rounding_of(total, step, Currency("CHF"))
    assert (total + rounding) % step == 0
    assert abs(rounding) <= step / 2


def test_a_cent_that_cannot_be_divided_goes_to_the_earlier_line_of_equals() -> None:
    assert [str(s) for s in spread(Decimal("0.01"), [Decimal("1.00")] * 3, Currency("EUR"))] == ["0.01", "0.00", "0.00"]
    assert [str(s) for s in spread(Decimal("1.00"), [Decimal("1.00")] * 3, Currency("EUR"))] == ["0.34", "0.33", "0.33"]


@pytest.mark.parametrize(
    "fields", [{}, {"percent": Decimal(1), "amount": Decimal(1)}, {"percent": Decimal(101)}, {"percent": Decimal(-1)}]
)
def test_a_discount_is_one_of_two_and_within_bounds(fields: dict[str, Decimal]) -> None:
    with pytest.raises(InvalidValue):
        Discount(**fields)


def test_a_discount_is_not_more_than_it_applies_to() -> None:
    with pytest.raises(InvalidValue):
        Discount(amount=Decimal("1.01")).of(Decimal("1.00"), Currency("EUR"))
