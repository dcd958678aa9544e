"""Receipts, refunds of account credit and opening balances as callers send and get them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, field

from ibex.domain.customers.opening import OpeningBalance, OpeningRequest
from ibex.domain.sales.allocation import MAX_SETTLED, Wanted
from ibex.domain.sales.payouts import PayoutRequest
from ibex.domain.sales.receipt_queries import ReceiptRow
from ibex.domain.sales.receipts import Receipt, ReceiptRequest
from ibex.domain.sales.tender import MAX_TENDERS, Payment, PaymentMethod, Tender
from ibex.domain.shared.ids import InvoiceId, ShiftId
from ibex.domain.shared.money import Currency
from ibex.entrypoints.http.types import MoneyText, Note, Request, View, decimal_or_none


class TenderInput(Request):
    """Money given. Without ``amount`` as much as is owed (of ACCOUNT: as much as is on the account)."""

    method: PaymentMethod
    amount: MoneyText | None = None
    tendered: MoneyText | None = None
    """Cash handed over, of which what is beyond ``amount`` is given back as change."""
    reference: Note = ""


class AllocationInput(Request):
    """Money for one invoice; without ``amount`` as much as is owed for it."""

    invoice_id: UUID
    amount: MoneyText | None = None


class ReceiptInput(Request):
    """Money for what a customer owes: for the invoices in ``allocations`` first, then for the oldest debts."""

    payments: Annotated[list[TenderInput], Meta(min_length=1, max_length=MAX_TENDERS)]
    allocations: Annotated[list[AllocationInput], Meta(max_length=MAX_SETTLED)] = field(default_factory=list)
    keep_overpayment: bool = False
    """Keep what is beyond all debts as account credit; otherwise it is refused."""
    shift_id: UUID | None = None


class RefundInput(Request):
    """Account credit to pay back; without ``amount`` all of it."""

    method: PaymentMethod
    amount: MoneyText | None = None
    reference: Note = ""
    reason: Note = ""
    override_reason: Note = ""
    """A manager's reason for paying out although the customer then owes more than the credit limit."""
    shift_id: UUID | None = None


class OpeningInput(Request):
    """What a customer owed (``debit``) or had on account (``credit``) when the shop moved in: one of the two."""

    debit: MoneyText | None = None
    credit: MoneyText | None = None
    as_of: date | None = None
    """The day that it dates from, and ages from; today where it is left out."""
    note: Note = ""


class ReceiptPaymentView(View):
    """One piece of the money. ``purpose``: INVOICE, OPENING (a debt from before), ACCOUNT (kept, or paid back) or
    CREDIT_NOTE.
    """

    id: UUID
    method: str
    amount: str
    tendered: str
    change_due: str
    reference: str
    purpose: str
    invoice_id: UUID | None
    credit_note_id: UUID | None


class ReceiptInvoiceView(View):
    """An invoice that the receipt is for: what of it was paid, and how it stood when this was answered."""

    invoice_id: UUID
    number: int | None
    amount: str
    status: str
    outstanding: str


class ReceiptView(View):
    """A receipt, or (``kind`` REFUND) money that went out: ``amount`` is the sum of its payments."""

    id: UUID
    number: int
    kind: str
    customer_id: UUID | None
    operator_id: UUID
    shift_id: UUID | None
    currency: str
    amount: str
    change_due: str
    to_invoices: str
    to_opening: str
    to_account: str
    payments: list[ReceiptPaymentView]
    invoices: list[ReceiptInvoiceView]
    business_date: date
    occurred_at: datetime


class ReceiptRowView(View):
    """A receipt in a list."""

    id: UUID
    number: int
    kind: str
    customer_id: UUID | None
    operator_id: UUID
    shift_id: UUID | None
    methods: list[str]
    amount: str
    change_due: str
    business_date: date
    occurred_at: datetime


class ReceiptPage(View):
    """A page of receipts."""

    items: list[ReceiptRowView]
    next_cursor: str | None


class OpeningView(View):
    """An opening balance as it was entered."""

    id: UUID
    customer_id: UUID
    debit: str
    credit: str
    currency: str
    as_of: date
    note: str


def receipt_request(data: ReceiptInput) -> ReceiptRequest:
    """The receipt in the domain's words."""
    return ReceiptRequest(
        tenders=[
            Tender(
                method=one.method,
                amount=decimal_or_none(one.amount),
                tendered=decimal_or_none(one.tendered),
                reference=one.reference,
            )
            for one in data.payments
        ],
        allocations=[
            Wanted(invoice_id=InvoiceId(one.invoice_id), amount=decimal_or_none(one.amount)) for one in data.allocations
        ],
        keep_overpayment=data.keep_overpayment,
        shift_id=None if data.shift_id is None else ShiftId(data.shift_id),
    )


def payout_request(data: RefundInput) -> PayoutRequest:
    """The refund in the domain's words."""
    return PayoutRequest(
        method=data.method,
        amount=decimal_or_none(data.amount),
        reference=data.reference,
        reason=data.reason,
        override_reason=data.override_reason,
        shift_id=None if data.shift_id is None else ShiftId(data.shift_id),
    )


def opening_request(data: OpeningInput) -> OpeningRequest:
    """The opening balance in the domain's words."""
    return OpeningRequest(
        debit=decimal_or_none(data.debit), credit=decimal_or_none(data.credit), as_of=data.as_of, note=data.note
    )


def purpose_of(payment: Payment) -> str:
    """What a piece of a receipt is for."""
    if payment.credit_note_id is not None:
        return "CREDIT_NOTE"
    if payment.invoice_id is not None:
        return "INVOICE"
    return "OPENING" if payment.for_opening else "ACCOUNT"


def receipt_view(receipt: Receipt, currency: Currency) -> ReceiptView:
    """A receipt."""
    places = f".{currency.exponent}f"
    sums = dict.fromkeys(("INVOICE", "OPENING", "ACCOUNT", "CREDIT_NOTE"), currency.zero())
    for payment in receipt.payments:
        sums[purpose_of(payment)] += payment.applied.amount
    return ReceiptView(
        id=receipt.id,
        number=receipt.number,
        kind=receipt.kind.value,
        customer_id=receipt.customer_id,
        operator_id=receipt.operator_id,
        shift_id=receipt.shift_id,
        currency=currency.code,
        amount=format(receipt.amount, places),
        change_due=format(sum((p.applied.change_due for p in receipt.payments), currency.zero()), places),
        to_invoices=format(sums["INVOICE"], places),
        to_opening=format(sums["OPENING"], places),
        to_account=format(sums["ACCOUNT"], places),
        payments=[
            ReceiptPaymentView(
                id=payment.id,
                method=payment.applied.method.value,
                amount=format(payment.applied.amount, places),
                tendered=format(payment.applied.tendered, places),
                change_due=format(payment.applied.change_due, places),
                reference=payment.applied.reference,
                purpose=purpose_of(payment),
                invoice_id=payment.invoice_id,
                credit_note_id=payment.credit_note_id,
            )
            for payment in receipt.payments
        ],
        invoices=[
            ReceiptInvoiceView(
                invoice_id=part.invoice.id,
                number=part.invoice.number,
                amount=format(part.amount, places),
                status=part.invoice.status.value,
                outstanding=format(part.invoice.outstanding, places),
            )
            for part in receipt.settled
        ],
        business_date=receipt.business_date,
        occurred_at=receipt.occurred_at,
    )


def receipt_row_view(row: ReceiptRow, currency: Currency) -> ReceiptRowView:
    """A receipt in a list."""
    places = f".{currency.exponent}f"
    return ReceiptRowView(
        id=row.id,
        number=row.number,
        kind=row.kind,
        customer_id=row.customer_id,
        operator_id=row.operator_id,
        shift_id=row.shift_id,
        methods=list(row.methods),
        amount=format(row.amount, places),
        change_due=format(row.change_due, places),
        business_date=row.business_date,
        occurred_at=row.occurred_at,
    )


def opening_view(opening: OpeningBalance, currency: Currency) -> OpeningView:
    """An opening balance."""
    places = f".{currency.exponent}f"
    return OpeningView(
        id=opening.id,
        customer_id=opening.customer_id,
        debit=format(opening.debit, places),
        credit=format(opening.credit, places),
        currency=currency.code,
        as_of=opening.business_date,
        note=opening.note,
    )
