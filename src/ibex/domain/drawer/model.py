"""The cash drawer: a shift is opened with a float, closed by a count, and then never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from ibex.domain.shared.errors import InvalidValue, ShiftClosed
from ibex.domain.shared.ids import OperatorId, ShiftId, StoreId
from ibex.domain.shared.money import Currency, money
from ibex.domain.shared.text import label, note

MAX_DENOMINATIONS: Final = 50
MAX_PIECES: Final = 10**6


class ShiftStatus(StrEnum):
    """Whether money may still go in and out."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"


class CashMovementKind(StrEnum):
    """Which way cash went that no sale or refund moved."""

    PAID_IN = "PAID_IN"
    PAID_OUT = "PAID_OUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One opening of one drawer. At most one is open at a drawer at a time."""

    id: ShiftId
    store_id: StoreId
    drawer: str
    opening_float: Decimal
    opened_by: OperatorId
    opened_at: datetime
    business_date: date
    status: ShiftStatus = ShiftStatus.OPEN
    version: int = 1

    def __post_init__(self) -> None:
        label(self.drawer, field="drawer", max_length=50)

    def must_be_open(self) -> None:
        """Raises ShiftClosed unless it is open."""
        if self.status is not ShiftStatus.OPEN:
            raise ShiftClosed("The shift is closed; a closed shift never changes.", field="shift_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftMovement:
    """Cash put into a drawer or taken from it, other than by sales and refunds."""

    id: UUID
    shift_id: ShiftId
    kind: CashMovementKind
    amount: Decimal
    reason: str
    operator_id: OperatorId
    recorded_at: datetime

    def __post_init__(self) -> None:
        label(self.reason, field="reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Denomination:
    """So many pieces of one note or coin."""

    value: Decimal
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawerClosing:
    """The fact that a shift closes with this count.

    Its report is worked out by the journal, after the shift is locked: no payment can come in between the sums and the
    closing. The three ``_at`` are placeholders for what only the journal knows: two amounts as text, and the report as
    JSON.
    """

    shift_id: ShiftId
    counted_cash: Decimal
    denominations: Sequence[Denomination]
    note: str
    currency: Currency
    expected_at: int
    difference_at: int
    report_at: int

    def __post_init__(self) -> None:
        note(self.note, field="note")


def counted(total: Decimal | None, denominations: Sequence[Denomination], currency: Currency) -> Decimal:
    """What was counted, by the pieces where they are given. Raises InvalidValue if the two do not agree."""
    if len(denominations) > MAX_DENOMINATIONS:
        raise InvalidValue(f"Give at most {MAX_DENOMINATIONS} denominations.", field="denominations")
    if total is None and not denominations:
        raise InvalidValue("Give counted_cash, or denominations.", field="counted_cash")
    pieces = currency.zero()
    for i, one in enumerate(denominations):
        value = money(one.value, currency, field=f"denominations[{i}].value")
        if value == 0 or not 0 <= one.count <= MAX_PIECES:
            raise InvalidValue(
                f"A denomination is worth more than zero, and there are 0 to {MAX_PIECES} pieces of it.",
                field=f"denominations[{i}]",
            )
        pieces += value * one.count
    if total is None:
        return money(pieces, currency, field="denominations")
    sum_given = money(total, currency, field="counted_cash")
    if denominations and pieces != sum_given:
        raise InvalidValue(
            "The denominations add up to another sum than counted_cash.",
            field="counted_cash",
            denominations=f"{pieces:f}",
        )
    return sum_given
