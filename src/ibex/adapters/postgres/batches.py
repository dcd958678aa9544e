"""Many sales in one transaction: one call of ``ibex.post_batch``, and one to keep the answer where a key was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from ibex.domain.shared.journal import Posted, Reply

POST: Final = "SELECT ibex.post_batch($1::jsonb, $2::text[], $3::text[])"
KEEP: Final = "SELECT ibex.keep_answer($1, $2, $3, $4::smallint, $5, $6)"
SECONDS: Final = 50.0
"""A full batch takes a few; a database that is busy with others may take longer."""
_ENCODE: Final = msgspec.json.Encoder().encode
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
        """See the port. BEGIN, the batch, the answer to keep, COMMIT: four round trips, three without a key."""
        batch, heads, rows = _arguments(store_id, at, items, reply)

        async def work(ask: Ask) -> Posted:
            results = msgspec.json.decode((await ask(POST, batch, heads, rows))[0][0])
            reports = [_report(item, result) for item, result in zip(items, results, strict=True)]
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


def _arguments(
    store_id: StoreId, at: datetime, items: Sequence[BatchItem], reply: Reply
) -> tuple[str, list[str | None], list[str | None]]:
    heads: list[str | None] = []
    rows: list[str | None] = []
    locks: dict[str, set[Any]] = {"products": set(), "customers": set(), "shifts": set()}
    for item in items:
        if item.prepared is None:
            heads.append(None)
            rows.append(None)
            continue
        changes, invoice = item.prepared.changes, item.prepared.result.invoice
        posting = Posting(changes)
        heads.append(posting.head(_UNKEYED))
        rows.append(posting.rows(None))
        locks["products"] |= {fact.product_id for fact in changes.facts if isinstance(fact, StockMovement)}
        if invoice.customer_id is not None:
            locks["customers"].add(invoice.customer_id)
        if changes.shift_id is not None:
            locks["shifts"].add(changes.shift_id)
    batch: dict[str, Any] = {
        "store_id": store_id,
        "at": at,
        "items": [{"id": item.id, "fingerprint": item.fingerprint.hex()} for item in items],
        **{name: sorted(ids) for name, ids in locks.items()},
    }
    if reply.key is not None:
        batch["key"] = reply.key
    return _ENCODE(batch).decode(), heads, rows


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
            assert item.prepared is not None, "only what was prepared is created"
            invoice = item.prepared.result.invoice
            return ItemReport(
                id=item.id,
                result=BatchResult.CREATED,
                number=result["numbers"][str(invoice.number)],
                total=invoice.totals.total,
                oversold=result["oversold"],
            )
        case known:
            return ItemReport(
                id=item.id,
                result=BatchResult(known),
                number=result["number"],
                total=Decimal(result["total"]),
                oversold=result["oversold"],
            )
