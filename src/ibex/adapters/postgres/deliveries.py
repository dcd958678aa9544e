"""The queue of deliveries on PostgreSQL, for any number of workers at once.

What is worked on is locked with SKIP LOCKED, so that nobody waits for anybody; what was taken carries a lease, so that
nothing is lost with a worker that dies. Times are the database's, so that clocks of replicas need not agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from ibex.adapters.postgres.database import Database
from ibex.domain.events.ports import AttemptRecord, DueDelivery, Lag
from ibex.domain.events.signing import SigningKey
from ibex.domain.shared.ids import WebhookId

PORTION: Final = 500
"""Events that a webhook moves on by at once."""
WEBHOOKS_AT_ONCE: Final = 50
EACH: Final = 8
"""Deliveries of one webhook that are taken at once, so that one with thousands leaves room for the others."""

# Counter and events are of one snapshot, and a posting commits both, so that nothing up to the counter is missing.
# A progress that somebody else moved meanwhile is looked at again as it is now, because its row is locked.
FAN_OUT: Final = """
WITH behind AS (
  SELECT p.store_id, p.webhook_id, p.fanned_seq, least(c.event_seq, p.fanned_seq + $1) AS upto
  FROM ibex.webhook_progress p JOIN ibex.store_counters c ON c.store_id = p.store_id
  WHERE p.active AND p.fanned_seq < c.event_seq
  LIMIT $2 FOR UPDATE OF p SKIP LOCKED
), added AS (
  INSERT INTO ibex.webhook_deliveries (store_id, webhook_id, event_seq, next_attempt_at)
  SELECT b.store_id, b.webhook_id, e.seq, now()
  FROM behind b
  JOIN ibex.webhooks w ON w.store_id = b.store_id AND w.id = b.webhook_id
  JOIN ibex.events e ON e.store_id = b.store_id AND e.seq > b.fanned_seq AND e.seq <= b.upto
  WHERE ibex.event_matches(w.event_types, e.type)
  ON CONFLICT (store_id, webhook_id, event_seq) DO NOTHING
)
UPDATE ibex.webhook_progress p SET fanned_seq = b.upto
FROM behind b WHERE p.store_id = b.store_id AND p.webhook_id = b.webhook_id
RETURNING p.webhook_id
"""
REPLAY: Final = """
WITH asked AS (
  SELECT r.store_id, r.id, r.webhook_id, r.done_seq, least(r.to_seq, p.fanned_seq) AS goal
  FROM ibex.webhook_replays r
  JOIN ibex.webhook_progress p ON p.store_id = r.store_id AND p.webhook_id = r.webhook_id
  WHERE r.finished_at IS NULL ORDER BY r.created_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED
), portion AS (
  SELECT a.*, least(a.goal, a.done_seq + $1) AS upto FROM asked a
), added AS (
  INSERT INTO ibex.webhook_deliveries AS d (store_id, webhook_id, event_seq, next_attempt_at)
  SELECT q.store_id, q.webhook_id, e.seq, now()
  FROM portion q
  JOIN ibex.webhooks w ON w.store_id = q.store_id AND w.id = q.webhook_id AND w.status <> 'ARCHIVED'
  JOIN ibex.events e ON e.store_id = q.store_id AND e.seq > q.done_seq AND e.seq <= q.upto
  WHERE ibex.event_matches(w.event_types, e.type) OR EXISTS (
    SELECT 1 FROM ibex.webhook_deliveries k
    WHERE k.store_id = q.store_id AND k.webhook_id = q.webhook_id AND k.event_seq = e.seq)
  ON CONFLICT (store_id, webhook_id, event_seq) DO UPDATE
    SET status = 'PENDING', tries = 0, next_attempt_at = now(), lease = NULL, finished_at = NULL
)
UPDATE ibex.webhook_replays r
SET done_seq = greatest(q.upto, q.done_seq), finished_at = CASE WHEN q.upto >= q.goal THEN now() END
FROM portion q WHERE r.store_id = q.store_id AND r.id = q.id
RETURNING r.id
"""
CLAIM: Final = """
WITH due AS (
  SELECT x.store_id, x.webhook_id, x.event_seq
  FROM (SELECT p.store_id, p.webhook_id FROM ibex.webhook_progress p
        WHERE p.active AND p.webhook_id <> ALL ($2::uuid[]) AND p.store_id IS NOT NULL ORDER BY random()) o
  CROSS JOIN LATERAL (
    SELECT d.store_id, d.webhook_id, d.event_seq FROM ibex.webhook_deliveries d
    WHERE d.store_id = o.store_id AND d.webhook_id = o.webhook_id AND d.status = 'PENDING'
      AND d.next_attempt_at <= now()
    ORDER BY d.next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED
  ) x LIMIT $1
)
UPDATE ibex.webhook_deliveries d
SET lease = $4, next_attempt_at = now() + $5::interval, tries = d.tries + 1, attempts = d.attempts + 1
FROM due
JOIN ibex.webhooks w ON w.store_id = due.store_id AND w.id = due.webhook_id
JOIN ibex.events e ON e.store_id = due.store_id AND e.seq = due.event_seq
WHERE d.store_id = due.store_id AND d.webhook_id = due.webhook_id AND d.event_seq = due.event_seq
RETURNING d.store_id, d.webhook_id, d.event_seq, d.lease, d.tries, w.url, e.id AS event_id, e.type AS event_type,
  e.recorded_at, e.data::text AS data,
  ARRAY(SELECT s.secret FROM ibex.webhook_secrets s
        WHERE s.store_id = d.store_id AND s.webhook_id = d.webhook_id
          AND (s.expires_at IS NULL OR s.expires_at > now()) ORDER BY s.created_at, s.id) AS keys
"""
FINISH: Final = """
WITH done AS (
  UPDATE ibex.webhook_deliveries d
  SET status = CASE WHEN $5 THEN 'DELIVERED' WHEN $6::interval IS NULL THEN 'FAILED' ELSE 'PENDING' END,
      next_attempt_at = CASE WHEN NOT $5 THEN now() + $6::interval END,
      finished_at = CASE WHEN $5 OR $6::interval IS NULL THEN now() END,
      lease = NULL, last_status = $7, last_error = $8
  WHERE d.store_id = $1 AND d.webhook_id = $2 AND d.event_seq = $3 AND d.lease = $4
  RETURNING d.store_id, d.webhook_id, d.event_seq, d.attempts
), noted AS (
  INSERT INTO ibex.webhook_attempts (store_id, webhook_id, event_seq, number, started_at, duration_ms, status, error)
  SELECT n.store_id, n.webhook_id, n.event_seq, n.attempts, $9, $10, $7, $8 FROM done n
), marked AS (
  UPDATE ibex.webhooks w SET failing_since = CASE WHEN NOT $5 THEN now() END
  FROM done n WHERE w.store_id = n.store_id AND w.id = n.webhook_id AND $5 = (w.failing_since IS NOT NULL)
)
SELECT CASE WHEN NOT $5 THEN now() - w.failing_since END AS failing_for
FROM ibex.webhooks w WHERE w.store_id = $1 AND w.id = $2
"""
GIVE_BACK: Final = """
UPDATE ibex.webhook_deliveries d
SET lease = NULL, next_attempt_at = now(), tries = d.tries - 1, attempts = d.attempts - 1
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[]) AS x(store_id, webhook_id, event_seq, lease)
WHERE d.store_id = x.store_id AND d.webhook_id = x.webhook_id AND d.event_seq = x.event_seq AND d.lease = x.lease
"""
NEXT: Final = """
SELECT ceil(greatest(extract(epoch FROM min(x.next_attempt_at) - now()), 0))::integer AS seconds
FROM ibex.webhook_progress p
CROSS JOIN LATERAL (
  SELECT d.next_attempt_at FROM ibex.webhook_deliveries d
  WHERE d.store_id = p.store_id AND d.webhook_id = p.webhook_id AND d.status = 'PENDING'
  ORDER BY d.next_attempt_at LIMIT 1
) x WHERE p.active
"""
LAG: Final = """
SELECT
  (SELECT coalesce(sum(c.event_seq - p.fanned_seq), 0)::bigint FROM ibex.webhook_progress p
   JOIN ibex.store_counters c ON c.store_id = p.store_id WHERE p.active AND p.fanned_seq < c.event_seq) AS events,
  count(*) FILTER (WHERE d.next_attempt_at <= now()) AS due,
  count(*) FILTER (WHERE d.next_attempt_at > now()) AS waiting,
  coalesce(greatest(now() - min(d.next_attempt_at), interval '0'), interval '0') AS overdue
FROM ibex.webhook_deliveries d
JOIN ibex.webhook_progress q ON q.store_id = d.store_id AND q.webhook_id = d.webhook_id AND q.active
WHERE d.status = 'PENDING'
"""
CANCEL: Final = """
UPDATE ibex.webhook_deliveries d SET status = 'CANCELLED', next_attempt_at = NULL, lease = NULL, finished_at = now()
FROM (
  SELECT o.store_id, o.webhook_id, o.event_seq FROM ibex.webhooks w
  JOIN ibex.webhook_deliveries o ON o.store_id = w.store_id AND o.webhook_id = w.id AND o.status = 'PENDING'
  WHERE w.status = 'ARCHIVED' LIMIT $1 FOR UPDATE OF o SKIP LOCKED
) x WHERE d.store_id = x.store_id AND d.webhook_id = x.webhook_id AND d.event_seq = x.event_seq
"""
PRUNE: Final = """
WITH old AS (
  SELECT d.store_id, d.webhook_id, d.event_seq FROM ibex.webhook_deliveries d
  WHERE d.finished_at < now() - $1::interval ORDER BY d.finished_at LIMIT $2 FOR UPDATE SKIP LOCKED
), attempts AS (
  DELETE FROM ibex.webhook_attempts a USING old o
  WHERE a.store_id = o.store_id AND a.webhook_id = o.webhook_id AND a.event_seq = o.event_seq
)
DELETE FROM ibex.webhook_deliveries d USING old o
WHERE d.store_id = o.store_id AND d.webhook_id = o.webhook_id AND d.event_seq = o.event_seq
RETURNING d.event_seq
"""


class PostgresDeliveryQueue:
    """Implements DeliveryQueue. ``lease`` is how long a worker may take for one delivery before others take it over."""

    def __init__(self, database: Database, *, lease: timedelta) -> None:
        self._database = database
        self._lease = lease

    async def fan_out(self) -> int:
        """See the port."""
        return len(await self._database.write(FAN_OUT, PORTION, WEBHOOKS_AT_ONCE, repeatable=True))

    async def replay(self) -> int:
        """See the port."""
        return len(await self._database.write(REPLAY, PORTION, repeatable=True))

    async def claim(self, limit: int, busy: Sequence[WebhookId]) -> Sequence[DueDelivery]:
        """See the port."""
        lease: UUID = uuid4()
        # Sent once only: if the answer is lost, the lease runs out by itself.
        rows = await self._database.write(CLAIM, limit, list(busy), EACH, lease, self._lease, repeatable=False)
        return [
            DueDelivery(**{**dict(row), "keys": tuple(SigningKey(bytes(key)) for key in row["keys"])}) for row in rows
        ]

    async def finish(
        self, due: DueDelivery, attempt: AttemptRecord, *, delivered: bool, again_in: timedelta | None
    ) -> timedelta | None:
        """See the port."""
        rows = await self._database.write(
            FINISH,
            due.store_id,
            due.webhook_id,
            due.event_seq,
            due.lease,
            delivered,
            again_in,
            attempt.status,
            attempt.error,
            attempt.started_at,
            attempt.duration // timedelta(milliseconds=1),
            repeatable=True,
        )
        return rows[0]["failing_for"] if rows else None

    async def give_back(self, due: Sequence[DueDelivery]) -> None:
        """See the port."""
        await self._database.write(
            GIVE_BACK,
            [each.store_id for each in due],
            [each.webhook_id for each in due],
            [each.event_seq for each in due],
            [each.lease for each in due],
            repeatable=True,
        )

    async def seconds_to_next(self) -> int | None:
        """See the port."""
        rows = await self._database.read(NEXT)
        seconds: int | None = rows[0]["seconds"]
        return seconds

    async def lag(self) -> Lag:
        """See the port."""
        rows = await self._database.read(LAG)
        return Lag(**dict(rows[0]))

    async def prune(self, older_than: timedelta, limit: int) -> int:
        """See the port."""
        await self._database.write(CANCEL, limit, repeatable=True)
        return len(await self._database.write(PRUNE, older_than, limit, repeatable=True))
