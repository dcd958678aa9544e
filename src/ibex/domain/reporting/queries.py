"""Reading reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from ibex.domain.reporting.model import (
    GroupBy,
    MarginRow,
    MarginsBy,
    MoneyRow,
    Period,
    Receivables,
    Report,
    SalesRow,
    SlowRow,
    TaxRow,
    TopBy,
    ValuationRow,
)
from ibex.domain.shared.ids import StoreId


class ReportQueries(Protocol):
    """Reads reports, each from one moment: rows, totals and the ledger agree."""

    async def sales(self, store_id: StoreId, period: Period, by: GroupBy) -> Report[SalesRow]:
        """Sales and returns, by anything but the method of payment."""
        ...

    async def money(self, store_id: StoreId, period: Period) -> Report[MoneyRow]:
        """Money in and out by method of payment."""
        ...

    async def tax(self, store_id: StoreId, period: Period) -> tuple[Report[TaxRow], SalesRow]:
        """Tax by rate, highest first, and the period's sales as a whole (for their cash rounding)."""
        ...

    async def margins(self, store_id: StoreId, period: Period, by: MarginsBy) -> Report[MarginRow]:
        """What was earned."""
        ...

    async def top(self, store_id: StoreId, period: Period, by: TopBy, limit: int) -> Report[MarginRow]:
        """The products that did best, the best first; totals are those of all products."""
        ...

    async def slow(self, store_id: StoreId, period: Period, limit: int, *, exponent: int) -> Sequence[SlowRow]:
        """Products in stock that sold least, the least first; values are rounded to ``exponent`` decimals."""
        ...

    async def valuation(self, store_id: StoreId, *, exponent: int) -> Report[ValuationRow]:
        """What the stock is worth now, by category, each product rounded to ``exponent`` decimals."""
        ...

    async def receivables(self, store_id: StoreId, today: date, limit: int) -> Receivables:
        """What customers owe now, with the ``limit`` who owe most; overdue: due before ``today``."""
        ...
