"""Lists of invoices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from ibex.domain.sales.credit_notes import IssuedCreditNote
from ibex.domain.sales.model import InvoiceStatus
from ibex.domain.sales.requests import SettledInvoice
from ibex.domain.shared.ids import CreditNoteId, CustomerId, InvoiceId, OperatorId, StoreId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFilter:
    """Which invoices; dates are days of trade, both included."""

    status: InvoiceStatus | None = None
    customer_id: CustomerId | None = None
    number: int | None = None
    date_from: date | None = None
    date_to: date | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRow:
    """An invoice without its lines. Amounts in the store's currency."""

    id: InvoiceId
    number: int | None
    status: str
    customer_id: CustomerId | None
    operator_id: OperatorId
    currency: str
    line_count: int
    net_total: Decimal
    tax_total: Decimal
    total: Decimal
    paid: Decimal
    credited: Decimal
    oversold: bool
    due_date: date | None
    business_date: date
    occurred_at: datetime
    created_at: datetime
    issued_at: datetime | None
    version: int


class InvoiceQueries(Protocol):
    """Reads lists of invoices."""

    async def list(self, store_id: StoreId, where: InvoiceFilter, page: PageRequest) -> Page[InvoiceRow]:
        """Invoices by the time they were created, newest first unless asked otherwise."""
        ...

    async def document(self, store_id: StoreId, invoice_id: InvoiceId) -> SettledInvoice | None:
        """The invoice with its lines and payments, or None if the store has none of that id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteFilter:
    """Which credit notes; dates are days of trade, both included."""

    invoice_id: InvoiceId | None = None
    customer_id: CustomerId | None = None
    number: int | None = None
    date_from: date | None = None
    date_to: date | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditNoteRow:
    """A credit note without its lines. Amounts in the store's currency."""

    id: CreditNoteId
    number: int
    invoice_id: InvoiceId | None
    customer_id: CustomerId | None
    operator_id: OperatorId
    currency: str
    reason: str
    line_count: int
    net_total: Decimal
    tax_total: Decimal
    total: Decimal
    refunded: Decimal
    business_date: date
    issued_at: datetime


class CreditNoteQueries(Protocol):
    """Reads credit notes."""

    async def list(self, store_id: StoreId, where: CreditNoteFilter, page: PageRequest) -> Page[CreditNoteRow]:
        """Credit notes by number, newest first unless asked otherwise."""
        ...

    async def document(self, store_id: StoreId, credit_note_id: CreditNoteId) -> IssuedCreditNote | None:
        """The credit note with its lines and refunds, or None if the store has none of that id."""
        ...
