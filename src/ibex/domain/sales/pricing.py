"""From lines to totals: discounts, tax and rounding, exact in every currency.

Rounding is half-up per line, and an order's discount is spread over the lines by largest remainder, so that the lines
always add up to the totals (Square's applied_money; Saleor and Clover round per line).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.money import ZERO, Currency, money, percent

HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """Either a percentage of what it applies to, or an amount of money."""

    percent: Decimal | None = None
    amount: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise InvalidValue("Give a discount as exactly one of percent and amount.", field="discount")
        if self.percent is not None:
            percent(self.percent, field="discount.percent")

    def of(self, base: Decimal, currency: Currency) -> Decimal:
        """The discount on ``base``. Raises InvalidValue if an amount is more than it applies to."""
        if self.amount is not None:
            off = money(self.amount, currency, field="discount.amount")
            if off > base:
                raise InvalidValue("A discount cannot be more than what it applies to.", field="discount.amount")
            return off
        assert self.percent is not None
        return currency.round(base * self.percent / HUNDRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The amounts of one line. ``total`` is what the customer owes for it, ``net`` is that without ``tax``."""

    gross: Decimal
    discount: Decimal
    order_discount: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of a document; ``total`` = ``net`` + ``tax`` + ``rounding``."""

    subtotal: Decimal
    discount: Decimal
    net: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ToPrice:
    """What pricing needs of a line: ``tax_rate`` in percent."""

    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal
    discount: Discount | None = None


def price_lines(
    lines: Sequence[ToPrice], *, discount: Discount | None, prices_include_tax: bool, currency: Currency
) -> list[Priced]:
    """The amounts of each line, with the order's discount spread over them."""
    gross = [currency.round(line.quantity * line.unit_price) for line in lines]
    off = [
        line.discount.of(amount, currency) if line.discount else currency.zero()
        for line, amount in zip(lines, gross, strict=True)
    ]
    after = [amount - less for amount, less in zip(gross, off, strict=True)]
    whole = discount.of(sum(after, ZERO), currency) if discount else currency.zero()
    shares = spread(whole, after, currency)
    return [
        _line(gross[i], off[i], shares[i], lines[i].tax_rate, prices_include_tax, currency) for i in range(len(lines))
    ]


def spread(amount: Decimal, weights: Sequence[Decimal], currency: Currency) -> list[Decimal]:
    """``amount`` divided in proportion to ``weights``, in whole steps of the currency, adding up exactly.

    No share is more than its weight where ``amount`` is at most the sum of the weights. Largest remainder; ties go to
    the earlier one.
    """
    total = sum(weights, ZERO)
    if amount == 0 or total == 0:
        return [currency.zero() for _ in weights]
    exact = [amount * weight / total for weight in weights]
    shares = [value.quantize(currency.step, rounding=ROUND_FLOOR) for value in exact]
    missing = int((amount - sum(shares, ZERO)) / currency.step)
    by_remainder = sorted(range(len(shares)), key=lambda i: (shares[i] - exact[i], i))
    for i in by_remainder[:missing]:
        shares[i] += currency.step
    return shares


def totals(lines: Sequence[Priced], currency: Currency, *, cash_rounding: Decimal = ZERO) -> Totals:
    """The sums of the lines; ``cash_rounding`` rounds the total to its multiple, as an amount of its own."""
    zero = currency.zero()
    net = sum((line.net for line in lines), zero)
    tax = sum((line.tax for line in lines), zero)
    rounding = rounding_of(net + tax, cash_rounding, currency)
    return Totals(
        subtotal=sum((line.gross for line in lines), zero),
        discount=sum((line.discount + line.order_discount for line in lines), zero),
        net=net,
        tax=tax,
        rounding=rounding,
        total=net + tax + rounding,
    )


def rounding_of(total: Decimal, step: Decimal, currency: Currency) -> Decimal:
    """What must be added to ``total`` to make it the nearest multiple of ``step`` (half-up); 0 where step is 0."""
    if step == 0:
        return currency.zero()
    # Half-up on the count of steps, so that 0.025 of 0.05 goes up as cash registers do.
    count = (total / step).quantize(Decimal(1), rounding="ROUND_HALF_UP")
    return (count * step - total).quantize(currency.step)


def split_tax(amount: Decimal, rate: Decimal, *, included: bool, currency: Currency) -> tuple[Decimal, Decimal]:
    """``amount`` as (net, tax): the tax is taken out of it, or added to it. ``rate`` in percent."""
    if included:
        net = currency.round(amount * HUNDRED / (HUNDRED + rate))
        return net, amount - net
    return amount, currency.round(amount * rate / HUNDRED)


def _line(
    gross: Decimal, discount: Decimal, share: Decimal, rate: Decimal, included: bool, currency: Currency
) -> Priced:
    net, tax = split_tax(gross - discount - share, rate, included=included, currency=currency)
    return Priced(gross=gross, discount=discount, order_discount=share, net=net, tax=tax, total=net + tax)
