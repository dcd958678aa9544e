"""Usage: which days are asked for, and what is shown of days without any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import pytest

from ibex.domain.identity.model import Role
from ibex.domain.reporting.model import Period
from ibex.domain.reporting.usage import ReadUsage, UsageCounts
from ibex.domain.shared.errors import InvalidValue, PermissionRefused
from ibex.domain.shared.ids import StoreId
from tests.fakes.people import make_actor
from tests.fakes.system import FakeClock


class FakeUsage:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: tuple[Period, Sequence[datetime]] | None = None
        self.rows: list[tuple[str, date | None, UsageCounts]] = []

    async def usage(
        self, store_id: StoreId, period: Period, beginnings: Sequence[datetime]
    ) -> Sequence[tuple[str, date | None, UsageCounts]]:
        """See the port."""
        del store_id
        self.asked = (period, beginnings)
        return self.rows


async def test_every_day_and_month_of_the_period_is_listed() -> None:
    queries = FakeUsage()
    queries.rows = [
        ("day", date(2026, 1, 31), UsageCounts(invoices=2)),
        ("month", date(2026, 1, 1), UsageCounts(invoices=2)),
        ("total", None, UsageCounts(invoices=2, active_customers=1)),
    ]
    report = await ReadUsage(queries, FakeClock())(make_actor(), date(2026, 1, 30), date(2026, 2, 1))
    assert [(day.day, counts.invoices) for day, counts in report.days] == [(30, 0), (31, 2), (1, 0)]
    assert [(month.month, counts.invoices) for month, counts in report.months] == [(1, 2), (2, 0)]
    assert report.total == UsageCounts(invoices=2, active_customers=1)


async def test_without_a_period_it_is_this_month_so_far_in_the_stores_days() -> None:
    queries = FakeUsage()
    # 03:00 on 1 March in Rome: the day of trade that begins at 04:00 is still 28 February.
    clock = FakeClock(datetime(2026, 3, 1, 2, 0, tzinfo=UTC))
    await ReadUsage(queries, clock)(make_actor(day_starts_at=time(4, 0)), None, None)
    assert queries.asked is not None
    assert queries.asked[0] == Period(date(2026, 2, 1), date(2026, 2, 28))
    await ReadUsage(queries, clock)(make_actor(), date(2026, 4, 10), None)
    assert queries.asked[0] == Period(date(2026, 4, 10), date(2026, 4, 30))
    await ReadUsage(queries, clock)(make_actor(), None, date(2026, 4, 10))
    assert queries.asked[0] == Period(date(2026, 4, 1), date(2026, 4, 10))


async def test_days_begin_where_the_stores_clock_says_when_clocks_are_changed_too() -> None:
    queries = FakeUsage()
    await ReadUsage(queries, FakeClock())(make_actor(), date(2026, 3, 28), date(2026, 3, 30))
    assert queries.asked is not None
    lengths = [(b - a).total_seconds() / 3600 for a, b in zip(queries.asked[1], queries.asked[1][1:], strict=False)]
    assert lengths == [24, 23, 24]


@pytest.mark.parametrize(("first", "last"), [("2026-02-02", "2026-02-01"), ("2025-01-01", "2026-01-02")])
async def test_periods_that_are_refused(first: str, last: str) -> None:
    with pytest.raises(InvalidValue):
        await ReadUsage(FakeUsage(), FakeClock())(make_actor(), date.fromisoformat(first), date.fromisoformat(last))


async def test_a_cashier_is_not_told() -> None:
    with pytest.raises(PermissionRefused):
        await ReadUsage(FakeUsage(), FakeClock())(make_actor(Role.CASHIER), None, None)
