"""Lists of receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from ibex.domain.sales.receipts import Receipt
from ibex.domain.sales.tender import PaymentKind
from ibex.domain.shared.ids import CustomerId, OperatorId, ReceiptId, ShiftId, StoreId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFilter:
    """Which receipts; dates are days of trade, both included."""

    kind: PaymentKind | None = None
    customer_id: CustomerId | None = None
    shift_id: ShiftId | None = None
    date_from: date | None = None
    date_to: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    """A receipt without its rows. ``amount`` is all of its money, ``change_due`` what was given back of it."""

    id: ReceiptId
    number: int
    kind: str
    customer_id: CustomerId | None
    operator_id: OperatorId
    shift_id: ShiftId | None
    methods: Sequence[str]
    amount: Decimal
    change_due: Decimal
    business_date: date
    occurred_at: datetime


class ReceiptQueries(Protocol):
    """Reads receipts, those of sales and refunds included."""

    async def list(self, store_id: StoreId, where: ReceiptFilter, page: PageRequest) -> Page[ReceiptRow]:
        """Receipts by number, newest first."""
        ...

    async def receipt(self, store_id: StoreId, receipt_id: ReceiptId) -> Receipt | None:
        """The receipt with its payments, and its invoices as they are now; None if the store has none of that id."""
        ...
