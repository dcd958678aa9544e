"""Webhooks, their secrets, and what was asked to be delivered again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ibex.domain.events.signing import SigningKey
from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.ids import OperatorId, ReplayId, SecretId, StoreId, WebhookId
from ibex.domain.shared.text import note

MAX_WEBHOOKS: Final = 20
"""Of one store, those that are archived not counted."""
MAX_SECRETS: Final = 5
"""Of one webhook at once: each adds a signature to every request."""
MAX_TYPES: Final = 100
_TYPE: Final = re.compile(r"[a-z][a-z_]{0,49}\.([a-z][a-z_]{0,49}|\*)\Z")


class WebhookStatus(StrEnum):
    """ARCHIVED is the end; DISABLED waits for somebody to enable it, and nothing is lost meanwhile."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    ARCHIVED = "ARCHIVED"


class DisabledBecause(StrEnum):
    """Who or what disabled a webhook."""

    OPERATOR = "OPERATOR"
    GONE = "GONE"
    """The receiver answered 410."""
    FAILING = "FAILING"
    """Nothing was accepted for days."""
    IMPORTED = "IMPORTED"
    """The store came from an archive, which holds no secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A place that hears of a store's events. ``event_types`` None: of all of them."""

    id: WebhookId
    store_id: StoreId
    url: str
    description: str
    event_types: tuple[str, ...] | None
    status: WebhookStatus
    created_by: OperatorId
    disabled_because: DisabledBecause | None = None
    failing_since: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 1

    def __post_init__(self) -> None:
        note(self.description, field="description")
        if self.event_types is not None:
            check_types(self.event_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A secret that is being added: the only form that holds the key."""

    id: SecretId
    store_id: StoreId
    webhook_id: WebhookId
    key: SigningKey
    created_at: datetime
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecret:
    """A secret as people see it in a list: without the key."""

    id: SecretId
    store_id: StoreId
    webhook_id: WebhookId
    created_at: datetime
    expires_at: datetime | None = None
    version: int = 1

    def is_live(self, now: datetime) -> bool:
        """Whether it still signs."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Events ``from_seq`` to ``to_seq`` (None: to the last one), to be delivered to a webhook again."""

    id: ReplayId
    store_id: StoreId
    webhook_id: WebhookId
    from_seq: int
    to_seq: int | None
    created_at: datetime
    version: int = 1

    def __post_init__(self) -> None:
        if self.from_seq < 1:
            raise InvalidValue("Events are numbered from 1.", field="from_seq")
        if self.to_seq is not None and self.to_seq < self.from_seq:
            raise InvalidValue("The last event lies before the first.", field="to_seq")


def check_types(types: tuple[str, ...]) -> None:
    """Raises InvalidValue for what is no list of types of events: ``invoice.issued``, ``invoice.*``."""
    if not 1 <= len(types) <= MAX_TYPES or len(set(types)) != len(types):
        raise InvalidValue(f"Name 1 to {MAX_TYPES} types, each once; leave it out for all.", field="event_types")
    for name in types:
        if not _TYPE.match(name):
            raise InvalidValue("Name types such as invoice.issued, or invoice.* for a group.", field="event_types")
