"""The shop's own day: its time zone, the hour at which it begins, and the nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ibex.domain.shared.clock import business_date

ROME, NEW_YORK, SANTIAGO = ZoneInfo("Europe/Rome"), ZoneInfo("America/New_York"), ZoneInfo("America/Santiago")


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "zone", "starts", "day"),
    [
        # A bar in Rome (UTC+1 in winter) that closes its day at 04:00.
        ("2026-01-10T01:30", ROME, "04:00", "2026-01-09"),  # 02:30
        ("2026-01-10T02:59:59.999999", ROME, "04:00", "2026-01-09"),
        ("2026-01-10T03:00", ROME, "04:00", "2026-01-10"),
        ("2026-01-01T01:30", ROME, "04:00", "2025-12-31"),
        # Midnight is where it was told to be.
        ("2026-01-09T22:59", ROME, "00:00", "2026-01-09"),
        ("2026-01-09T23:00", ROME, "00:00", "2026-01-10"),
        # New York is a day behind UTC in the evening.
        ("2026-07-05T03:30", NEW_YORK, "00:00", "2026-07-04"),
        # 2026-03-29: Rome's clocks go from 02:00 to 03:00. What would have been 02:30 is 03:30.
        ("2026-03-29T01:29", ROME, "02:30", "2026-03-28"),
        ("2026-03-29T01:30", ROME, "02:30", "2026-03-29"),
        # 2026-10-25: from 03:00 back to 02:00. The day begins at the first 02:30 and does not end again at 02:00.
        ("2026-10-25T00:29", ROME, "02:30", "2026-10-24"),
        ("2026-10-25T00:30", ROME, "02:30", "2026-10-25"),
        ("2026-10-25T01:10", ROME, "02:30", "2026-10-25"),  # the second 02:10
        ("2026-10-25T01:45", ROME, "02:30", "2026-10-25"),
        # A sale at the second 02:30 of a bar that closes at 04:00 is still the day before's.
        ("2026-10-25T01:30", ROME, "04:00", "2026-10-24"),
    ],
)
def test_a_sale_counts_to_its_day(moment: str, zone: ZoneInfo, starts: str, day: str) -> None:
    assert business_date(at(moment), zone, time.fromisoformat(starts)) == date.fromisoformat(day)


@pytest.mark.parametrize("zone", [ROME, NEW_YORK, SANTIAGO])
@pytest.mark.parametrize("starts", [time(0, 0), time(2, 30), time(4, 0), time(23, 30)])
def test_days_follow_one_another_all_year(zone: ZoneInfo, starts: time) -> None:
    """Every ten minutes of a year: a day never goes back, and none is left out."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    before = business_date(moment, zone, starts)
    for _ in range(366 * 144):
        moment += timedelta(minutes=10)
        now = business_date(moment, zone, starts)
        assert now - before in (timedelta(0), timedelta(days=1)), moment
        before = now
