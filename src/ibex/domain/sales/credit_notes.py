"""Credit notes: what comes back, what it is worth, and what that does to the invoice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from ibex.domain.catalog.model import ProductRef
from ibex.domain.sales.model import MAX_LINES, Invoice, InvoiceLine, TaxLine, summarise_parts
from ibex.domain.sales.pricing import rounding_of
from ibex.domain.sales.tender import Payment, PaymentMethod
from ibex.domain.shared.errors import InvalidValue, LimitExceeded, NotFound, ReturnExceedsSale
from ibex.domain.shared.ids import CreditNoteId, CustomerId, InvoiceId, OperatorId, ProductId, ShiftId, StoreId
from ibex.domain.shared.money import ZERO, Currency, quantity
from ibex.domain.shared.text import note


class Disposition(StrEnum):
    """What becomes of goods that come back: on the shelf again, or thrown away."""

    RESTOCKED = "RESTOCKED"
    WRITTEN_OFF = "WRITTEN_OFF"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteLine:
    """One line: what came back, and its share of what was charged for it."""

    line_no: int
    product_id: ProductId
    sku: str
    name: str
    unit_price: Decimal
    quantity: Decimal
    tax_rate: Decimal
    cost_price: Decimal | None
    net: Decimal
    tax: Decimal
    disposition: Disposition
    invoice_line_no: int | None = None

    @property
    def total(self) -> Decimal:
        """What the customer is credited for it."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNote:
    """A credit note: ``total`` = net + tax + ``rounding``. It first lowers what is owed for its invoice.

    ``refunded`` is the rest: given back in money or put on the customer's account. ``number`` is gapless in the store.
    """

    id: CreditNoteId
    store_id: StoreId
    number: int
    operator_id: OperatorId
    currency: Currency
    prices_include_tax: bool
    lines: tuple[CreditNoteLine, ...]
    rounding: Decimal
    refunded: Decimal
    business_date: date
    occurred_at: datetime
    issued_at: datetime
    invoice_id: InvoiceId | None = None
    customer_id: CustomerId | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        note(self.reason, field="reason")

    @property
    def net(self) -> Decimal:
        """The lines without tax."""
        return sum((line.net for line in self.lines), self.currency.zero())

    @property
    def tax(self) -> Decimal:
        """The lines' tax."""
        return sum((line.tax for line in self.lines), self.currency.zero())

    @property
    def total(self) -> Decimal:
        """What the customer is credited."""
        return self.net + self.tax + self.rounding

    @property
    def settled(self) -> Decimal:
        """By how much it lowered what was owed for the invoice."""
        return self.total - self.refunded

    def tax_summary(self) -> list[TaxLine]:
        """The lines' tax by rate, highest rate first."""
        return summarise_parts((line.tax_rate, line.net, line.tax) for line in self.lines)

    def restocked(self) -> dict[ProductId, Decimal]:
        """How much of each product goes back on the shelf."""
        sums: dict[ProductId, Decimal] = {}
        for line in self.lines:
            if line.disposition is Disposition.RESTOCKED:
                sums[line.product_id] = sums.get(line.product_id, ZERO) + line.quantity
        return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReturned:
    """So much of a line of an invoice has come back: for the journal, which adds it up and refuses too much."""

    invoice_id: InvoiceId
    line_no: int
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """How money goes back. Without ``amount``: as much as is still to be given back. ACCOUNT keeps it as credit."""

    method: PaymentMethod
    amount: Decimal | None = None
    reference: str = ""

    def __post_init__(self) -> None:
        note(self.reference, field="reference", max_length=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedLine:
    """Part of an invoice's line that comes back."""

    line_no: int
    quantity: Decimal
    disposition: Disposition = Disposition.RESTOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRequest:
    """Goods of an invoice that come back."""

    lines: Sequence[ReturnedLine]
    refunds: Sequence[Refund] = ()
    id: CreditNoteId | None = None
    reason: str = ""
    shift_id: ShiftId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidRequest:
    """All of an invoice that has not come back yet."""

    disposition: Disposition = Disposition.RESTOCKED
    refunds: Sequence[Refund] = ()
    id: CreditNoteId | None = None
    reason: str = ""
    shift_id: ShiftId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseLine:
    """Goods that come back without their invoice. Without ``unit_price``: at the price of today."""

    product: ProductRef
    quantity: Decimal
    unit_price: Decimal | None = None
    disposition: Disposition = Disposition.RESTOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseReturnRequest:
    """Goods that come back without an invoice: only with a reason."""

    lines: Sequence[LooseLine]
    reason: str
    refunds: Sequence[Refund] = ()
    id: CreditNoteId | None = None
    customer_id: CustomerId | None = None
    shift_id: ShiftId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCreditNote:
    """A credit note and the money that went back with it."""

    note: CreditNote
    payments: Sequence[Payment]


def share(amount: Decimal, part: Decimal, whole: Decimal, currency: Currency) -> Decimal:
    """``amount`` * ``part`` / ``whole``, rounded half-up to the currency's step; nothing of nothing.

    In whole numbers, so that no digit is lost however large the amount: all of it is exactly ``amount``.
    """
    if whole == 0:
        return currency.zero()
    steps, counted, of = int(amount.scaleb(currency.exponent)), int(part.scaleb(6)), int(whole.scaleb(6))
    return Decimal((2 * steps * counted + of) // (2 * of)).scaleb(-currency.exponent)


def worth(line: InvoiceLine, pieces: Decimal, currency: Currency) -> tuple[Decimal, Decimal]:
    """Net and tax of the first ``pieces`` of the line that come back.

    Rounded as a running total: what a return is worth is the difference of two of these, so that the pieces of any
    split add up to the line to the cent, and none of them is negative.
    """
    amounts = line.amounts
    total = share(amounts.total, pieces, line.quantity, currency)
    net = share(amounts.net, total, amounts.total, currency)
    return net, total - net


def credit_lines(invoice: Invoice, wanted: Sequence[ReturnedLine]) -> tuple[CreditNoteLine, ...]:
    """The lines of a credit note for the invoice. Raises InvalidValue, LimitExceeded, NotFound, ReturnExceedsSale."""
    must_have_lines(len(wanted))
    sold = {line.line_no: line for line in invoice.lines}
    back = {line.line_no: line.returned for line in invoice.lines}
    lines: list[CreditNoteLine] = []
    for i, one in enumerate(wanted):
        line = sold.get(one.line_no)
        if line is None:
            raise NotFound("The invoice has no such line.", field=f"lines[{i}].line_no")
        pieces = quantity(one.quantity, field=f"lines[{i}].quantity")
        before, after = back[line.line_no], back[line.line_no] + pieces
        if after > line.quantity:
            raise ReturnExceedsSale(
                "More would come back than was sold, less what came back before.",
                field=f"lines[{i}].quantity",
                sold=f"{line.quantity:f}",
                returned=f"{before:f}",
            )
        net_before, tax_before = worth(line, before, invoice.currency)
        net_after, tax_after = worth(line, after, invoice.currency)
        back[line.line_no] = after
        lines.append(
            CreditNoteLine(
                line_no=i + 1,
                invoice_line_no=line.line_no,
                product_id=line.product_id,
                sku=line.sku,
                name=line.name,
                unit_price=line.unit_price,
                quantity=pieces,
                tax_rate=line.tax_rate,
                cost_price=line.cost_price,
                net=net_after - net_before,
                tax=tax_after - tax_before,
                disposition=one.disposition,
            )
        )
    return tuple(lines)


def credit_total(invoice: Invoice, lines: Sequence[CreditNoteLine], *, cash_step: Decimal) -> Decimal:
    """What the lines are worth to the customer; with the last piece, all that has not been credited yet.

    Never more than that: a total that was rounded down in cash is not given back in full prices. ``cash_step`` rounds
    what goes back in cash (0: nothing does), but for the last piece, which leaves nothing over.
    """
    left = invoice.totals.total - invoice.credited
    back = {line.line_no: line.returned for line in invoice.lines}
    for line in lines:
        assert line.invoice_line_no is not None, "a credit note for an invoice names its lines"
        back[line.invoice_line_no] += line.quantity
    if all(back[line.line_no] == line.quantity for line in invoice.lines):
        return left
    goods = sum((line.total for line in lines), invoice.currency.zero())
    to_give_back = max(goods - invoice.outstanding, invoice.currency.zero())
    return min(goods + rounding_of(to_give_back, cash_step, invoice.currency), left)


def all_that_is_left(invoice: Invoice, disposition: Disposition) -> list[ReturnedLine]:
    """Everything that has not come back yet."""
    return [
        ReturnedLine(line_no=line.line_no, quantity=line.returnable, disposition=disposition)
        for line in invoice.lines
        if line.returnable > 0
    ]


def must_have_lines(count: int) -> None:
    """Raises InvalidValue without lines, LimitExceeded with too many."""
    if count == 0:
        raise InvalidValue("Give at least one line.", field="lines")
    if count > MAX_LINES:
        raise LimitExceeded(f"A credit note has at most {MAX_LINES} lines.", field="lines", limit=MAX_LINES)
