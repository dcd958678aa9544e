"""Reports on PostgreSQL: one statement each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.queries.report_statements import (
    MARGINS,
    MONEY,
    RECEIVABLES,
    SALES,
    SLOW,
    TAX,
    TOP,
    VALUATION,
)
from ibex.adapters.postgres.report_sums import ReportSums
from ibex.domain.reporting.model import (
    MAX_ROWS,
    DebtorRow,
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
from ibex.domain.shared.money import ZERO

_WHOLE_AND_MORE = 2
"""Rows that are read besides those told: the whole, and one that tells whether there are more."""


class PostgresReportQueries:
    """Implements ReportQueries."""

    def __init__(self, database: Database, sums: ReportSums) -> None:
        self._database = database
        self._sums = sums

    async def sales(self, store_id: StoreId, period: Period, by: GroupBy) -> Report[SalesRow]:
        """See the port."""
        whole, rows = _split(await self._read(SALES[by.value], store_id, period, MAX_ROWS + _WHOLE_AND_MORE))
        return _report([SalesRow(**row) for row in rows], SalesRow(**whole), MAX_ROWS)

    async def money(self, store_id: StoreId, period: Period) -> Report[MoneyRow]:
        """See the port."""
        whole, rows = _split(await self._read(MONEY, store_id, period))
        return Report(rows=[MoneyRow(**row) for row in rows], totals=MoneyRow(**whole))

    async def tax(self, store_id: StoreId, period: Period) -> tuple[Report[TaxRow], SalesRow]:
        """See the port."""
        whole, rows = _split(await self._read(TAX, store_id, period))
        rates = [
            TaxRow(
                tax_rate=row["tax_rate"],
                sales_net=row["sales_net"],
                sales_tax=row["net_tax"],
                returns_net=row["returns_net"],
                returns_tax=row["returned_tax"],
            )
            for row in rows
        ]
        totals = TaxRow(
            tax_rate=None,
            sales_net=sum((r.sales_net for r in rates), ZERO),
            sales_tax=sum((r.sales_tax for r in rates), ZERO),
            returns_net=sum((r.returns_net for r in rates), ZERO),
            returns_tax=sum((r.returns_tax for r in rates), ZERO),
        )
        sums = {name: value for name, value in whole.items() if name in SalesRow.__dataclass_fields__}
        sales = SalesRow(key=None, label="", **sums)
        return Report(rows=rates, totals=totals), sales

    async def margins(self, store_id: StoreId, period: Period, by: MarginsBy) -> Report[MarginRow]:
        """See the port."""
        return await self._margins(MARGINS[by.value], store_id, period, MAX_ROWS)

    async def top(self, store_id: StoreId, period: Period, by: TopBy, limit: int) -> Report[MarginRow]:
        """See the port."""
        return await self._margins(TOP[by.value], store_id, period, limit)

    async def slow(self, store_id: StoreId, period: Period, limit: int, *, exponent: int) -> Sequence[SlowRow]:
        """See the port."""
        rows = await self._read(SLOW, store_id, period, limit, exponent)
        return [SlowRow(**dict(row)) for row in rows]

    async def valuation(self, store_id: StoreId, *, exponent: int) -> Report[ValuationRow]:
        """See the port."""
        whole, rows = _split(await self._database.read(VALUATION, store_id, exponent))
        return Report(rows=[ValuationRow(**row) for row in rows], totals=ValuationRow(**whole))

    async def receivables(self, store_id: StoreId, today: date, limit: int) -> Receivables:
        """See the port."""
        rows = await self._database.read(RECEIVABLES, store_id, today, limit)
        first = rows[0]
        debtors = [
            DebtorRow(
                customer_id=row["customer_id"], name=row["name"], balance=row["balance"], account_credit=row["credit"]
            )
            for row in rows
            if row["customer_id"] is not None
        ]
        names = [name for name in Receivables.__dataclass_fields__ if name != "debtors"]
        return Receivables(debtors=debtors, **{name: first[name] for name in names})

    async def _margins(self, statement: str, store_id: StoreId, period: Period, limit: int) -> Report[MarginRow]:
        whole, rows = _split(await self._read(statement, store_id, period, limit + 1))
        return _report([MarginRow(**row) for row in rows], MarginRow(**whole), limit)

    async def _read(self, statement: str, store_id: StoreId, period: Period, *more: int) -> list[Record]:
        rows = await self._database.read(statement, store_id, period.first, period.last, *more)
        self._sums.nudge(store_id)
        return rows


def _report(rows: Sequence[Any], totals: Any, limit: int) -> Report[Any]:
    return Report(rows=rows[:limit], totals=totals, truncated=len(rows) > limit)


def _split(rows: Sequence[Record]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The row that stands for the whole, and the others in their order."""
    whole: dict[str, Any] = {}
    others: list[dict[str, Any]] = []
    for row in rows:
        values = dict(row)
        if values.pop("whole"):
            whole = values
        else:
            others.append(values)
    return whole, others
