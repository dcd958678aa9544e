"""What callers ask of the till, as the core understands it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ibex.domain.catalog.model import ProductRef
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.tender import Payment, Tender
from ibex.domain.shared.change import UNSET, Unset
from ibex.domain.shared.ids import CustomerId, InvoiceId, ShiftId
from ibex.domain.shared.journal import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRequest:
    """One line as asked for. ``unit_price`` goes around the catalogue's price and needs ``sales:override``."""

    product: ProductRef
    quantity: Decimal
    unit_price: Decimal | None = None
    discount: Discount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleRequest:
    """A sale in one step. What the tenders leave unpaid is owed by the customer if ``on_credit``."""

    lines: Sequence[LineRequest]
    tenders: Sequence[Tender]
    on_credit: bool
    id: InvoiceId | None = None
    customer_id: CustomerId | None = None
    discount: Discount | None = None
    note: str = ""
    due_date: date | None = None
    shift_id: ShiftId | None = None
    override_reason: str = ""
    """Why a manager lets the customer owe more than the credit limit."""
    occurred_at: datetime | None = None
    """When it happened, for a till that was offline; None: now."""
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """A draft: an invoice without number, stock or money yet."""

    lines: Sequence[LineRequest]
    id: InvoiceId | None = None
    customer_id: CustomerId | None = None
    discount: Discount | None = None
    note: str = ""
    due_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftChange:
    """What to change of a draft; UNSET leaves a field as it is."""

    lines: Sequence[LineRequest] | Unset = UNSET
    customer_id: CustomerId | Unset | None = UNSET
    discount: Discount | Unset | None = UNSET
    note: str | Unset = UNSET
    due_date: date | Unset | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRequest:
    """How a draft is issued: paid by the tenders, or (what they leave) on credit."""

    tenders: Sequence[Tender]
    on_credit: bool
    shift_id: ShiftId | None = None
    override_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledInvoice:
    """An invoice and the payments that a step made for it."""

    invoice: Invoice
    payments: Sequence[Payment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A sale ready to post."""

    changes: Changes
    result: SettledInvoice
