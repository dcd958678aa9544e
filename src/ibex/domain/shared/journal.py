"""The one way in which a use case writes: it collects facts, and the journal posts them together.

A use case decides in memory and commits once. The journal writes the facts, the audit entries, the events and the
caller's idempotency key in one transaction (and in one round trip to the database), or nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from ibex.domain.shared.ids import IdSource, OperatorId, ShiftId, StoreId, TokenId


class Counter(StrEnum):
    """The gapless numbers of a store."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    RECEIPT = "receipt"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A new thing: any entity or record that the journal knows."""

    thing: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A thing as it is to be from now on, if it still has the version that was read.

    ``thing.version`` is the version that was read; the journal raises it by one.
    """

    thing: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A row that goes away: only for what is no history (a barcode, the lines of a draft)."""

    table: str
    key: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """A document that the decision rests on: it must still have the version that was read (optimistic lock)."""

    invoice_id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTouch:
    """A customer that a posting names without owing more: must exist (and be active) all the same."""

    customer_id: UUID
    must_be_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to which thing. Who, when and from where are put in by the journal from the changes' actor."""

    action: str
    entity: str
    entity_id: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that others may want to hear of, written to the outbox with its cause."""

    id: UUID
    type: str
    data: Mapping[str, object]


@dataclass(slots=True, kw_only=True)
class Changes:
    """What one use case wants written, all of it or nothing."""

    store_id: StoreId
    operator_id: OperatorId
    token_id: TokenId | None
    request_id: str
    address: str
    at: datetime
    facts: list[object] = field(default_factory=list)
    """Added, Changed, Removed, Unchanged, AuditEntry, Event and the areas' own facts (StockMovement, Payment,
    LedgerEntry, AccountCredit), in the order in which they are to be written."""
    numbers: list[tuple[Counter, int]] = field(default_factory=list)
    """Placeholders in the order in which their numbers are to be taken."""
    shift_id: ShiftId | None = None
    """The drawer's shift that must be open."""
    may_exceed_credit_limit: bool = False

    def add(self, *facts: object) -> None:
        """Collects facts."""
        self.facts.extend(facts)

    def number(self, counter: Counter, ids: IdSource) -> int:
        """A placeholder for the store's next number; ``Posted.number`` tells what became of it."""
        placeholder = ids.placeholder()
        self.numbers.append((counter, placeholder))
        return placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How the caller will be answered, so that the answer is kept with the effect.

    ``present`` makes the document from the use case's result, which holds placeholders where numbers will be.
    ``key`` and ``fingerprint`` (SHA-256 of the request) are None for a caller that gave no idempotency key.
    """

    present: Callable[[Any], bytes]
    status: int
    key: str | None = None
    fingerprint: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What came of it: the answer as bytes, now or when the key was first used, and the numbers taken."""

    document: bytes
    status: int
    replayed: bool = False
    numbers: Mapping[int, int] = field(default_factory=dict)
    moved: Sequence[Mapping[str, Any]] = ()
    """For each stock movement, in order: ``product_id``, ``quantity``, ``balance``, ``oversold``."""

    def number(self, placeholder: int) -> int:
        """The number that stands where the placeholder stood."""
        return self.numbers[placeholder]


class Journal(Protocol):
    """Posts changes.

    Raises the domain's errors: InsufficientStock, ProductInactive, CreditLimitExceeded, NotFound, AlreadyExists,
    ConcurrentChange, ShiftClosed, IdempotencyKeyReused, RequestInProgress, StaleProducts, TemporarilyUnavailable,
    OutcomeUnknown.
    """

    async def post(self, changes: Changes, reply: Reply, result: object) -> Posted:
        """Writes everything or nothing; with a key that was used before, returns the first answer instead."""
        ...

    async def recall(self, store_id: StoreId, reply: Reply) -> Posted | None:
        """The first answer to the reply's key, if there is one. Raises IdempotencyKeyReused on another request."""
        ...
