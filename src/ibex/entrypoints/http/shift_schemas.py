"""Drawer shifts as callers send and get them."""

from datetime import date, datetime
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from msgspec import Meta, field

from ibex.domain.drawer.model import (
    MAX_DENOMINATIONS,
    MAX_PIECES,
    CashMovementKind,
    Denomination,
    Shift,
    ShiftMovement,
)
from ibex.domain.drawer.queries import ShiftReport, ShiftRow
from ibex.domain.drawer.use_cases import CashMoved, ClosedShift, CountedCash
from ibex.domain.shared.money import Currency
from ibex.entrypoints.http.types import (
    ClientId,
    Label,
    MoneyText,
    Note,
    Request,
    View,
    decimal,
    decimal_or_none,
    text,
)


class ShiftInput(Request):
    """A drawer to open, and the cash that is in it."""

    drawer: Label
    opening_float: MoneyText
    id: ClientId | None = None


class ShiftMovementInput(Request):
    """Cash put in (PAID_IN) or taken out (PAID_OUT)."""

    kind: CashMovementKind
    amount: MoneyText
    reason: Label


class DenominationInput(Request):
    """So many pieces of one note or coin."""

    value: MoneyText
    count: Annotated[int, Meta(ge=0, le=MAX_PIECES)]


class ShiftCloseInput(Request):
    """What is in the drawer: the sum, or the pieces; both must agree."""

    counted_cash: MoneyText | None = None
    denominations: Annotated[list[DenominationInput], Meta(max_length=MAX_DENOMINATIONS)] = field(default_factory=list)
    note: Note = ""


class ShiftMovementView(View):
    """Cash put in or taken out."""

    id: UUID
    shift_id: UUID
    kind: str
    amount: str
    reason: str
    operator_id: UUID
    recorded_at: datetime


class MethodFiguresView(View):
    """Money by one method: ``net`` = ``receipts`` - ``refunds``. ACCOUNT is what accounts paid: no money moved."""

    method: str
    count: int
    receipts: str
    refunds: str
    net: str


class OperatorFiguresView(View):
    """What one person did; ``received`` is money in less money out, by whatever method."""

    operator_id: UUID
    name: str
    sales_count: int
    sales_total: str
    credit_notes_count: int
    credit_notes_total: str
    received: str


class SalesFiguresView(View):
    """Invoices issued in the shift: ``total`` = ``net`` + ``tax`` + ``rounding``."""

    count: int
    subtotal: str
    discounts: str
    net: str
    tax: str
    rounding: str
    total: str


class CreditNoteFiguresView(View):
    """Credit notes issued in the shift."""

    count: int
    net: str
    tax: str
    rounding: str
    total: str


class TaxFiguresView(View):
    """Tax of one rate: of the sales, and of what came back."""

    rate: str
    net: str
    tax: str
    credited_net: str
    credited_tax: str


class CashMovementFiguresView(View):
    """Cash paid in or out."""

    id: UUID
    kind: str
    amount: str
    reason: str
    operator_id: UUID
    recorded_at: datetime


class DenominationView(View):
    """So many pieces of one note or coin."""

    value: str
    count: int


class ShiftReportView(View):
    """A shift's figures: ``expected_cash`` = ``opening_float`` + ``cash_receipts`` - ``cash_refunds`` + ``paid_in`` -
    ``paid_out``; ``difference`` = ``counted_cash`` - ``expected_cash``. Final when it has a number.
    """

    number: int | None
    shift_id: UUID
    drawer: str
    business_date: date
    opened_by: UUID
    opened_at: datetime
    closed_by: UUID | None
    closed_at: datetime | None
    note: str | None
    opening_float: str
    cash_receipts: str
    cash_refunds: str
    paid_in: str
    paid_out: str
    expected_cash: str
    counted_cash: str | None
    difference: str | None
    denominations: list[DenominationView] | None
    methods: list[MethodFiguresView]
    operators: list[OperatorFiguresView]
    sales: SalesFiguresView
    credit_notes: CreditNoteFiguresView
    taxes: list[TaxFiguresView]
    movements: list[CashMovementFiguresView]


class ShiftView(View):
    """A shift. ``report`` is final once it is closed; while it is open it needs ``reports:read``."""

    id: UUID
    number: int | None
    drawer: str
    status: str
    business_date: date
    opened_by: UUID
    opened_at: datetime
    opening_float: str
    closed_by: UUID | None
    closed_at: datetime | None
    expected_cash: str | None
    counted_cash: str | None
    difference: str | None
    report: ShiftReportView | None
    version: int


class ShiftRowView(View):
    """A shift in a list."""

    id: UUID
    number: int | None
    drawer: str
    status: str
    business_date: date
    opened_by: UUID
    opened_at: datetime
    opening_float: str
    closed_by: UUID | None
    closed_at: datetime | None
    expected_cash: str | None
    counted_cash: str | None
    difference: str | None
    version: int


class ShiftPage(View):
    """A page of shifts."""

    items: list[ShiftRowView]
    next_cursor: str | None


def cash_moved(data: ShiftMovementInput) -> CashMoved:
    """The movement in the domain's words."""
    return CashMoved(kind=data.kind, amount=decimal(data.amount), reason=data.reason)


def counted_cash(data: ShiftCloseInput) -> CountedCash:
    """The count in the domain's words."""
    return CountedCash(
        total=decimal_or_none(data.counted_cash),
        denominations=[Denomination(value=decimal(one.value), count=one.count) for one in data.denominations],
        note=data.note,
    )


def movement_view(movement: ShiftMovement) -> ShiftMovementView:
    """Cash put in or taken out."""
    return ShiftMovementView(
        id=movement.id,
        shift_id=movement.shift_id,
        kind=movement.kind.value,
        amount=text(movement.amount),
        reason=movement.reason,
        operator_id=movement.operator_id,
        recorded_at=movement.recorded_at,
    )


def opened_view(shift: Shift, currency: Currency) -> ShiftView:
    """A shift that was just opened."""
    row = ShiftRow(
        shift=shift,
        number=None,
        closed_by=None,
        closed_at=None,
        expected_cash=None,
        counted_cash=None,
        difference=None,
    )
    return shift_view(row, currency, with_report=False)


def closed_view(closed: ClosedShift, currency: Currency, closed_by: UUID) -> ShiftView:
    """A shift that closes: the journal puts its figures where the placeholders stand."""
    shift, closing = closed.shift, closed.closing
    return ShiftView(
        id=shift.id,
        number=closed.number,
        drawer=shift.drawer,
        status=shift.status.value,
        business_date=shift.business_date,
        opened_by=shift.opened_by,
        opened_at=shift.opened_at,
        opening_float=format(shift.opening_float, f".{currency.exponent}f"),
        closed_by=closed_by,
        closed_at=closed.closed_at,
        expected_cash=str(closing.expected_at),
        counted_cash=text(closing.counted_cash),
        difference=str(closing.difference_at),
        report=cast(Any, msgspec.Raw(str(closing.report_at).encode())),
        version=shift.version,
    )


def shift_view(row: ShiftRow, currency: Currency, *, with_report: bool) -> ShiftView:
    """A shift that was read."""
    report = report_view(row.report) if with_report and row.report is not None else None
    return msgspec.structs.replace(_whole(row, f".{currency.exponent}f"), report=report)


def shift_row_view(row: ShiftRow, currency: Currency) -> ShiftRowView:
    """A shift in a list."""
    whole = _whole(row, f".{currency.exponent}f")
    return ShiftRowView(**{name: getattr(whole, name) for name in ShiftRowView.__struct_fields__})


def report_view(report: ShiftReport) -> ShiftReportView:
    """The report; its amounts were written at the currency's decimals."""
    return msgspec.convert(msgspec.to_builtins(report), ShiftReportView)


def _whole(row: ShiftRow, places: str) -> ShiftView:
    shift = row.shift

    def amount(value: Any) -> str | None:
        return None if value is None else format(value, places)

    return ShiftView(
        id=shift.id,
        number=row.number,
        drawer=shift.drawer,
        status=shift.status.value,
        business_date=shift.business_date,
        opened_by=shift.opened_by,
        opened_at=shift.opened_at,
        opening_float=format(shift.opening_float, places),
        closed_by=row.closed_by,
        closed_at=row.closed_at,
        expected_cash=amount(row.expected_cash),
        counted_cash=amount(row.counted_cash),
        difference=amount(row.difference),
        report=None,
        version=shift.version,
    )
