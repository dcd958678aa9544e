"""Returns and credit notes as callers send and get them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from ibex.domain.catalog.model import ProductRef
from ibex.domain.sales.credit_notes import (
    CreditNoteLine,
    Disposition,
    IssuedCreditNote,
    LooseLine,
    LooseReturnRequest,
    Refund,
    ReturnedLine,
    ReturnRequest,
    VoidRequest,
)
from ibex.domain.sales.queries import CreditNoteRow
from ibex.domain.sales.tender import PaymentMethod
from ibex.domain.shared.ids import CreditNoteId, CustomerId, ProductId, ShiftId
from ibex.entrypoints.http.invoice_schemas import PaymentView, TaxView, amount_like, payment_view, tax_view
from ibex.entrypoints.http.refusals import invalid
from ibex.entrypoints.http.types import (
    ClientId,
    Label,
    MoneyText,
    Note,
    PriceText,
    QuantityText,
    Request,
    View,
    decimal,
    decimal_or_none,
    text,
)


class RefundMethod(StrEnum):
    """How money goes back. ACCOUNT keeps it for the customer, to be used for a later invoice."""

    CASH = "CASH"
    CARD = "CARD"
    TRANSFER = "TRANSFER"
    ACCOUNT = "ACCOUNT"


class RefundInput(Request):
    """One refund. Without ``amount``: as much as is still to go back."""

    method: RefundMethod
    amount: MoneyText | None = None
    reference: Note = ""


class RefundChoice(Request):
    """How what goes back is given: by one method, or by several ``refunds`` that add up to it."""

    refund_method: RefundMethod | None = None
    refunds: list[RefundInput] | None = None
    id: ClientId | None = None
    reason: Note = ""
    shift_id: UUID | None = None
    """The drawer's shift that a cash refund comes from."""


class ReturnLineInput(Request):
    """A line of the invoice, and how much of it comes back."""

    line_no: Annotated[int, Meta(ge=1, le=32767)]
    quantity: QuantityText
    disposition: Disposition = Disposition.RESTOCKED
    """RESTOCKED puts the goods back in stock, WRITTEN_OFF does not."""


class ReturnInput(RefundChoice, kw_only=True):
    """Part of an invoice that comes back."""

    lines: list[ReturnLineInput]


class VoidInput(RefundChoice, kw_only=True):
    """All of an invoice that has not come back yet."""

    disposition: Disposition = Disposition.RESTOCKED


class LooseLineInput(Request):
    """Goods that come back: the product by exactly one of its three names."""

    quantity: QuantityText
    product_id: UUID | None = None
    sku: Label | None = None
    barcode: Label | None = None
    unit_price: PriceText | None = None
    """What is given back for one; without it, the price of today."""
    disposition: Disposition = Disposition.RESTOCKED


class LooseReturnInput(RefundChoice, kw_only=True):
    """Goods that come back without their invoice. ``reason`` must say why."""

    lines: list[LooseLineInput]
    customer_id: UUID | None = None


class CreditNoteLineView(View):
    """A line that came back: ``total`` = ``net`` + ``tax``."""

    line_no: int
    invoice_line_no: int | None
    product_id: UUID
    sku: str
    name: str
    quantity: str
    unit_price: str
    tax_rate: str
    net: str
    tax: str
    total: str
    disposition: str


class CreditNoteView(View):
    """A credit note: ``total`` = ``net_total`` + ``tax_total`` + ``rounding`` = ``settled`` + ``refunded``.

    ``settled`` lowered what was owed for the invoice, ``refunded`` went back to the customer by the ``payments``.
    """

    id: UUID
    number: int
    invoice_id: UUID | None
    customer_id: UUID | None
    operator_id: UUID
    currency: str
    prices_include_tax: bool
    reason: str
    lines: list[CreditNoteLineView]
    taxes: list[TaxView]
    net_total: str
    tax_total: str
    rounding: str
    total: str
    settled: str
    refunded: str
    payments: list[PaymentView]
    business_date: date
    occurred_at: datetime
    issued_at: datetime


class CreditNoteRowView(View):
    """A credit note in a list, without its lines."""

    id: UUID
    number: int
    invoice_id: UUID | None
    customer_id: UUID | None
    operator_id: UUID
    currency: str
    reason: str
    line_count: int
    net_total: str
    tax_total: str
    total: str
    refunded: str
    business_date: date
    issued_at: datetime


class CreditNotePage(View):
    """A page of credit notes."""

    items: list[CreditNoteRowView]
    next_cursor: str | None


def refunds_of(choice: RefundChoice) -> list[Refund]:
    """The refunds in the domain's words. Raises InvalidRequest."""
    if choice.refund_method is not None and choice.refunds is not None:
        raise invalid("refund_method", "Give at most one of refund_method and refunds.")
    if choice.refund_method is not None:
        return [Refund(method=PaymentMethod(choice.refund_method.value))]
    return [
        Refund(method=PaymentMethod(one.method.value), amount=decimal_or_none(one.amount), reference=one.reference)
        for one in choice.refunds or []
    ]


def return_request(data: ReturnInput) -> ReturnRequest:
    """The return in the domain's words. Raises InvalidRequest."""
    return ReturnRequest(
        lines=[
            ReturnedLine(line_no=line.line_no, quantity=decimal(line.quantity), disposition=line.disposition)
            for line in data.lines
        ],
        refunds=refunds_of(data),
        id=_note_id(data),
        reason=data.reason,
        shift_id=_shift_id(data),
    )


def void_request(data: VoidInput) -> VoidRequest:
    """The void in the domain's words. Raises InvalidRequest."""
    return VoidRequest(
        disposition=data.disposition,
        refunds=refunds_of(data),
        id=_note_id(data),
        reason=data.reason,
        shift_id=_shift_id(data),
    )


def loose_return_request(data: LooseReturnInput) -> LooseReturnRequest:
    """The return without an invoice in the domain's words. Raises InvalidRequest."""
    return LooseReturnRequest(
        lines=[
            LooseLine(
                product=ProductRef(
                    id=None if line.product_id is None else ProductId(line.product_id),
                    sku=line.sku,
                    barcode=line.barcode,
                ),
                quantity=decimal(line.quantity),
                unit_price=decimal_or_none(line.unit_price),
                disposition=line.disposition,
            )
            for line in data.lines
        ],
        refunds=refunds_of(data),
        id=_note_id(data),
        reason=data.reason,
        customer_id=None if data.customer_id is None else CustomerId(data.customer_id),
        shift_id=_shift_id(data),
    )


def credit_note_view(issued: IssuedCreditNote) -> CreditNoteView:
    """A credit note and the refunds made with it."""
    note = issued.note
    places = f".{note.currency.exponent}f"
    return CreditNoteView(
        id=note.id,
        number=note.number,
        invoice_id=note.invoice_id,
        customer_id=note.customer_id,
        operator_id=note.operator_id,
        currency=note.currency.code,
        prices_include_tax=note.prices_include_tax,
        reason=note.reason,
        lines=[_line_view(line, places) for line in note.lines],
        taxes=[tax_view(one, places) for one in note.tax_summary()],
        net_total=format(note.net, places),
        tax_total=format(note.tax, places),
        rounding=format(note.rounding, places),
        total=format(note.total, places),
        settled=format(note.settled, places),
        refunded=format(note.refunded, places),
        payments=[payment_view(payment, places) for payment in issued.payments],
        business_date=note.business_date,
        occurred_at=note.occurred_at,
        issued_at=note.issued_at,
    )


def credit_note_row_view(row: CreditNoteRow) -> CreditNoteRowView:
    """A credit note in a list."""
    return CreditNoteRowView(
        id=row.id,
        number=row.number,
        invoice_id=row.invoice_id,
        customer_id=row.customer_id,
        operator_id=row.operator_id,
        currency=row.currency,
        reason=row.reason,
        line_count=row.line_count,
        net_total=text(row.net_total),
        tax_total=text(row.tax_total),
        total=text(row.total),
        refunded=amount_like(row.refunded, row.total),
        business_date=row.business_date,
        issued_at=row.issued_at,
    )


def _line_view(line: CreditNoteLine, places: str) -> CreditNoteLineView:
    return CreditNoteLineView(
        line_no=line.line_no,
        invoice_line_no=line.invoice_line_no,
        product_id=line.product_id,
        sku=line.sku,
        name=line.name,
        quantity=text(line.quantity),
        unit_price=text(line.unit_price),
        tax_rate=text(line.tax_rate),
        net=format(line.net, places),
        tax=format(line.tax, places),
        total=format(line.total, places),
        disposition=line.disposition.value,
    )


def _note_id(choice: RefundChoice) -> CreditNoteId | None:
    return None if choice.id is None else CreditNoteId(choice.id)


def _shift_id(choice: RefundChoice) -> ShiftId | None:
    return None if choice.shift_id is None else ShiftId(choice.shift_id)
