"""The ledger: what customers owe and have paid, entry by entry, never changed afterwards.

A debit adds to what is owed to the store, a credit takes from it. A sale paid at once is a debit and a credit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.ids import CreditNoteId, CustomerId, InvoiceId, PaymentId
from ibex.domain.shared.money import ZERO, Currency


class EntryType(StrEnum):
    """What an entry stands for. SALE and REFUND are debits, RECEIPT and CREDIT_NOTE credits, OPENING either."""

    SALE = "SALE"
    RECEIPT = "RECEIPT"
    CREDIT_NOTE = "CREDIT_NOTE"
    REFUND = "REFUND"
    OPENING = "OPENING"


DEBITS = frozenset({EntryType.SALE, EntryType.REFUND})
CREDITS = frozenset({EntryType.RECEIPT, EntryType.CREDIT_NOTE})


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One entry. Its sequence, and the customer's running balance, are put in by the journal."""

    id: UUID
    type: EntryType
    currency: Currency
    business_date: date
    occurred_at: datetime
    debit: Decimal = ZERO
    credit: Decimal = ZERO
    customer_id: CustomerId | None = None
    document_number: int | None = None
    invoice_id: InvoiceId | None = None
    credit_note_id: CreditNoteId | None = None
    payment_id: PaymentId | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.debit < 0 or self.credit < 0 or (self.debit > 0 and self.credit > 0):
            raise InvalidValue("An entry has one side, and no negative amount.", field="amount")
        if (self.type in DEBITS and self.credit > 0) or (self.type in CREDITS and self.debit > 0):
            raise InvalidValue(f"A {self.type.value} entry stands on the other side.", field="type")
