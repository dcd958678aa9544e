"""Money, prices, quantities and rates refuse what they cannot hold exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.money import (
    EXPONENT_BY_CURRENCY,
    Currency,
    money,
    percent,
    plain,
    quantity,
    stock_level,
    unit_price,
)

EUR = Currency("EUR")


@pytest.mark.parametrize(("code", "exponent", "step"), [("JPY", 0, "1"), ("USD", 2, "0.01"), ("KWD", 3, "0.001")])
def test_a_currency_has_its_own_decimals(code: str, exponent: int, step: str) -> None:
    currency = Currency(code)
    assert (currency.exponent, str(currency.step), -currency.zero()) == (exponent, step, Decimal(0))


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "BTC"])
def test_only_currencies_in_use_are_currencies(code: str) -> None:
    with pytest.raises(InvalidValue):
        Currency(code)


def test_the_list_of_currencies_is_whole() -> None:
    assert len(EXPONENT_BY_CURRENCY) >= 150
    assert set(EXPONENT_BY_CURRENCY.values()) == {0, 2, 3, 4}


@given(st.sampled_from(sorted(EXPONENT_BY_CURRENCY)), st.integers(0, 10**12))
def test_every_amount_of_whole_steps_is_kept_as_it_is(code: str, steps: int) -> None:
    currency = Currency(code)
    amount = steps * currency.step
    if amount < 10**12:
        assert money(amount, currency) == amount
        assert currency.round(amount) == amount


@pytest.mark.parametrize("text", ["0.001", "1.005", "NaN", "Infinity", "-Infinity", "sNaN", "-0.01", "1000000000000"])
def test_what_is_no_amount_of_euros(text: str) -> None:
    with pytest.raises(InvalidValue):
        money(Decimal(text), EUR)


@pytest.mark.parametrize(
    ("text", "rounded"), [("1.005", "1.01"), ("1.004", "1.00"), ("-1.005", "-1.01"), ("2", "2.00")]
)
def test_rounding_is_half_up_away_from_zero(text: str, rounded: str) -> None:
    assert str(EUR.round(Decimal(text))) == rounded


@pytest.mark.parametrize(
    ("text", "code", "shown"),
    [("2.5500", "EUR", "2.55"), ("1.4590", "EUR", "1.459"), ("100", "JPY", "100"), ("0", "KWD", "0.000")],
)
def test_a_price_is_shown_without_needless_zeros(text: str, code: str, shown: str) -> None:
    assert f"{unit_price(Decimal(text), Currency(code)):f}" == shown


@pytest.mark.parametrize("text", ["0.00001", "-1", "NaN", "Infinity", "1000000000000"])
def test_what_is_no_price(text: str) -> None:
    with pytest.raises(InvalidValue):
        unit_price(Decimal(text), EUR)


@pytest.mark.parametrize("text", ["0", "-1", "0.0001", "1000000000", "NaN", "Infinity", "1E+20"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(InvalidValue):
        quantity(Decimal(text))


@given(st.integers(1, 10**12 - 1).map(lambda n: Decimal(n) / 1000))
def test_every_quantity_of_three_decimals_is_kept(value: Decimal) -> None:
    assert quantity(value) == value == stock_level(value)
    assert quantity(-value, signed=True) == -value


@pytest.mark.parametrize("text", ["-0.0001", "100.0001", "0.00001", "NaN"])
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(InvalidValue):
        percent(Decimal(text))


@pytest.mark.parametrize(("text", "shown"), [("1.500", "1.5"), ("1E+2", "100"), ("0.000", "0"), ("-3.10", "-3.1")])
def test_plain_numbers_have_no_exponent(text: str, shown: str) -> None:
    assert str(plain(Decimal(text))) == shown
