"""Events, webhooks and the log of deliveries as callers send and get them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ibex.domain.events.destinations import MAX_URL_LENGTH
from ibex.domain.events.model import MAX_TYPES, DisabledBecause, Replay, Webhook, WebhookSecret, WebhookStatus
from ibex.domain.events.queries import AttemptRow, DeliveryRow, EventRow, ReplayRow
from ibex.domain.shared.ids import StoreId
from ibex.entrypoints.http.types import ClientId, Note, Request, View

MAX_SEQ: Final = 2**53 - 1
"""The largest whole number that every JSON parser reads exactly."""

EventType = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z_]{0,49}\.([a-z][a-z_]{0,49}|\*)$",
        max_length=101,
        description="A type of event, or all of a group: invoice.issued, invoice.*",
        examples=["invoice.issued", "payment.*"],
    ),
]
Seq = Annotated[int, Meta(ge=1, le=MAX_SEQ, description="An event's number in the store.")]
UrlText = Annotated[
    str,
    Meta(
        min_length=9,
        max_length=MAX_URL_LENGTH,
        description="Where to send: https, a host of the public internet, no user, no fragment.",
        examples=["https://hooks.example.com/ibex"],
    ),
]


class DeliveryStatus(StrEnum):
    """PENDING waits for its first or next attempt; CANCELLED is what the webhook's end left over."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class EventView(View):
    """An event. A webhook's body is this document. Go on after ``seq``; know a repeat by ``id``."""

    id: UUID
    seq: int
    type: str
    timestamp: datetime
    store_id: UUID
    data: dict[str, Any]


class EventFeed(View):
    """A stretch of the feed. ``next_after`` is where to go on, now or when there is more; ``has_more`` says that there
    is more already."""

    items: list[EventView]
    next_after: int
    has_more: bool


class WebhookInput(Request):
    """A new webhook. Without ``event_types`` it hears of everything."""

    url: UrlText
    description: Note = ""
    event_types: Annotated[list[EventType], Meta(min_length=1, max_length=MAX_TYPES)] | None = None
    id: ClientId | None = None


class WebhookPatch(Request):
    """What to change of a webhook; a field that is left out stays as it is."""

    url: UrlText | UnsetType = UNSET
    description: Note | UnsetType = UNSET
    event_types: Annotated[list[EventType], Meta(min_length=1, max_length=MAX_TYPES)] | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class WebhookView(View):
    """A webhook. ``secret`` is what its requests are signed with: shown in the first answer to its making, then never
    again."""

    id: UUID
    url: str
    description: str
    event_types: list[str] | None
    status: WebhookStatus
    disabled_because: DisabledBecause | None
    failing_since: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int
    secret: str | None


class WebhookPage(View):
    """A page of webhooks."""

    items: list[WebhookView]
    next_cursor: str | None


class SecretEnd(Request):
    """When a secret ends; without ``expires_at``, now."""

    expires_at: datetime | None = None


class SecretView(View):
    """A secret of a webhook. ``secret`` itself is shown in the first answer to its making, then never again."""

    id: UUID
    webhook_id: UUID
    created_at: datetime
    expires_at: datetime | None
    secret: str | None


class SecretList(View):
    """All the secrets of a webhook."""

    items: list[SecretView]


class AttemptView(View):
    """One attempt: the status that came back, or why none did."""

    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str | None


class DeliveryView(View):
    """One event on its way to one webhook."""

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


class DeliveryPage(View):
    """A page of deliveries."""

    items: list[DeliveryView]
    next_cursor: str | None


class DeliveryDetails(DeliveryView):
    """A delivery and its attempts, the first one first."""

    log: list[AttemptView]


class ReplayInput(Request):
    """Which events to deliver again: from one to another, both included; without ``to_seq`` to the last one."""

    from_seq: Seq
    to_seq: Seq | None = None


class ReplayView(View):
    """A replay. ``done_seq`` is how far it has come."""

    id: UUID
    webhook_id: UUID
    from_seq: int
    to_seq: int | None
    done_seq: int
    created_at: datetime
    finished_at: datetime | None


def event_view(row: EventRow, store_id: StoreId) -> EventView:
    """An event."""
    return EventView(
        id=row.id,
        seq=row.seq,
        type=row.type,
        timestamp=row.recorded_at,
        store_id=store_id,
        data=msgspec.json.decode(row.data),
    )


def webhook_view(webhook: Webhook) -> WebhookView:
    """A webhook, without a secret."""
    return WebhookView(
        id=webhook.id,
        url=webhook.url,
        description=webhook.description,
        event_types=None if webhook.event_types is None else list(webhook.event_types),
        status=webhook.status,
        disabled_because=webhook.disabled_because,
        failing_since=webhook.failing_since,
        created_at=webhook.created_at,
        updated_at=webhook.updated_at,
        version=webhook.version,
        secret=None,
    )


def secret_view(secret: WebhookSecret) -> SecretView:
    """A secret, without what it is."""
    return SecretView(
        id=secret.id,
        webhook_id=secret.webhook_id,
        created_at=secret.created_at,
        expires_at=secret.expires_at,
        secret=None,
    )


def delivery_view(row: DeliveryRow) -> DeliveryView:
    """A delivery in the log."""
    return DeliveryView(**_fields(row))


def delivery_details(row: DeliveryRow, attempts: Sequence[AttemptRow]) -> DeliveryDetails:
    """A delivery and its attempts."""
    log = [AttemptView(**_fields(attempt)) for attempt in attempts]
    return DeliveryDetails(**_fields(row), log=log)


def asked_replay_view(replay: Replay) -> ReplayView:
    """A replay that was just asked for."""
    return ReplayView(
        id=replay.id,
        webhook_id=replay.webhook_id,
        from_seq=replay.from_seq,
        to_seq=replay.to_seq,
        done_seq=replay.from_seq - 1,
        created_at=replay.created_at,
        finished_at=None,
    )


def replay_view(row: ReplayRow) -> ReplayView:
    """How far a replay has come."""
    return ReplayView(**_fields(row))


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}
