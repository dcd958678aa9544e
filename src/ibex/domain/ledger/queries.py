"""Reading the ledger: entries, and a customer's statement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from ibex.domain.ledger.model import EntryType
from ibex.domain.shared.ids import CreditNoteId, CustomerId, InvoiceId, OperatorId, PaymentId, StoreId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFilter:
    """Which entries; dates are days of trade, both included."""

    date_from: date | None = None
    date_to: date | None = None
    type: EntryType | None = None
    customer_id: CustomerId | None = None

    @property
    def by_day(self) -> bool:
        """Whether the order is that of the days of trade and then of the entries' numbers, else of these alone.

        Each way has an index that yields its order, so that a page costs the same however long the ledger is.
        """
        return self.date_from is not None or self.date_to is not None or self.customer_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """An entry as it was recorded. ``customer_balance`` is what the customer owed after it, as recorded."""

    seq: int
    id: UUID
    type: str
    debit: Decimal
    credit: Decimal
    currency: str
    customer_id: CustomerId | None
    customer_balance: Decimal | None
    document_number: int | None
    invoice_id: InvoiceId | None
    credit_note_id: CreditNoteId | None
    payment_id: PaymentId | None
    operator_id: OperatorId
    note: str
    business_date: date
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """An entry of a statement, and what was owed after it."""

    seq: int
    type: str
    document_number: int | None
    debit: Decimal
    credit: Decimal
    balance: Decimal
    invoice_id: InvoiceId | None
    credit_note_id: CreditNoteId | None
    payment_id: PaymentId | None
    note: str
    business_date: date
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A customer's account in a period: ``opening_balance`` + ``debits`` - ``credits`` = ``closing_balance``."""

    customer_id: CustomerId
    customer_name: str
    customer_phone: str | None
    customer_address: str | None
    date_from: date | None
    date_to: date | None
    opening_balance: Decimal
    debits: Decimal
    credits: Decimal
    closing_balance: Decimal
    lines: Sequence[StatementLine]
    next_after: tuple[str, ...] | None


class LedgerQueries(Protocol):
    """Reads the ledger."""

    async def list(self, store_id: StoreId, where: LedgerFilter, page: PageRequest) -> Page[EntryRow]:
        """Entries in the order of their sequence, or of their day of trade where a date is given."""
        ...

    def stream(self, store_id: StoreId, where: LedgerFilter) -> AsyncIterator[Sequence[EntryRow]]:
        """All the entries, in portions, in constant memory."""
        ...

    def stream_csv(self, store_id: StoreId, where: LedgerFilter, *, decimals: int) -> AsyncIterator[bytes]:
        """The same as lines of CSV (RFC 4180), the fields of EntryRow in their order and without a header.

        Amounts have so many ``decimals``, times are in UTC, and a note that a spreadsheet would take for a formula has
        an apostrophe before it. Made by the database, so that a million entries cost this process little.
        """
        ...

    async def statement(
        self,
        store_id: StoreId,
        customer_id: CustomerId,
        *,
        date_from: date | None,
        date_to: date | None,
        page: PageRequest,
    ) -> Statement:
        """The customer's statement by day of trade. Raises NotFound."""
        ...

    async def whole_statement(
        self,
        store_id: StoreId,
        customer_id: CustomerId,
        *,
        date_from: date | None,
        date_to: date | None,
        limit: int,
    ) -> Statement:
        """The same with all its lines. Raises NotFound; LimitExceeded if they are more than ``limit``."""
        ...
