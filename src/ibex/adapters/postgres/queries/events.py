"""The feed of events: by the primary key, in the order in which a store's postings were committed."""

from __future__ import annotations

from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.domain.events.queries import EventRow, Feed
from ibex.domain.shared.ids import StoreId

WINDOW: Final = 5000
"""How many events one request looks at, whatever it finds among them: so its cost has a bound that no filter moves."""

# The counter and the events are of one snapshot, and a posting commits both: what is up to the counter is there.
FEED: Final = """
WITH bounds AS (
  SELECT c.store_id, c.event_seq AS last_seq, least(c.event_seq, $2::bigint + $5::bigint) AS upto
  FROM ibex.store_counters c WHERE c.store_id = $1
)
SELECT b.last_seq, b.upto, e.seq, e.id, e.type, e.recorded_at, e.data::text AS data
FROM bounds b
LEFT JOIN LATERAL (
  SELECT * FROM ibex.events e
  WHERE e.store_id = b.store_id AND e.seq > $2 AND e.seq <= b.upto AND ibex.event_matches($3::text[], e.type)
  ORDER BY e.seq LIMIT $4 + 1
) e ON true
ORDER BY e.seq
"""


class PostgresEventQueries:
    """Implements EventQueries. One round trip."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def feed(self, store_id: StoreId, *, after: int, types: tuple[str, ...] | None, limit: int) -> Feed:
        """See the port."""
        found = await self._database.read(FEED, store_id, after, types, limit, WINDOW)
        if not found:
            return Feed(rows=(), last_seq=after, more=False)
        rows = [
            EventRow(seq=r["seq"], id=r["id"], type=r["type"], recorded_at=r["recorded_at"], data=r["data"])
            for r in found
            if r["seq"] is not None
        ]
        if len(rows) > limit:
            return Feed(rows=rows[:limit], last_seq=rows[limit - 1].seq, more=True)
        upto = max(found[0]["upto"], after)
        return Feed(rows=rows, last_seq=upto, more=upto < found[0]["last_seq"])
