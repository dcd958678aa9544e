"""Exact money and quantities.

A currency has an exponent (ISO 4217: JPY 0, USD 2, KWD 3); an amount of money is a decimal at just that exponent.
A unit price may be finer than the currency (a litre at 1.4590), a quantity has up to three decimals (weighed goods).
Amounts are rounded half-up, per line. No float ever touches any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from ibex.domain.shared.errors import InvalidValue

ZERO: Final = Decimal(0)
MAX_AMOUNT: Final = Decimal(10) ** 12
"""No amount reaches a million million units of a currency: beyond that it is a typing error."""
MAX_QUANTITY: Final = Decimal(10) ** 9
QUANTITY_STEP: Final = Decimal("0.001")
PRICE_DECIMALS: Final = 4
RATE_STEP: Final = Decimal("0.0001")

_EXPONENTS: Final[dict[int, str]] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_TWO: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY "
    "COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
    "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR "
    "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD "
    "SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG"
)
EXPONENT_BY_CURRENCY: Final[dict[str, int]] = dict.fromkeys(_TWO.split(), 2) | {
    code: exponent for exponent, codes in _EXPONENTS.items() for code in codes.split()
}
"""ISO 4217 (amendment 177) minor units of the currencies in use."""

# Asked for dozens of times in one sale, and always the same.
_STEPS: Final = tuple(Decimal(1).scaleb(-exponent) for exponent in range(5))
_ZEROS: Final = tuple(ZERO.quantize(step) for step in _STEPS)


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 currency and its exponent, the number of decimals of its amounts."""

    code: str

    def __post_init__(self) -> None:
        if self.code not in EXPONENT_BY_CURRENCY:
            raise InvalidValue("Give the three-letter ISO 4217 code of a currency in use.", field="currency")

    @property
    def exponent(self) -> int:
        """Decimals of an amount in this currency."""
        return EXPONENT_BY_CURRENCY[self.code]

    @property
    def step(self) -> Decimal:
        """The smallest amount: 1 for JPY, 0.01 for USD, 0.001 for KWD."""
        return _STEPS[EXPONENT_BY_CURRENCY[self.code]]

    def round(self, value: Decimal) -> Decimal:
        """``value`` at the currency's exponent, half-up (away from zero at the middle)."""
        return value.quantize(self.step, rounding=ROUND_HALF_UP)

    def zero(self) -> Decimal:
        """Nothing, at the currency's exponent."""
        return _ZEROS[EXPONENT_BY_CURRENCY[self.code]]


def money(value: Decimal, currency: Currency, *, field: str = "amount", negative: bool = False) -> Decimal:
    """``value`` as an amount of ``currency``. Raises InvalidValue if it is finer, too large, not finite or negative."""
    _must_be_finite(value, field)
    if value < 0 and not negative:
        raise InvalidValue("An amount cannot be negative here.", field=field)
    if abs(value) >= MAX_AMOUNT:
        raise InvalidValue(f"An amount must be less than {MAX_AMOUNT:f}.", field=field)
    exact = value.quantize(currency.step, rounding=ROUND_HALF_UP)
    if exact != value:
        raise InvalidValue(f"An amount in {currency.code} has at most {currency.exponent} decimals.", field=field)
    return exact


def unit_price(value: Decimal, currency: Currency, *, field: str = "unit_price") -> Decimal:
    """A price of one unit: zero or more, up to four decimals (or the currency's own, where that is more)."""
    _must_be_finite(value, field)
    if value < 0:
        raise InvalidValue("A price cannot be negative.", field=field)
    if value >= MAX_AMOUNT:
        raise InvalidValue(f"A price must be less than {MAX_AMOUNT:f}.", field=field)
    exact = value.quantize(Decimal(1).scaleb(-PRICE_DECIMALS), rounding=ROUND_HALF_UP)
    if exact != value:
        raise InvalidValue(f"A price has at most {PRICE_DECIMALS} decimals.", field=field)
    # Shown at the currency's exponent where nothing is lost by it, so that 2.5500 reads 2.55.
    short = value.quantize(currency.step, rounding=ROUND_HALF_UP)
    return short if short == exact else exact.normalize()


def quantity(value: Decimal, *, field: str = "quantity", signed: bool = False) -> Decimal:
    """An amount of goods: up to three decimals, more than zero (or, ``signed``, not zero)."""
    _must_be_finite(value, field)
    if value == 0 or (value < 0 and not signed):
        raise InvalidValue("A quantity must be more than zero.", field=field)
    return _at_quantity_step(value, field)


def stock_level(value: Decimal, *, field: str = "stock") -> Decimal:
    """How much there is: zero or more, up to three decimals."""
    _must_be_finite(value, field)
    if value < 0:
        raise InvalidValue("A stock level cannot be negative.", field=field)
    return _at_quantity_step(value, field)


def percent(value: Decimal, *, field: str = "tax_rate") -> Decimal:
    """A rate in percent, from 0 to 100, up to four decimals."""
    _must_be_finite(value, field)
    if not 0 <= value <= 100:
        raise InvalidValue("A rate is a percentage from 0 to 100.", field=field)
    exact = value.quantize(RATE_STEP, rounding=ROUND_HALF_UP)
    if exact != value:
        raise InvalidValue("A rate has at most four decimals.", field=field)
    return plain(exact)


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent: 1.500 -> 1.5, 1E+2 -> 100."""
    short = value.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


def _at_quantity_step(value: Decimal, field: str) -> Decimal:
    if abs(value) >= MAX_QUANTITY:
        raise InvalidValue(f"A quantity must be less than {MAX_QUANTITY:f}.", field=field)
    exact = value.quantize(QUANTITY_STEP, rounding=ROUND_HALF_UP)
    if exact != value:
        raise InvalidValue("A quantity has at most three decimals.", field=field)
    return plain(exact)


def _must_be_finite(value: Decimal, field: str) -> None:
    if not value.is_finite():
        raise InvalidValue("Give a finite decimal number.", field=field)
