"""What /metrics tells of the database, without waking one that sleeps."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from ibex.adapters.postgres.call import begin_call
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.deliveries import PostgresDeliveryQueue
from ibex.adapters.postgres.pool import PoolFigures
from ibex.adapters.postgres.readiness import DatabaseReadiness
from ibex.domain.events.ports import Lag
from ibex.domain.shared.errors import TemporarilyUnavailable

ASK_SECONDS: Final = 2.0
KEPT_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The pool now; schema and outbox as they were when they were last looked at."""

    pool: PoolFigures
    schema_state: str
    """As `ibex migrate status` calls it; ``unknown`` until the schema was looked at."""
    outbox: Lag | None
    outbox_age_seconds: float
    """How old the figures of the outbox are; 0 where there are none."""


class DatabaseFigures:
    """The database is only asked when requests have used it since it was last asked: a scraper that comes every few
    seconds would else keep it from ever being suspended."""

    def __init__(self, database: Database, readiness: DatabaseReadiness, queue: PostgresDeliveryQueue) -> None:
        self._database = database
        self._readiness = readiness
        self._queue = queue
        self._outbox: Lag | None = None
        self._asked_at = float("-inf")
        self._released_before = 0

    async def read(self) -> Figures:
        """The figures. It takes ASK_SECONDS at most, and never raises for a database that is away."""
        pool = self._database.pool
        used = pool.released_total > self._released_before
        if used and pool.figures.free > 0 and time.monotonic() - self._asked_at > KEPT_SECONDS:
            await self._ask()
        age = 0.0 if self._outbox is None else time.monotonic() - self._asked_at
        return Figures(
            pool=pool.figures,
            schema_state=self._readiness.schema_state,
            outbox=self._outbox,
            outbox_age_seconds=age,
        )

    async def _ask(self) -> None:
        begin_call(time.monotonic() + ASK_SECONDS)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                if self._readiness.schema_state == "unknown":
                    await self._readiness.obstacle()
                self._outbox = await self._queue.lag()
                self._asked_at = time.monotonic()
        except (TemporarilyUnavailable, TimeoutError):
            pass
        # Its own questions are no use of the database.
        self._released_before = self._database.pool.released_total
