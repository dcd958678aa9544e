"""Reading events, webhooks and the log of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ibex.domain.events.model import Webhook, WebhookSecret
from ibex.domain.shared.ids import ReplayId, StoreId, WebhookId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event as it was recorded. ``data`` is JSON."""

    seq: int
    id: UUID
    type: str
    recorded_at: datetime
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A stretch of the feed. ``last_seq`` is where to go on after, whether or not it held events that were asked for;
    ``more`` tells that there are later ones already."""

    rows: Sequence[EventRow]
    last_seq: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery in the log."""

    event_seq: int
    event_id: UUID
    event_type: str
    status: str
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt of a delivery."""

    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRow:
    """How far a replay has come."""

    id: ReplayId
    webhook_id: WebhookId
    from_seq: int
    to_seq: int | None
    done_seq: int
    created_at: datetime
    finished_at: datetime | None


class EventQueries(Protocol):
    """Reads the feed."""

    async def feed(self, store_id: StoreId, *, after: int, types: tuple[str, ...] | None, limit: int) -> Feed:
        """Events after that sequence, in order. Since a store's numbers are given in the order of commits, none is
        missed by whoever goes on after the last one."""
        ...


class WebhookQueries(Protocol):
    """Reads webhooks and their log."""

    async def list(self, store_id: StoreId, page: PageRequest, *, archived: bool) -> Page[Webhook]:
        """Webhooks by age, the archived ones on demand."""
        ...

    async def secrets(self, store_id: StoreId, webhook_id: WebhookId) -> Sequence[WebhookSecret]:
        """The webhook's secrets, oldest first, without their keys."""
        ...

    async def deliveries(
        self, store_id: StoreId, webhook_id: WebhookId, page: PageRequest, *, status: str | None
    ) -> Page[DeliveryRow]:
        """The log, the newest event first."""
        ...

    async def delivery(
        self, store_id: StoreId, webhook_id: WebhookId, event_seq: int
    ) -> tuple[DeliveryRow, Sequence[AttemptRow]] | None:
        """One delivery and its attempts, the first one first."""
        ...

    async def replay(self, store_id: StoreId, webhook_id: WebhookId, replay_id: ReplayId) -> ReplayRow | None:
        """A replay."""
        ...
