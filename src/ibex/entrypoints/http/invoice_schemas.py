"""Sales and invoices as callers send and get them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from msgspec import UNSET, UnsetType

from ibex.domain.catalog.model import ProductRef
from ibex.domain.sales.model import InvoiceLine, TaxLine
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.queries import InvoiceRow
from ibex.domain.sales.requests import LineRequest, SettledInvoice
from ibex.domain.sales.tender import Payment, PaymentMethod, Tender
from ibex.domain.shared.ids import ProductId
from ibex.entrypoints.http.refusals import invalid
from ibex.entrypoints.http.types import (
    ClientId,
    Label,
    MoneyText,
    Note,
    PercentText,
    PriceText,
    QuantityText,
    Request,
    View,
    decimal,
    decimal_or_none,
    text,
)


class Method(StrEnum):
    """How it is paid. CREDIT leaves what is unpaid on the customer's account; ACCOUNT uses the customer's credit."""

    CASH = "CASH"
    CARD = "CARD"
    TRANSFER = "TRANSFER"
    ACCOUNT = "ACCOUNT"
    CREDIT = "CREDIT"


class DiscountInput(Request):
    """A discount: exactly one of the two."""

    percent: PercentText | None = None
    amount: MoneyText | None = None


class LineInput(Request):
    """A line: the product by exactly one of its three names."""

    quantity: QuantityText
    product_id: UUID | None = None
    sku: Label | None = None
    barcode: Label | None = None
    unit_price: PriceText | None = None
    """Goes around the catalogue's price; needs sales:override."""
    discount: DiscountInput | None = None


class PaymentInput(Request):
    """One tender. Without ``amount``: as much as is due."""

    method: Method
    amount: MoneyText | None = None
    tendered: MoneyText | None = None
    reference: Note = ""


class TenderChoice(Request):
    """How it is paid: by one method, or by several ``payments``."""

    payment_method: Method | None = None
    amount_tendered: MoneyText | None = None
    payments: list[PaymentInput] | None = None


class PaymentChoice(TenderChoice):
    """How a document is paid: by one method, or by several ``payments``."""

    shift_id: UUID | None = None
    override_reason: Note = ""
    """A manager's reason for letting the customer owe more than the credit limit."""


class SaleInput(PaymentChoice, kw_only=True):
    """A sale in one step."""

    lines: list[LineInput]
    id: ClientId | None = None
    customer_id: UUID | None = None
    discount: DiscountInput | None = None
    note: Note = ""
    due_date: date | None = None


class DraftInput(Request):
    """A draft invoice."""

    lines: list[LineInput]
    id: ClientId | None = None
    customer_id: UUID | None = None
    discount: DiscountInput | None = None
    note: Note = ""
    due_date: date | None = None


class DraftPatch(Request):
    """What to change of a draft; a field that is left out stays as it is."""

    lines: list[LineInput] | UnsetType = UNSET
    customer_id: UUID | UnsetType | None = UNSET
    discount: DiscountInput | UnsetType | None = UNSET
    note: Note | UnsetType = UNSET
    due_date: date | UnsetType | None = UNSET


class InvoicePaymentInput(PaymentChoice):
    """Money for an invoice that is owed; ``amount`` (of one method) pays a part."""

    amount: MoneyText | None = None


class LineView(View):
    """A line with its amounts: ``total`` = ``net`` + ``tax``."""

    line_no: int
    product_id: UUID
    sku: str
    name: str
    quantity: str
    unit_price: str
    tax_rate: str
    gross: str
    discount: str
    order_discount: str
    net: str
    tax: str
    total: str
    returned: str


class TaxView(View):
    """The tax of one rate."""

    rate: str
    net: str
    tax: str
    total: str


class PaymentView(View):
    """A payment made for a document."""

    id: UUID
    receipt_id: UUID
    receipt_number: int
    kind: str
    method: str
    amount: str
    tendered: str
    change_due: str
    reference: str
    occurred_at: datetime


class InvoiceView(View):
    """An invoice: ``total`` = ``net_total`` + ``tax_total`` + ``rounding``; amounts in ``currency``."""

    id: UUID
    number: int | None
    status: str
    customer_id: UUID | None
    operator_id: UUID
    currency: str
    prices_include_tax: bool
    lines: list[LineView]
    taxes: list[TaxView]
    subtotal: str
    discount_total: str
    net_total: str
    tax_total: str
    rounding: str
    total: str
    paid: str
    credited: str
    outstanding: str
    change_due: str
    payments: list[PaymentView]
    note: str
    offline: bool
    oversold: bool
    due_date: date | None
    business_date: date
    occurred_at: datetime
    created_at: datetime
    issued_at: datetime | None
    cancelled_at: datetime | None
    version: int


class InvoiceRowView(View):
    """An invoice in a list, without its lines."""

    id: UUID
    number: int | None
    status: str
    customer_id: UUID | None
    operator_id: UUID
    currency: str
    line_count: int
    net_total: str
    tax_total: str
    total: str
    paid: str
    credited: str
    oversold: bool
    due_date: date | None
    business_date: date
    occurred_at: datetime
    created_at: datetime
    issued_at: datetime | None
    version: int


class InvoicePage(View):
    """A page of invoices."""

    items: list[InvoiceRowView]
    next_cursor: str | None


def discount_of(given: DiscountInput | None) -> Discount | None:
    """The discount in the domain's words."""
    if given is None:
        return None
    return Discount(percent=decimal_or_none(given.percent), amount=decimal_or_none(given.amount))


def lines_of(lines: list[LineInput]) -> list[LineRequest]:
    """The lines in the domain's words."""
    return [
        LineRequest(
            product=ProductRef(
                id=None if line.product_id is None else ProductId(line.product_id),
                sku=line.sku,
                barcode=line.barcode,
            ),
            quantity=decimal(line.quantity),
            unit_price=decimal_or_none(line.unit_price),
            discount=discount_of(line.discount),
        )
        for line in lines
    ]


def tenders_of(choice: TenderChoice, *, amount: str | None = None) -> tuple[list[Tender], bool]:
    """The tenders, and whether the rest goes on credit. Raises InvalidRequest."""
    if (choice.payment_method is None) == (choice.payments is None):
        raise invalid("payment_method", "Give exactly one of payment_method and payments.")
    if choice.payment_method is not None:
        given = [PaymentInput(method=choice.payment_method, amount=amount, tendered=choice.amount_tendered)]
    else:
        if choice.amount_tendered is not None or amount is not None:
            raise invalid("amount_tendered", "With payments, amounts are given in each of them.")
        given = choice.payments or []
    tenders: list[Tender] = []
    on_credit = False
    for i, one in enumerate(given):
        if one.method is not Method.CREDIT:
            tenders.append(
                Tender(
                    method=PaymentMethod(one.method.value),
                    amount=decimal_or_none(one.amount),
                    tendered=decimal_or_none(one.tendered),
                    reference=one.reference,
                )
            )
            continue
        if one.amount is not None or one.tendered is not None:
            raise invalid(f"payments[{i}].amount", "CREDIT takes what is left unpaid; it has no amount.")
        on_credit = True
    return tenders, on_credit


def invoice_view(settled: SettledInvoice) -> InvoiceView:
    """An invoice and the payments made for it."""
    invoice = settled.invoice
    sums = invoice.totals
    places = f".{invoice.currency.exponent}f"
    change = sum((p.applied.change_due for p in settled.payments), Decimal(0))
    return InvoiceView(
        id=invoice.id,
        number=invoice.number,
        status=invoice.status.value,
        customer_id=invoice.customer_id,
        operator_id=invoice.operator_id,
        currency=invoice.currency.code,
        prices_include_tax=invoice.prices_include_tax,
        lines=[line_view(line, places) for line in invoice.lines],
        taxes=[tax_view(one, places) for one in invoice.tax_summary()],
        subtotal=format(sums.subtotal, places),
        discount_total=format(sums.discount, places),
        net_total=format(sums.net, places),
        tax_total=format(sums.tax, places),
        rounding=format(sums.rounding, places),
        total=format(sums.total, places),
        paid=format(invoice.paid, places),
        credited=format(invoice.credited, places),
        outstanding=format(invoice.outstanding, places),
        change_due=format(change, places),
        payments=[payment_view(payment, places) for payment in settled.payments],
        note=invoice.note,
        offline=invoice.offline,
        oversold=invoice.oversold,
        due_date=invoice.due_date,
        business_date=invoice.business_date,
        occurred_at=invoice.occurred_at,
        created_at=invoice.created_at,
        issued_at=invoice.issued_at,
        cancelled_at=invoice.cancelled_at,
        version=invoice.version,
    )


def line_view(line: InvoiceLine, places: str) -> LineView:
    """A line."""
    amounts = line.amounts
    return LineView(
        line_no=line.line_no,
        product_id=line.product_id,
        sku=line.sku,
        name=line.name,
        quantity=text(line.quantity),
        unit_price=text(line.unit_price),
        tax_rate=text(line.tax_rate),
        gross=format(amounts.gross, places),
        discount=format(amounts.discount, places),
        order_discount=format(amounts.order_discount, places),
        net=format(amounts.net, places),
        tax=format(amounts.tax, places),
        total=format(amounts.total, places),
        returned=text(line.returned),
    )


def tax_view(tax: TaxLine, places: str) -> TaxView:
    """The tax of one rate."""
    return TaxView(
        rate=text(tax.rate),
        net=format(tax.net, places),
        tax=format(tax.tax, places),
        total=format(tax.total, places),
    )


def payment_view(payment: Payment, places: str) -> PaymentView:
    """A payment."""
    applied = payment.applied
    return PaymentView(
        id=payment.id,
        receipt_id=payment.receipt_id,
        receipt_number=payment.receipt_number,
        kind=payment.kind.value,
        method=applied.method.value,
        amount=format(applied.amount, places),
        tendered=format(applied.tendered, places),
        change_due=format(applied.change_due, places),
        reference=applied.reference,
        occurred_at=payment.occurred_at,
    )


def invoice_row_view(row: InvoiceRow) -> InvoiceRowView:
    """An invoice in a list."""
    return InvoiceRowView(
        id=row.id,
        number=row.number,
        status=row.status,
        customer_id=row.customer_id,
        operator_id=row.operator_id,
        currency=row.currency,
        line_count=row.line_count,
        net_total=text(row.net_total),
        tax_total=text(row.tax_total),
        total=text(row.total),
        paid=amount_like(row.paid, row.total),
        credited=amount_like(row.credited, row.total),
        oversold=row.oversold,
        due_date=row.due_date,
        business_date=row.business_date,
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        issued_at=row.issued_at,
        version=row.version,
    )


def amount_like(amount: Decimal, model: Decimal) -> str:
    """``amount`` with as many decimals as ``model``: a column's default is a bare 0."""
    return text(amount.quantize(model))
