"""Invoices and their life cycle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from ibex.domain.sales.pricing import Discount, Priced, ToPrice, Totals, price_lines, totals
from ibex.domain.shared.errors import InvalidTransition, InvalidValue, LimitExceeded
from ibex.domain.shared.ids import CustomerId, InvoiceId, OperatorId, ProductId, ShiftId, StoreId
from ibex.domain.shared.money import ZERO, Currency
from ibex.domain.shared.text import note

MAX_LINES: Final = 2_000


class InvoiceStatus(StrEnum):
    """Where an invoice stands in its life."""

    DRAFT = "DRAFT"
    UNPAID = "UNPAID"
    PAID = "PAID"
    CANCELLED = "CANCELLED"


TRANSITIONS: Final[dict[InvoiceStatus, frozenset[InvoiceStatus]]] = {
    InvoiceStatus.DRAFT: frozenset({InvoiceStatus.UNPAID, InvoiceStatus.PAID, InvoiceStatus.CANCELLED}),
    InvoiceStatus.UNPAID: frozenset({InvoiceStatus.PAID}),
    InvoiceStatus.PAID: frozenset(),
    InvoiceStatus.CANCELLED: frozenset(),
}
"""The whole life cycle. What is not listed is refused; an issued invoice is corrected by a credit note only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line: what was sold, at what price, as of the moment it was written."""

    line_no: int
    product_id: ProductId
    sku: str
    name: str
    unit_price: Decimal
    quantity: Decimal
    tax_rate: Decimal
    cost_price: Decimal | None
    amounts: Priced
    returned: Decimal = ZERO
    """How much of the quantity has come back."""

    @property
    def returnable(self) -> Decimal:
        """How much may still come back."""
        return self.quantity - self.returned


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDraft:
    """A line before it is priced: the product's facts as they are now."""

    product_id: ProductId
    sku: str
    name: str
    unit_price: Decimal
    quantity: Decimal
    tax_rate: Decimal
    cost_price: Decimal | None = None
    discount: Discount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """The tax summary of one rate (in percent)."""

    rate: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice. ``number`` is gapless within the store and exists from the moment of issue."""

    id: InvoiceId
    store_id: StoreId
    status: InvoiceStatus
    operator_id: OperatorId
    currency: Currency
    prices_include_tax: bool
    lines: tuple[InvoiceLine, ...]
    totals: Totals
    business_date: date
    occurred_at: datetime
    created_at: datetime
    number: int | None = None
    customer_id: CustomerId | None = None
    discount: Discount | None = None
    note: str = ""
    paid: Decimal = ZERO
    credited: Decimal = ZERO
    offline: bool = False
    oversold: bool = False
    due_date: date | None = None
    shift_id: ShiftId | None = None
    """The drawer's shift that it was issued in."""
    issued_at: datetime | None = None
    cancelled_at: datetime | None = None
    version: int = 1

    def __post_init__(self) -> None:
        note(self.note, field="note")

    @property
    def outstanding(self) -> Decimal:
        """What is still to be paid; 0 for a draft's or a cancelled invoice's sake of a debt that never was."""
        if self.status in (InvoiceStatus.DRAFT, InvoiceStatus.CANCELLED):
            return self.currency.zero()
        return self.totals.total - self.paid - self.credited

    def tax_summary(self) -> list[TaxLine]:
        """The lines' tax by rate, highest rate first."""
        return summarise_tax(self.lines)

    def quantities(self) -> dict[ProductId, Decimal]:
        """How much of each product, lines of the same product taken together."""
        sums: dict[ProductId, Decimal] = {}
        for line in self.lines:
            sums[line.product_id] = sums.get(line.product_id, ZERO) + line.quantity
        return sums

    def becoming(self, status: InvoiceStatus) -> Invoice:
        """The same invoice in its next status. Raises InvalidTransition if the life cycle does not list it."""
        self._may_become(status)
        return replace(self, status=status)

    def _may_become(self, status: InvoiceStatus) -> None:
        if status not in TRANSITIONS[self.status]:
            raise InvalidTransition(
                f"An invoice that is {self.status.value} cannot become {status.value}.",
                current=self.status.value,
                asked=status.value,
            )

    def issued(
        self,
        *,
        number: int,
        at: datetime,
        business_date: date,
        paid: Decimal,
        rounding: Totals,
        shift_id: ShiftId | None = None,
    ) -> Invoice:
        """The draft as issued, paid or on credit. ``rounding`` are the totals with or without cash rounding.

        Raises InvalidTransition unless it is a draft, InvalidValue for a debt that is nobody's.
        """
        settled = paid == rounding.total
        status = InvoiceStatus.PAID if settled else InvoiceStatus.UNPAID
        self._may_become(status)
        if not settled and self.customer_id is None:
            raise InvalidValue("A sale on credit needs a customer.", field="customer_id")
        return replace(
            self,
            status=status,
            number=number,
            issued_at=at,
            business_date=business_date,
            paid=paid,
            totals=rounding,
            shift_id=shift_id,
        )

    def settled_by(self, amount: Decimal) -> Invoice:
        """After a payment of ``amount`` for it. Raises InvalidTransition if nothing is owed."""
        if self.status is not InvoiceStatus.UNPAID:
            self.becoming(InvoiceStatus.PAID)
        after = replace(self, paid=self.paid + amount)
        return after.becoming(InvoiceStatus.PAID) if after.outstanding == 0 else after

    def credited_by(self, amount: Decimal, *, refunded: Decimal) -> Invoice:
        """After a credit note of ``amount``, of which ``refunded`` went back to the customer and lowered no debt.

        Raises InvalidTransition unless it was issued.
        """
        if self.status not in (InvoiceStatus.UNPAID, InvoiceStatus.PAID):
            raise InvalidTransition(
                "Only an issued invoice can be credited. Change a draft, or cancel it.", current=self.status.value
            )
        after = replace(self, credited=self.credited + amount, paid=self.paid - refunded)
        settled = self.status is InvoiceStatus.UNPAID and after.outstanding == 0
        return after.becoming(InvoiceStatus.PAID) if settled else after

    def cancelled(self, at: datetime) -> Invoice:
        """The draft as given up. Raises InvalidTransition unless it is a draft."""
        return replace(self.becoming(InvoiceStatus.CANCELLED), cancelled_at=at)


def summarise_tax(lines: Sequence[InvoiceLine]) -> list[TaxLine]:
    """Net, tax and total by rate, highest rate first."""
    return summarise_parts((line.tax_rate, line.amounts.net, line.amounts.tax) for line in lines)


def summarise_parts(parts: Iterable[tuple[Decimal, Decimal, Decimal]]) -> list[TaxLine]:
    """The same of (rate, net, tax)."""
    sums: dict[Decimal, tuple[Decimal, Decimal]] = {}
    for rate, part_net, part_tax in parts:
        net, tax = sums.get(rate, (ZERO, ZERO))
        sums[rate] = (net + part_net, tax + part_tax)
    return [
        TaxLine(rate=rate, net=net, tax=tax, total=net + tax) for rate, (net, tax) in sorted(sums.items(), reverse=True)
    ]


def priced_lines(
    drafts: Sequence[LineDraft], *, discount: Discount | None, prices_include_tax: bool, currency: Currency
) -> tuple[InvoiceLine, ...]:
    """The drafts as lines with their amounts. Raises InvalidValue without lines, LimitExceeded with too many."""
    if not drafts:
        raise InvalidValue("Give at least one line.", field="lines")
    if len(drafts) > MAX_LINES:
        raise LimitExceeded(f"An invoice has at most {MAX_LINES} lines.", field="lines", limit=MAX_LINES)
    to_price = [
        ToPrice(quantity=d.quantity, unit_price=d.unit_price, tax_rate=d.tax_rate, discount=d.discount) for d in drafts
    ]
    amounts = price_lines(to_price, discount=discount, prices_include_tax=prices_include_tax, currency=currency)
    return tuple(
        InvoiceLine(
            line_no=i,
            product_id=d.product_id,
            sku=d.sku,
            name=d.name,
            unit_price=d.unit_price,
            quantity=d.quantity,
            tax_rate=d.tax_rate,
            cost_price=d.cost_price,
            amounts=priced,
        )
        for i, (d, priced) in enumerate(zip(drafts, amounts, strict=True), start=1)
    )


def totals_of(lines: Sequence[InvoiceLine], currency: Currency, *, cash_rounding: Decimal = ZERO) -> Totals:
    """The sums of an invoice's lines."""
    return totals([line.amounts for line in lines], currency, cash_rounding=cash_rounding)
