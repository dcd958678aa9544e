"""Sales of a till that was offline: they have happened, and are recorded as they happened.

The till makes the ids, so that sending again changes nothing. Each sale is judged on its own; goods that were sold
beyond what there was are recorded and flagged, and a credit limit does not undo what was given away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Final, Protocol

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.catalog.ports import ProductReader
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.sales.requests import Prepared, SaleRequest
from ibex.domain.sales.sell import prepare_sale
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import DomainError, InvalidValue, LimitExceeded
from ibex.domain.shared.ids import IdSource, InvoiceId, StoreId
from ibex.domain.shared.journal import Posted, Reply
from ibex.domain.shared.money import plain

MAX_SALES: Final = 500
MAX_BATCH_LINES: Final = 5_000
"""A batch holds the store's counters until it commits: other tills wait for it, so it must be done in seconds."""
MAX_AHEAD: Final = timedelta(minutes=5)
"""A till's clock may be fast by so much."""
MAX_AGE: Final = timedelta(days=90)
"""An older sale is entered by hand, where somebody looks at it."""


class BatchResult(StrEnum):
    """What became of one sale of a batch."""

    CREATED = "created"
    EXISTS = "exists"
    CONFLICT = "conflict"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemProblem:
    """Why a sale was not recorded: a stable code, the field to blame, and what to do."""

    code: str
    message: str
    field: str | None = None
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something in a batch that is no sale. ``id`` is what it says to be, if that much can be read."""

    id: InvoiceId | None
    problem: ItemProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """A sale to post, or (without ``prepared``) only to look for."""

    id: InvoiceId
    fingerprint: bytes
    prepared: Prepared | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReport:
    """What became of one sale. The number and the total are those of the invoice with its id, if there is one."""

    id: InvoiceId | None
    result: BatchResult
    number: int | None = None
    total: Decimal | None = None
    oversold: bool = False
    problem: ItemProblem | None = None


class BatchJournal(Protocol):
    """Posts many sales in one transaction, each on its own."""

    async def post_batch(
        self,
        store_id: StoreId,
        at: datetime,
        items: Sequence[BatchItem],
        reply: Reply,
        conclude: Callable[[Sequence[ItemReport | None]], object],
    ) -> Posted:
        """Posts the items in their order; None stands for one that was looked for and is not there.

        ``conclude`` makes the result that is answered. With a key that was used before, the first answer is returned.
        Raises IdempotencyKeyReused, RequestInProgress, TemporarilyUnavailable, OutcomeUnknown.
        """
        ...


class RecordOfflineSales:
    """Records what a till sold while it was offline."""

    def __init__(self, products: ProductReader, journal: BatchJournal, clock: Clock, ids: IdSource) -> None:
        self._products = products
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, sales: Sequence[SaleRequest | Unreadable], reply: Reply) -> Posted:
        """Answers with a list of ItemReport in the order of ``sales``. Raises InvalidValue, LimitExceeded."""
        actor.require(Permission.SALES_WRITE)
        must_be_bounded(sales)
        readable = [(i, sale) for i, sale in enumerate(sales) if isinstance(sale, SaleRequest)]
        refs = list(dict.fromkeys(line.product for _, sale in readable for line in sale.lines))
        found = await self._products.find(actor.store_id, refs)
        now = self._clock.now()
        items: dict[int, BatchItem] = {}
        problems: dict[int, ItemProblem] = {}
        for i, sale in readable:
            assert sale.id is not None, "a till makes the id of what it sells offline"
            prepared: Prepared | None = None
            try:
                must_be_recent(sale, now)
                prepared = self._prepared(actor, sale, found, now)
            except DomainError as error:
                problems[i] = problem_of(error)
            items[i] = BatchItem(id=sale.id, fingerprint=content_of(sale), prepared=prepared)
        # In the order in which it happened, whatever order it came in: so the numbers rise with time.
        order = sorted(items, key=lambda i: (_moment(sales[i]), items[i].id, items[i].fingerprint))

        def conclude(reports: Sequence[ItemReport | None]) -> list[ItemReport]:
            by_index = dict(zip(order, reports, strict=True))
            return [_report(sale, by_index.get(i), problems.get(i)) for i, sale in enumerate(sales)]

        return await self._journal.post_batch(actor.store_id, now, [items[i] for i in order], reply, conclude)

    def _prepared(
        self, actor: Actor, sale: SaleRequest, found: Mapping[ProductRef, Product], now: datetime
    ) -> Prepared:
        own = {line.product: found[line.product] for line in sale.lines if line.product in found}
        return prepare_sale(actor, replace(sale, offline=True), own, now, self._ids)


def must_be_bounded(sales: Sequence[SaleRequest | Unreadable]) -> None:
    """Raises InvalidValue for nothing, LimitExceeded for more than one request may carry."""
    if not sales:
        raise InvalidValue("Give at least one sale.", field="items")
    if len(sales) > MAX_SALES:
        raise LimitExceeded(f"Send at most {MAX_SALES} sales at once.", field="items", limit=MAX_SALES)
    if sum(len(sale.lines) for sale in sales if isinstance(sale, SaleRequest)) > MAX_BATCH_LINES:
        raise LimitExceeded(f"Send at most {MAX_BATCH_LINES} lines at once.", field="items", limit=MAX_BATCH_LINES)


def must_be_recent(sale: SaleRequest, now: datetime) -> None:
    """Raises InvalidValue for a sale of the future, or of long ago."""
    moment = _moment(sale)
    if moment > now + MAX_AHEAD:
        raise InvalidValue("It has not happened yet; set the till's clock.", field="occurred_at")
    if moment < now - MAX_AGE:
        raise InvalidValue(f"It is older than {MAX_AGE.days} days; enter it by hand.", field="occurred_at")


def problem_of(error: DomainError) -> ItemProblem:
    """The refusal as a part of an answer."""
    details = dict(error.details)
    field = details.pop("field", None)
    return ItemProblem(
        code=error.code, message=error.message, field=None if field is None else str(field), details=details
    )


def content_of(sale: SaleRequest) -> bytes:
    """SHA-256 of what the sale says, whatever way it was written: 1.50 is 1.5, and a field left out is its default."""
    text = json.dumps(_canonical(sale), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def _canonical(value: Any) -> Any:
    if is_dataclass(value):
        parts = {field.name: _canonical(getattr(value, field.name)) for field in fields(value)}
        return {name: part for name, part in parts.items() if part not in (None, "", False)}
    if isinstance(value, Decimal):
        return f"{plain(value):f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_canonical(part) for part in value]
    return value if value is None or isinstance(value, str | bool) else str(value)


def _moment(sale: SaleRequest | Unreadable) -> datetime:
    assert isinstance(sale, SaleRequest), "only what can be read is posted"
    assert sale.occurred_at is not None, "a till says when it happened"
    return sale.occurred_at


def _report(sale: SaleRequest | Unreadable, report: ItemReport | None, problem: ItemProblem | None) -> ItemReport:
    if isinstance(sale, Unreadable):
        return ItemReport(id=sale.id, result=BatchResult.INVALID, problem=sale.problem)
    if report is not None:
        return report
    assert problem is not None, "what was not posted was refused"
    return ItemReport(id=sale.id, result=BatchResult.INVALID, problem=problem)
