"""Time and ids that a test can foresee."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from ibex.domain.identity.opening import Secret
from ibex.domain.identity.secrets import compose_secret, hash_secret, shown_part

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_FIRST_PLACEHOLDER = 10**18


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now

    def now(self) -> datetime:
        """The moment that it stands at."""
        return self.time

    def advance(self, **delta: float) -> datetime:
        """Goes on by ``timedelta(**delta)`` and tells the time."""
        self.time += timedelta(**delta)
        return self.time


class FakeIds:
    """Ids and placeholders that count up, so that they rise as real ones do."""

    def __init__(self) -> None:
        self._ids = 0
        self._placeholders = 0

    def new(self) -> UUID:
        """The next id, a UUID of version 7 by its bits."""
        self._ids += 1
        return UUID(int=(0x019C << 112) | (7 << 76) | (2 << 62) | self._ids)

    def placeholder(self) -> int:
        """The next placeholder."""
        self._placeholders += 1
        return _FIRST_PLACEHOLDER + self._placeholders


class FakeSecrets:
    """Well-formed tokens without chance."""

    def __init__(self) -> None:
        self._made = 0

    def new_token(self) -> Secret:
        """The next one."""
        self._made += 1
        text = compose_secret(self._made.to_bytes(32, "big"))
        return Secret(text=text, hash=hash_secret(text), prefix=shown_part(text))
