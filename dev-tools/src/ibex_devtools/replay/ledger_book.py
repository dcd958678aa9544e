"""What the file says that the shop must say: worked out from the rows alone, by other code than the shop's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Final

from ibex_devtools.load.api import LoadError
from ibex_devtools.replay.returns import Matcher, Note, plan_refunds
from ibex_devtools.replay.rows import Row

CENT: Final = Decimal("0.01")
PRICE_STEP: Final = Decimal("0.0001")
SPARE_STOCK: Final = 10
"""How much of each product is left over when all is sold."""


@dataclass(slots=True)
class Item:
    """A stock code: its first description and price, and how much of it is sold."""

    sku: str
    name: str
    price: Decimal
    sold: Decimal = Decimal(0)

    @property
    def opening_stock(self) -> Decimal:
        """What there must be of it for all to be sold."""
        return self.sold + SPARE_STOCK


@dataclass
class Sale:
    """An invoice of the file."""

    number: str
    customer_no: str
    note: str
    rows: list[Row] = field(default_factory=list)
    payment: Decimal = Decimal(0)
    """What the customer pays for it later."""
    credited: Decimal = Decimal(0)
    """What of it comes back."""
    refunded: Decimal = Decimal(0)
    """What of the money for it goes back, or is kept on the account."""

    @cached_property
    def total(self) -> Decimal:
        """The sum of its lines, each rounded to the cent. To be asked for when all of them are there."""
        return sum((line_total(row) for row in self.rows), Decimal(0))

    @property
    def on_credit(self) -> bool:
        """Whether a customer owes it at first: what names no customer is paid in cash."""
        return bool(self.customer_no)

    @property
    def paid(self) -> Decimal:
        """What is paid for it, before anything comes back."""
        return self.payment if self.on_credit else self.total


@dataclass(slots=True)
class Book:
    """A month: its sales in order, what was sold, who bought, what came back."""

    sales: list[Sale]
    items: dict[str, Item]
    customers: list[str]
    notes: list[Note]
    skipped: int

    @property
    def line_count(self) -> int:
        """Lines of all sales."""
        return sum(len(sale.rows) for sale in self.sales)

    @property
    def total(self) -> Decimal:
        """What all sales come to."""
        return sum((sale.total for sale in self.sales), Decimal(0))

    @property
    def in_cash(self) -> Decimal:
        """What of it is paid at once."""
        return sum((sale.total for sale in self.sales if not sale.on_credit), Decimal(0))

    @property
    def settled(self) -> Decimal:
        """What customers pay later."""
        return sum((sale.payment for sale in self.sales), Decimal(0))

    @property
    def credited(self) -> Decimal:
        """What all that comes back is worth."""
        return sum((note.total for note in self.notes), Decimal(0))

    @property
    def paid_out(self) -> Decimal:
        """What of it goes back in money."""
        return sum((note.refund_in_money for note in self.notes), Decimal(0))

    def stock(self) -> dict[str, Decimal]:
        """How much of each item there is in the end."""
        left = dict.fromkeys(self.items, Decimal(SPARE_STOCK))
        for note in self.notes:
            for part in note.parts if note.restocked else ():
                left[part.row.stock_code] -= part.row.quantity
        return left

    def balances(self) -> dict[str, Decimal]:
        """What each customer owes in the end."""
        owed = dict.fromkeys(self.customers, Decimal(0))
        for sale in self.sales:
            if sale.on_credit:
                owed[sale.customer_no] += sale.total - sale.payment
        for note in self.notes:
            if note.customer_no:
                owed[note.customer_no] -= note.total - note.refund_in_money
        return owed


def make_book(rows: Iterable[Row]) -> Book:
    """The month in the rows. Raises LoadError for a price that is finer than the shop can hold."""
    sales: dict[str, Sale] = {}
    items: dict[str, Item] = {}
    customers: dict[str, None] = {}
    returners: dict[str, None] = {}
    matcher = Matcher()
    skipped = 0
    for row in rows:
        if not row.is_sale and not row.is_credit:
            skipped += 1
            continue
        if row.unit_price % PRICE_STEP:
            raise LoadError(f"Line {row.line}: a price has at most four decimals, {row.unit_price} has more.")
        item = items.setdefault(row.stock_code, Item(row.stock_code, row.description or row.stock_code, row.unit_price))
        if row.is_credit:
            matcher.take_back(row)
            if row.customer_no:
                returners.setdefault(row.customer_no)
            continue
        note = f"{row.invoice_no} of {row.moment}, {row.country}"
        sale = sales.setdefault(row.invoice_no, Sale(row.invoice_no, row.customer_no, note))
        sale.rows.append(row)
        item.sold += row.quantity
        matcher.sell(row, sale, len(sale.rows), line_total(row))
        if sale.customer_no:
            customers.setdefault(sale.customer_no)
    if not sales:
        raise LoadError("There is no sale in this file.")
    # Some give back what they bought before the file begins.
    book = Book(list(sales.values()), items, list(customers | returners), matcher.notes, skipped)
    plan_payments(book.sales, list(customers))
    plan_refunds(book.notes, book.customers)
    return book


def line_total(row: Row) -> Decimal:
    """Quantity by price, rounded half-up to the cent."""
    return (row.quantity * row.unit_price).quantize(CENT, ROUND_HALF_UP)


def plan_payments(sales: Sequence[Sale], customers: Sequence[str]) -> None:
    """Every third customer pays everything, every third pays half of each invoice, the others owe it all."""
    by_customer: dict[str, list[Sale]] = defaultdict(list)
    for sale in sales:
        if sale.on_credit:
            by_customer[sale.customer_no].append(sale)
    for i, customer in enumerate(customers):
        for sale in by_customer[customer]:
            if i % 3 == 0:
                sale.payment = sale.total
            elif i % 3 == 1:
                sale.payment = (sale.total / 2).quantize(CENT, ROUND_HALF_UP)
