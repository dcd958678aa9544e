"""What is tidied up behind the shops' backs: expired idempotency keys, sums of reports that are behind, and which audit
trails wait for their seal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.report_sums import ReportSums
from ibex.domain.shared.ids import StoreId

# A key counts for 24 hours; the hour more covers clocks that differ.
PURGE_KEYS: Final = """
DELETE FROM ibex.idempotency_keys k
USING (SELECT o.store_id, o.key, o.created_at FROM ibex.idempotency_keys o
       WHERE o.created_at < now() - interval '25 hours' ORDER BY o.created_at LIMIT $1 FOR UPDATE SKIP LOCKED) x
WHERE k.store_id = x.store_id AND k.key = x.key AND k.created_at = x.created_at
RETURNING 1
"""
UNSEALED: Final = """
SELECT c.store_id FROM ibex.store_counters c
WHERE c.audit_seq > coalesce((SELECT max(l.seq) FROM ibex.audit_links l WHERE l.store_id = c.store_id), 0)
ORDER BY c.store_id
"""


class PostgresHousekeeping:
    """Small batches, each a statement of its own, so that nobody waits long for any of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sums = ReportSums(database)

    async def purge_idempotency_keys(self, limit: int) -> int:
        """Removes up to ``limit`` keys that no longer count; how many there were."""
        return len(await self._database.write(PURGE_KEYS, limit, repeatable=True))

    async def fold_reports(self, most: int = 500) -> int:
        """Brings up the sums of reports, in up to ``most`` steps; how many it took."""
        steps = 0
        for store_id in await self._sums.behind():
            while steps < most:
                steps += 1
                if await self._sums.fold(store_id) <= 0:
                    break
        return steps

    async def stores_to_seal(self) -> Sequence[StoreId]:
        """The stores whose audit trail has entries without a seal."""
        rows = await self._database.read(UNSEALED)
        return [row["store_id"] for row in rows]
