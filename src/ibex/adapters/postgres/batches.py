"""Many sales in one transaction, in groups as long as nothing is out of the ordinary, one by one from there on.

``ibex.post_groups`` writes a group of sales with the statements of one. It stops at the first group in which a sale is
known, refused or beyond the stock, and ``ibex.post_batch`` judges what is left, each sale on its own. What is written
is the same either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg
import msgspec

from ibex.adapters.postgres.database import Ask, Database
from ibex.adapters.postgres.journal import PostgresJournal
from ibex.adapters.postgres.posting import Posting
from ibex.adapters.postgres.refusals import KEY_EXISTS, refusal, refusal_of
from ibex.domain.catalog.model import StockMovement
from ibex.domain.sales.offline import BatchItem, BatchResult, ItemReport, problem_of
from ibex.domain.shared.errors import RequestInProgress
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.journal import Changes, Posted, Reply

POST_GROUPS: Final = "SELECT ibex.post_groups($1::jsonb, $2::text[], $3::text[])"
POST: Final = "SELECT ibex.post_batch($1::jsonb, $2::text[], $3::text[])"
KEEP: Final = "SELECT ibex.keep_answer($1, $2, $3, $4::smallint, $5, $6)"
SECONDS: Final = 50.0
"""A full batch takes a few; a database that is busy with others may take longer."""
GROUP_SALES: Final = 20
GROUP_LINES: Final = 200
"""More would gain little: what a group saves is what its statements cost before their first row."""
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode
_UNKEYED: Final = Reply(present=lambda _: b"", status=0)


class PostgresBatches:
    """Implements BatchJournal."""

    def __init__(self, database: Database, journal: PostgresJournal) -> None:
        self._database = database
        self._journal = journal

    async def post_batch(
        self,
        store_id: StoreId,
        at: datetime,
        items: Sequence[BatchItem],
        reply: Reply,
        conclude: Callable[[Sequence[ItemReport | None]], object],
    ) -> Posted:
        """See the port. BEGIN, the groups, those one by one if there are any, the answer to keep, COMMIT: four round
        trips for most batches, five for others, one less without a key.
        """
        groups = _groups(items)
        grouped = _grouped(store_id, at, items, groups, reply)

        async def work(ask: Ask) -> Posted:
            reports: list[ItemReport | None] = []
            if groups:
                posted = _DECODE((await ask(POST_GROUPS, *grouped))[0][0])
                for group, one in zip(groups, posted, strict=False):
                    reports += [_created(item, one["numbers"], oversold=False) for item in group]
            rest = items[len(reports) :]
            if rest or not groups:
                results = _DECODE((await ask(POST, *_one_by_one(store_id, at, rest, reply)))[0][0])
                reports += [_report(item, result) for item, result in zip(rest, results, strict=True)]
            body = reply.present(conclude(reports))
            if reply.key is not None:
                kept = body.decode()
                await ask(KEEP, store_id, reply.key, reply.fingerprint, reply.status, kept, at)
            return Posted(document=body, status=reply.status)

        try:
            # Safe to repeat: each sale has an id of the till's making, and is recorded once.
            return await self._database.write_together(work, seconds=SECONDS)
        except asyncpg.PostgresError as error:
            if error.sqlstate == KEY_EXISTS:
                return await self._first_answer(store_id, reply)
            known = refusal_of(error)
            if known is None:
                raise
            raise known from error

    async def _first_answer(self, store_id: StoreId, reply: Reply) -> Posted:
        posted = await self._journal.recall(store_id, reply)
        if posted is None:
            raise RequestInProgress("A request with this Idempotency-Key is still running; wait and repeat.")
        return posted


def _groups(items: Sequence[BatchItem]) -> list[list[BatchItem]]:
    """Neighbours that can be posted together: of one shift, and not too many. Ends at the first that is not to be
    posted.
    """
    groups: list[list[BatchItem]] = []
    shift: object = None
    lines = 0
    for item in items:
        if item.prepared is None:
            break
        own = len(item.prepared.result.invoice.lines)
        shift_before, shift = shift, item.prepared.changes.shift_id
        if groups and shift == shift_before and len(groups[-1]) < GROUP_SALES and lines + own <= GROUP_LINES:
            groups[-1].append(item)
            lines += own
        else:
            groups.append([item])
            lines = own
    return groups


def _grouped(
    store_id: StoreId, at: datetime, items: Sequence[BatchItem], groups: Sequence[Sequence[BatchItem]], reply: Reply
) -> tuple[str, list[str], list[str]]:
    postings = [Posting(_together(group)) for group in groups]
    named = [[_named(item) for item in group] for group in groups]
    batch = _batch(store_id, at, items, reply) | {"groups": named}
    heads = [posting.head(_UNKEYED) for posting in postings]
    return _ENCODE(batch).decode(), heads, [posting.rows(None) for posting in postings]


def _together(group: Sequence[BatchItem]) -> Changes:
    """What all of them change, in their order."""
    parts = [item.prepared.changes for item in group if item.prepared is not None]
    return replace(
        parts[0],
        facts=[fact for part in parts for fact in part.facts],
        numbers=[number for part in parts for number in part.numbers],
    )


def _one_by_one(
    store_id: StoreId, at: datetime, items: Sequence[BatchItem], reply: Reply
) -> tuple[str, list[str | None], list[str | None]]:
    heads: list[str | None] = []
    rows: list[str | None] = []
    for item in items:
        posting = None if item.prepared is None else Posting(item.prepared.changes)
        heads.append(None if posting is None else posting.head(_UNKEYED))
        rows.append(None if posting is None else posting.rows(None))
    batch = _batch(store_id, at, items, reply) | {"items": [_named(item) for item in items]}
    return _ENCODE(batch).decode(), heads, rows


def _batch(store_id: StoreId, at: datetime, items: Sequence[BatchItem], reply: Reply) -> dict[str, Any]:
    """What is locked first, and by what the answer is kept."""
    locks: dict[str, set[Any]] = {"products": set(), "customers": set(), "shifts": set()}
    for item in items:
        if item.prepared is None:
            continue
        changes, invoice = item.prepared.changes, item.prepared.result.invoice
        locks["products"].update(fact.product_id for fact in changes.facts if isinstance(fact, StockMovement))
        if invoice.customer_id is not None:
            locks["customers"].add(invoice.customer_id)
        if changes.shift_id is not None:
            locks["shifts"].add(changes.shift_id)
    batch: dict[str, Any] = {"store_id": store_id, "at": at, **{name: sorted(ids) for name, ids in locks.items()}}
    if reply.key is not None:
        batch["key"] = reply.key
    return batch


def _named(item: BatchItem) -> dict[str, object]:
    return {"id": item.id, "fingerprint": item.fingerprint.hex()}


def _created(item: BatchItem, numbers: Mapping[str, int], *, oversold: bool) -> ItemReport:
    assert item.prepared is not None, "only what was prepared is created"
    invoice = item.prepared.result.invoice
    return ItemReport(
        id=item.id,
        result=BatchResult.CREATED,
        number=numbers[str(invoice.number)],
        total=invoice.totals.total,
        oversold=oversold,
    )


def _report(item: BatchItem, result: dict[str, Any]) -> ItemReport | None:
    match result["result"]:
        case "missing":
            return None
        case "refused":
            detail = result["detail"]
            error = refusal(result["state"], detail, result["constraint"])
            if error is None:
                # A constraint that no caller can break by what it sends: a defect, and the batch is rolled back.
                raise RuntimeError(f"a sale of a batch broke {result['constraint'] or result['state']}")
            return ItemReport(id=item.id, result=BatchResult.INVALID, problem=problem_of(error))
        case "created":
            return _created(item, result["numbers"], oversold=result["oversold"])
        case known:
            return ItemReport(
                id=item.id,
                result=BatchResult(known),
                number=result["number"],
                total=Decimal(result["total"]),
                oversold=result["oversold"],
            )
