"""Batches in memory: each sale on its own, known again by its fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from ibex.domain.sales.model import Invoice
from ibex.domain.sales.offline import BatchItem, BatchResult, ItemReport, problem_of
from ibex.domain.shared.errors import DomainError
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.journal import Posted, Reply
from tests.fakes.journal import FakeJournal
from tests.fakes.replies import reply as plain_reply


class FakeBatches:
    """Implements BatchJournal on a FakeJournal."""

    def __init__(self, journal: FakeJournal) -> None:
        self._journal = journal
        self.fingerprints: dict[tuple[StoreId, UUID], bytes] = {}
        self.order: list[UUID] = []
        """Ids in the order in which they were posted or looked for."""

    async def post_batch(
        self,
        store_id: StoreId,
        at: datetime,  # noqa: ARG002 (each sale has its own)
        items: Sequence[BatchItem],
        reply: Reply,
        conclude: Callable[[Sequence[ItemReport | None]], object],
    ) -> Posted:
        """See the port."""
        first = await self._journal.recall(store_id, reply)
        if first is not None:
            return first
        self.order = [item.id for item in items]
        reports = [await self._one(store_id, item) for item in items]
        return Posted(document=reply.present(conclude(reports)), status=reply.status)

    async def _one(self, store_id: StoreId, item: BatchItem) -> ItemReport | None:
        known = self._journal.books.of(Invoice).get((store_id, item.id))
        if known is not None:
            same = self.fingerprints.get((store_id, item.id)) == item.fingerprint
            result = BatchResult.EXISTS if same else BatchResult.CONFLICT
            return ItemReport(
                id=item.id, result=result, number=known.number, total=known.totals.total, oversold=known.oversold
            )
        if item.prepared is None:
            return None
        try:
            await self._journal.post(item.prepared.changes, plain_reply(), item.prepared.result)
        except DomainError as error:
            return ItemReport(id=item.id, result=BatchResult.INVALID, problem=problem_of(error))
        self.fingerprints[store_id, item.id] = item.fingerprint
        made = self._journal.books.invoice(item.id, store_id)
        return ItemReport(id=item.id, result=BatchResult.CREATED, number=made.number, total=made.totals.total)
