"""Webhooks read from PostgreSQL: as they are now, their secrets without the keys, and the log of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.events.model import DisabledBecause, Webhook, WebhookSecret, WebhookStatus
from ibex.domain.events.queries import AttemptRow, DeliveryRow, ReplayRow
from ibex.domain.shared.ids import ReplayId, StoreId, WebhookId
from ibex.domain.shared.paging import Page, PageRequest

COLUMNS: Final = """
w.id, w.store_id, w.url, w.description, w.event_types, w.status, w.disabled_because, w.failing_since, w.created_by,
w.created_at, w.updated_at, w.version
"""
GET: Final = f"SELECT {COLUMNS} FROM ibex.webhooks w WHERE w.store_id = $1 AND w.id = $2"
COUNT: Final = """
SELECT count(*) AS webhooks FROM ibex.webhooks w WHERE w.store_id = $1 AND w.status <> 'ARCHIVED'
"""
SECRETS: Final = """
SELECT s.id, s.store_id, s.webhook_id, s.created_at, s.expires_at, s.version FROM ibex.webhook_secrets s
WHERE s.store_id = $1 AND s.webhook_id = $2 ORDER BY s.created_at, s.id
"""
LOGGED: Final = """
SELECT 1 FROM ibex.webhook_deliveries d WHERE d.store_id = $1 AND d.webhook_id = $2 AND d.event_seq = $3
"""
DELIVERY_COLUMNS: Final = """
d.event_seq, e.id AS event_id, e.type AS event_type, d.status, d.attempts, d.next_attempt_at, d.last_status,
d.last_error, d.created_at, d.finished_at
"""
DELIVERY: Final = f"""
SELECT {DELIVERY_COLUMNS}, a.number, a.started_at, a.duration_ms, a.status AS attempt_status, a.error AS attempt_error
FROM ibex.webhook_deliveries d
JOIN ibex.events e ON e.store_id = d.store_id AND e.seq = d.event_seq
LEFT JOIN ibex.webhook_attempts a
  ON a.store_id = d.store_id AND a.webhook_id = d.webhook_id AND a.event_seq = d.event_seq
WHERE d.store_id = $1 AND d.webhook_id = $2 AND d.event_seq = $3 ORDER BY a.number
"""
REPLAY: Final = """
SELECT r.id, r.webhook_id, r.from_seq, r.to_seq, r.done_seq, r.created_at, r.finished_at FROM ibex.webhook_replays r
WHERE r.store_id = $1 AND r.webhook_id = $2 AND r.id = $3
"""


def webhook_of(row: Record) -> Webhook:
    """A row of COLUMNS as a webhook."""
    values: dict[str, Any] = dict(row)
    types, because = values["event_types"], values["disabled_because"]
    values["event_types"] = None if types is None else tuple(types)
    values["status"] = WebhookStatus(values["status"])
    values["disabled_because"] = None if because is None else DisabledBecause(because)
    return Webhook(**values)


class PostgresWebhooks:
    """Implements WebhookRepository and WebhookQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, store_id: StoreId, webhook_id: WebhookId) -> Webhook | None:
        """See the port."""
        row = await self._database.read_one(GET, store_id, webhook_id)
        return None if row is None else webhook_of(row)

    async def count(self, store_id: StoreId) -> int:
        """See the port."""
        rows = await self._database.read(COUNT, store_id)
        return int(rows[0]["webhooks"])

    async def secrets(self, store_id: StoreId, webhook_id: WebhookId) -> Sequence[WebhookSecret]:
        """See the port."""
        rows = await self._database.read(SECRETS, store_id, webhook_id)
        return [WebhookSecret(**dict(row)) for row in rows]

    async def has_delivery(self, store_id: StoreId, webhook_id: WebhookId, event_seq: int) -> bool:
        """See the port."""
        return await self._database.read_one(LOGGED, store_id, webhook_id, event_seq) is not None

    async def list(self, store_id: StoreId, page: PageRequest, *, archived: bool) -> Page[Webhook]:
        """See the port."""
        conditions = Conditions("w.store_id", store_id)
        conditions.add("w.status <> {}", None if archived else WebhookStatus.ARCHIVED.value)
        conditions.after("w.created_at, w.id", ("timestamptz", "uuid"), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {COLUMNS} FROM ibex.webhooks w WHERE {conditions} ORDER BY w.created_at, w.id {limit}",
            *conditions.arguments,
        )
        keys = [(row["created_at"].isoformat(), str(row["id"])) for row in rows]
        return page_of([webhook_of(row) for row in rows], keys, page)

    async def deliveries(
        self, store_id: StoreId, webhook_id: WebhookId, page: PageRequest, *, status: str | None
    ) -> Page[DeliveryRow]:
        """See the port."""
        conditions = Conditions("d.store_id", store_id)
        conditions.add("d.webhook_id = {}", webhook_id)
        conditions.add("d.status = {}", status)
        conditions.after("d.event_seq", ("bigint",), page, descending=True)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"""
            SELECT {DELIVERY_COLUMNS} FROM ibex.webhook_deliveries d
            JOIN ibex.events e ON e.store_id = d.store_id AND e.seq = d.event_seq
            WHERE {conditions} ORDER BY d.event_seq DESC {limit}
            """,
            *conditions.arguments,
        )
        return page_of([DeliveryRow(**dict(row)) for row in rows], [(str(row["event_seq"]),) for row in rows], page)

    async def delivery(
        self, store_id: StoreId, webhook_id: WebhookId, event_seq: int
    ) -> tuple[DeliveryRow, Sequence[AttemptRow]] | None:
        """See the port."""
        rows = await self._database.read(DELIVERY, store_id, webhook_id, event_seq)
        if not rows:
            return None
        delivery = DeliveryRow(**{name: rows[0][name] for name in DeliveryRow.__dataclass_fields__})
        attempts = [
            AttemptRow(
                number=row["number"],
                started_at=row["started_at"],
                duration_ms=row["duration_ms"],
                status=row["attempt_status"],
                error=row["attempt_error"],
            )
            for row in rows
            if row["number"] is not None
        ]
        return delivery, attempts

    async def replay(self, store_id: StoreId, webhook_id: WebhookId, replay_id: ReplayId) -> ReplayRow | None:
        """See the port."""
        row = await self._database.read_one(REPLAY, store_id, webhook_id, replay_id)
        return None if row is None else ReplayRow(**dict(row))
