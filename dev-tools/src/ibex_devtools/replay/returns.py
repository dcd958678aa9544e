"""What comes back in the file: each row finds the sale that it belongs to, where there is one.

Rows of one number (they begin with C) become one credit note for each invoice that they give goods back from, and one
without an invoice for the rest: for what nobody is known to have bought at that price, or not so much of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ibex_devtools.replay.rows import Row

if TYPE_CHECKING:
    from ibex_devtools.replay.ledger_book import Sale

CENT: Final = Decimal("0.01")


@dataclass(slots=True)
class SoldLine:
    """A line of a sale, and how much of it may still come back."""

    sale: Sale
    line_no: int
    quantity: Decimal
    total: Decimal
    returned: Decimal = Decimal(0)

    def give_back(self, pieces: Decimal) -> Decimal:
        """What so many more of it are worth: pieces of any split add up to the line."""
        before, self.returned = self._worth(self.returned), self.returned + pieces
        return self._worth(self.returned) - before

    def _worth(self, pieces: Decimal) -> Decimal:
        exact = Fraction(self.total) * Fraction(pieces) / Fraction(self.quantity) * 100
        return Decimal((2 * exact.numerator + exact.denominator) // (2 * exact.denominator)) * CENT


@dataclass(slots=True)
class Part:
    """A row of a credit note: what comes back, and which line of the sale it is."""

    row: Row
    line_no: int | None
    amount: Decimal


@dataclass(slots=True)
class Note:
    """A credit note as the shop is to issue it."""

    key: str
    customer_no: str
    sale: Sale | None
    parts: list[Part] = field(default_factory=list)
    refund: Decimal = Decimal(0)
    """What goes back: all that is not needed to lower what is owed."""
    method: str = "CASH"

    @property
    def total(self) -> Decimal:
        """What is credited."""
        return sum((part.amount for part in self.parts), Decimal(0))

    @property
    def refund_in_money(self) -> Decimal:
        """What of the refund is paid out; the rest is kept on the customer's account."""
        return Decimal(0) if self.method == "ACCOUNT" else self.refund

    @property
    def restocked(self) -> bool:
        """Goods go back on the shelf where it is known that they were bought here."""
        return self.sale is not None


class Matcher:
    """Finds, for what comes back, the newest sale of it: same customer, code and price, and enough of it left."""

    def __init__(self) -> None:
        self._sold: dict[tuple[str, str, Decimal], list[SoldLine]] = defaultdict(list)
        self._notes: dict[tuple[str, str], Note] = {}

    @property
    def notes(self) -> list[Note]:
        """In the order of the file."""
        return list(self._notes.values())

    def sell(self, row: Row, sale: Sale, line_no: int, total: Decimal) -> None:
        """A row was sold. Nobody knows who bought what names no customer, so that it cannot be found again."""
        if sale.customer_no:
            line = SoldLine(sale, line_no, row.quantity, total)
            self._sold[sale.customer_no, row.stock_code, row.unit_price].append(line)

    def take_back(self, row: Row) -> None:
        """A row comes back."""
        pieces = -row.quantity
        candidates = self._sold.get((row.customer_no, row.stock_code, row.unit_price), [])
        line = next((one for one in reversed(candidates) if one.quantity - one.returned >= pieces), None)
        sale = None if line is None else line.sale
        place = "" if sale is None else sale.number
        note = self._notes.get((row.invoice_no, place))
        if note is None:
            note = self._notes[row.invoice_no, place] = Note(f"{row.invoice_no}/{place}", row.customer_no, sale)
        if line is None:
            amount = (pieces * row.unit_price).quantize(CENT, ROUND_HALF_UP)
            note.parts.append(Part(row, None, amount))
        else:
            note.parts.append(Part(row, line.line_no, line.give_back(pieces)))


def plan_refunds(notes: Iterable[Note], customers: Iterable[str]) -> None:
    """What of each note lowers a debt, and how the rest goes back: in turn by transfer and on the account.

    Payments are made before anything comes back. Who names no customer gets cash.
    """
    turn = {number: i for i, number in enumerate(customers)}
    for note in notes:
        if note.customer_no:
            note.method = "TRANSFER" if turn[note.customer_no] % 2 == 0 else "ACCOUNT"
        if note.sale is None:
            note.refund = note.total
            continue
        outstanding = note.sale.total - (note.sale.paid - note.sale.refunded) - note.sale.credited
        note.refund = max(note.total - outstanding, Decimal(0))
        note.sale.credited += note.total
        note.sale.refunded += note.refund
