"""Reading shifts and their reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from ibex.domain.drawer.model import Denomination, Shift, ShiftStatus
from ibex.domain.shared.ids import OperatorId, ShiftId, StoreId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFigures:
    """Money by one method: ``net`` = ``receipts`` - ``refunds``. ACCOUNT is no money, but what accounts paid."""

    method: str
    count: int
    receipts: Decimal
    refunds: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorFigures:
    """What one person did in the shift; ``received`` is money in less money out, by whatever method."""

    operator_id: OperatorId
    name: str
    sales_count: int
    sales_total: Decimal
    credit_notes_count: int
    credit_notes_total: Decimal
    received: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesFigures:
    """Invoices issued in the shift: ``total`` = ``net`` + ``tax`` + ``rounding``."""

    count: int
    subtotal: Decimal
    discounts: Decimal
    net: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteFigures:
    """Credit notes issued in the shift."""

    count: int
    net: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxFigures:
    """Tax of one rate: of the sales, and of what came back."""

    rate: Decimal
    net: Decimal
    tax: Decimal
    credited_net: Decimal
    credited_tax: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMovementFigures:
    """Cash paid in or out."""

    id: UUID
    kind: str
    amount: Decimal
    reason: str
    operator_id: OperatorId
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftReport:
    """A shift's figures, so far or as it was closed.

    ``expected_cash`` = ``opening_float`` + ``cash_receipts`` - ``cash_refunds`` + ``paid_in`` - ``paid_out``, and
    ``difference`` = ``counted_cash`` - ``expected_cash``.
    """

    number: int | None
    shift_id: ShiftId
    drawer: str
    business_date: date
    opened_by: OperatorId
    opened_at: datetime
    closed_by: OperatorId | None
    closed_at: datetime | None
    note: str | None
    opening_float: Decimal
    cash_receipts: Decimal
    cash_refunds: Decimal
    paid_in: Decimal
    paid_out: Decimal
    expected_cash: Decimal
    counted_cash: Decimal | None
    difference: Decimal | None
    denominations: Sequence[Denomination] | None
    methods: Sequence[MethodFigures]
    operators: Sequence[OperatorFigures]
    sales: SalesFigures
    credit_notes: CreditNoteFigures
    taxes: Sequence[TaxFigures]
    movements: Sequence[CashMovementFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRow:
    """A shift, and what it was closed with."""

    shift: Shift
    number: int | None
    closed_by: OperatorId | None
    closed_at: datetime | None
    expected_cash: Decimal | None
    counted_cash: Decimal | None
    difference: Decimal | None
    report: ShiftReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftFilter:
    """Which shifts; dates are days of trade on which they were opened, both included."""

    drawer: str | None = None
    status: ShiftStatus | None = None
    date_from: date | None = None
    date_to: date | None = None


class ShiftQueries(Protocol):
    """Reads shifts."""

    async def list(self, store_id: StoreId, where: ShiftFilter, page: PageRequest) -> Page[ShiftRow]:
        """Shifts without their reports by the time of opening, newest first."""
        ...

    async def shift(self, store_id: StoreId, shift_id: ShiftId, *, exponent: int) -> ShiftRow | None:
        """The shift with its report: as closed, or the figures so far (at ``exponent`` decimals)."""
        ...

    async def current(self, store_id: StoreId, drawer: str, *, exponent: int) -> ShiftRow | None:
        """The drawer's open shift with its figures so far, or None if none is open."""
        ...
