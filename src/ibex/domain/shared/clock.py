"""Time, as a port, and the shop's own calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ibex.domain.shared.errors import InvalidValue


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC, at microseconds."""
        ...


def time_zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name. Raises InvalidValue if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue("Give an IANA time zone such as Europe/Rome.", field="time_zone") from None


def business_date(moment: datetime, zone: ZoneInfo, day_starts_at: time) -> date:
    """The day of trade that ``moment`` belongs to: the store's local day, which begins at ``day_starts_at``.

    A bar that closes its day at 04:00 counts a sale at 02:30 to the day before.
    """
    local = moment.astimezone(zone)
    day = local.date()
    # By the moment, not by the clock on the wall: that shows some hours twice a year, and a day begins once.
    begun = day_starts_at == time(0) or moment >= day_begins(day, zone, day_starts_at)
    return day if begun else day - timedelta(days=1)


def day_begins(day: date, zone: ZoneInfo, day_starts_at: time) -> datetime:
    """The moment, in UTC, at which the day of trade begins: the first time that the local clock shows it, or, in a
    night that skips it, as long after midnight as it would have been.

    Raises InvalidValue for a day out of the calendar.
    """
    try:
        return datetime.combine(day, day_starts_at, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        raise InvalidValue("The day is out of the calendar.", field="date") from None
