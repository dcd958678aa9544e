"""What webhooks need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from ibex.domain.events.model import Webhook, WebhookSecret
from ibex.domain.events.signing import SigningKey
from ibex.domain.shared.ids import StoreId, WebhookId


class WebhookRepository(Protocol):
    """The webhooks as they are now."""

    async def get(self, store_id: StoreId, webhook_id: WebhookId) -> Webhook | None:
        """The webhook, or None if the store has none of that id."""
        ...

    async def count(self, store_id: StoreId) -> int:
        """How many the store has, those that are archived left out."""
        ...

    async def secrets(self, store_id: StoreId, webhook_id: WebhookId) -> Sequence[WebhookSecret]:
        """The webhook's secrets, oldest first, without their keys."""
        ...

    async def has_delivery(self, store_id: StoreId, webhook_id: WebhookId, event_seq: int) -> bool:
        """Whether the log holds a delivery of that event."""
        ...


class KeySource(Protocol):
    """Makes signing keys."""

    def new_signing_key(self) -> SigningKey:
        """A key of 256 random bits."""
        ...


class Dice(Protocol):
    """Chance, so that retries of many do not come at the same moment."""

    def below(self, bound: int) -> int:
        """A random whole number from 0 to ``bound`` - 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """A delivery that this worker has taken: an event, where it goes, and what to sign it with."""

    store_id: StoreId
    webhook_id: WebhookId
    event_seq: int
    lease: UUID
    tries: int
    """How often it was tried since it was last asked for, this time included."""
    url: str
    event_id: UUID
    event_type: str
    recorded_at: datetime
    data: str
    """JSON, as it was recorded."""
    keys: tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the receiver answered, as far as it matters."""

    status: int
    retry_after: timedelta | None = None


class NotSent(Exception):
    """There is no answer: refused address, no connection, no time, no HTTP. ``reason`` holds no URL and no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Sender(Protocol):
    """Makes one request, to public addresses only, without following redirects."""

    async def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answered:
        """POSTs the body. Raises NotSent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """How an attempt went: for the log, and for what comes next."""

    started_at: datetime
    duration: timedelta
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far behind webhooks are: events not yet turned into deliveries, deliveries that are due, the oldest of them.

    For metrics. ``overdue`` is zero where nothing is due.
    """

    events: int
    due: int
    waiting: int
    overdue: timedelta


class DeliveryQueue(Protocol):
    """The deliveries of all stores, shared by several workers."""

    async def fan_out(self) -> int:
        """Turns a portion of new events into deliveries; how many webhooks moved on. None is missed, none doubled."""
        ...

    async def replay(self) -> int:
        """Does a portion of what was asked for again; how many replays moved on."""
        ...

    async def claim(self, limit: int, busy: Sequence[WebhookId]) -> Sequence[DueDelivery]:
        """Takes up to ``limit`` due deliveries, a few of each webhook and none of the ``busy`` ones."""
        ...

    async def finish(
        self, due: DueDelivery, attempt: AttemptRecord, *, delivered: bool, again_in: timedelta | None
    ) -> timedelta | None:
        """Writes down an attempt, unless the lease was lost. ``again_in`` None ends the delivery.

        Returns for how long the webhook has been failing by now, None if it is not.
        """
        ...

    async def give_back(self, due: Sequence[DueDelivery]) -> None:
        """Lets others take them at once, as if they had not been tried."""
        ...

    async def seconds_to_next(self) -> int | None:
        """When the next delivery will be due, None if none is waiting."""
        ...

    async def lag(self) -> Lag:
        """How far behind it is."""
        ...

    async def prune(self, older_than: timedelta, limit: int) -> int:
        """Removes finished deliveries from the log, and ends those of archived webhooks; how many were removed."""
        ...
