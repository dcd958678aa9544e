"""Keeping the sums by day up with the books, aside of whoever reads or sells (docs/decisions/0011).

A report is right however far the sums are behind; it is only quicker when they are not.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import asyncpg
import structlog

from ibex.adapters.postgres.database import Database
from ibex.domain.shared.errors import DomainError
from ibex.domain.shared.ids import StoreId

FOLD: Final = "SELECT ibex.fold_sales($1, $2)"
BEHIND: Final = """
SELECT c.store_id FROM ibex.store_counters c LEFT JOIN ibex.report_marks m ON m.store_id = c.store_id
WHERE c.ledger_seq - coalesce(m.ledger_seq, 0) > $1 ORDER BY c.ledger_seq - coalesce(m.ledger_seq, 0) DESC LIMIT $2
"""
ENTRIES_AT_ONCE: Final = 20_000
"""Entries that one transaction adds to the sums: some tenths of a second of work."""
REST_SECONDS: Final = 10.0
"""How long a store's sums are left alone after they were brought up."""
MAX_STORES: Final = 10_000
_BREATH_SECONDS: Final = 0.05

log = structlog.get_logger("ibex.reports")


class ReportSums:
    """Adds what is new to the sums. One task a process and store at most; the database lets only one go on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[StoreId, asyncio.Task[None]] = {}
        self._rested: dict[StoreId, float] = {}

    async def fold(self, store_id: StoreId, most: int = ENTRIES_AT_ONCE) -> int:
        """Adds up to ``most`` entries, and tells how many are left; -1 where somebody else is at it."""
        rows = await self._database.write(FOLD, store_id, most, repeatable=False)
        left: int = rows[0][0]
        return left

    async def behind(self, entries: int = 1000, stores: int = 100) -> list[StoreId]:
        """Stores whose sums are more than ``entries`` behind, the worst first."""
        return [StoreId(row["store_id"]) for row in await self._database.read(BEHIND, entries, stores)]

    def nudge(self, store_id: StoreId) -> None:
        """Somebody read a report of the store: bring its sums up in the background, unless that was just done."""
        if store_id in self._tasks or time.monotonic() < self._rested.get(store_id, 0.0):
            return
        if len(self._rested) > MAX_STORES:
            self._rested.clear()
        self._rested[store_id] = time.monotonic() + REST_SECONDS
        task = asyncio.create_task(self._bring_up(store_id))
        self._tasks[store_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(store_id, None))

    async def settled(self) -> None:
        """Waits for what is under way."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _bring_up(self, store_id: StoreId) -> None:
        try:
            left = await self.fold(store_id)
            while left > 0:
                await asyncio.sleep(_BREATH_SECONDS)
                left = await self.fold(store_id)
        except (DomainError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            log.warning("sums_not_brought_up", store_id=str(store_id), error=type(error).__name__)
