"""How much a store uses the service, counted from its books: nothing is metered on the side that could drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, timedelta
from typing import Protocol

from ibex.domain.identity.model import Actor, Permission
from ibex.domain.reporting.model import Period
from ibex.domain.shared.clock import Clock, day_begins, time_zone
from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.ids import StoreId


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageCounts:
    """``active_customers`` are those with an entry in the ledger, ``active_operators`` those who changed anything; in
    a month or in the whole each counts once."""

    invoices: int = 0
    credit_notes: int = 0
    ledger_entries: int = 0
    active_customers: int = 0
    active_operators: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """Each day of the period (those without any use too), each month of which it holds a day, and the whole."""

    period: Period
    days: Sequence[tuple[date, UsageCounts]]
    months: Sequence[tuple[date, UsageCounts]]
    """By the first day of the month; only the days of the period count."""
    total: UsageCounts


class UsageQueries(Protocol):
    """Counts."""

    async def usage(
        self, store_id: StoreId, period: Period, beginnings: Sequence[datetime]
    ) -> Sequence[tuple[str, date | None, UsageCounts]]:
        """``("day", day, counts)``, ``("month", first day, counts)`` and ``("total", None, counts)``, where there is
        anything. ``beginnings`` are the moments at which the days of the period begin, and the one at which it ends.
        """
        ...


class ReadUsage:
    """Counts the use of a store in a period; without one, of this month so far."""

    def __init__(self, queries: UsageQueries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock

    async def __call__(self, actor: Actor, date_from: date | None, date_to: date | None) -> UsageReport:
        """The counts. Raises InvalidValue for a period of more than 366 days, or one that ends before it begins."""
        actor.require(Permission.REPORTS_READ)
        store = actor.store
        if any(day is not None and day.year >= MAXYEAR for day in (date_from, date_to)):
            raise InvalidValue("The day is out of the calendar.", field="to")
        last = date_to or (store.business_date(self._clock.now()) if date_from is None else _month_end(date_from))
        period = Period(date_from or last.replace(day=1), last)
        zone = time_zone(store.time_zone)
        days = [period.first + timedelta(days=n) for n in range((period.last - period.first).days + 1)]
        beginnings = [day_begins(day, zone, store.day_starts_at) for day in (*days, days[-1] + timedelta(days=1))]
        rows = await self._queries.usage(store.id, period, beginnings)
        found = {(kind, start): counts for kind, start, counts in rows}
        months = sorted({day.replace(day=1) for day in days})
        return UsageReport(
            period=period,
            days=[(day, found.get(("day", day), UsageCounts())) for day in days],
            months=[(month, found.get(("month", month), UsageCounts())) for month in months],
            total=found.get(("total", None), UsageCounts()),
        )


def _month_end(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
