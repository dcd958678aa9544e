"""Waking the workers after a posting: NOTIFY, sent apart from the posting and at most a few times a second.

In the posting's own transaction it would cost far more than it looks: PostgreSQL takes one lock for the whole database
before a transaction that notifies commits, so that all of them, of all stores, commit one after the other. Here it is
sent by whoever posted, once what was posted is there; if that fails, workers look by themselves soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.domain.sales.offline import BatchItem, BatchJournal, ItemReport
from ibex.domain.shared.errors import TemporarilyUnavailable
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.journal import Added, Changes, Event, Journal, Posted, Reply

CHANNEL: Final = "ibex_events"
GATHER_SECONDS: Final = 0.05
NOTIFY: Final = "SELECT pg_notify('ibex_events', '')"


class Nudge:
    """Tells the workers that there is something to do. Carries nothing: they look for themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering = False
        self._sending: set[asyncio.Task[None]] = set()

    def soon(self) -> None:
        """Within GATHER_SECONDS; all that comes meanwhile goes with it. Never raises, never waits."""
        if not self._gathering:
            self._gathering = True
            task = asyncio.get_running_loop().create_task(
                # Without the context of the request that happened to be first: its deadline is not this one's.
                self._send(),
                context=contextvars.Context(),
            )
            # The event loop itself holds tasks weakly.
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        # What is posted from here on needs a nudge of its own.
        self._gathering = False
        with contextlib.suppress(TemporarilyUnavailable):
            await self._database.read(NOTIFY)


class NudgingJournal:
    """A journal that wakes the workers when it has posted an event, or something for a worker to do."""

    def __init__(self, journal: Journal, nudge: Nudge, *, work: tuple[type, ...] = ()) -> None:
        self._journal = journal
        self._nudge = nudge
        self._work = work

    async def post(self, changes: Changes, reply: Reply, result: object) -> Posted:
        """See the port."""
        posted = await self._journal.post(changes, reply, result)
        if not posted.replayed and any(self._wakes(fact) for fact in changes.facts):
            self._nudge.soon()
        return posted

    async def recall(self, store_id: StoreId, reply: Reply) -> Posted | None:
        """See the port."""
        return await self._journal.recall(store_id, reply)

    def _wakes(self, fact: object) -> bool:
        return isinstance(fact, Event) or (isinstance(fact, Added) and isinstance(fact.thing, self._work))


class NudgingBatches:
    """The same for the batches of offline tills."""

    def __init__(self, batches: BatchJournal, nudge: Nudge) -> None:
        self._batches = batches
        self._nudge = nudge

    async def post_batch(
        self,
        store_id: StoreId,
        at: datetime,
        items: Sequence[BatchItem],
        reply: Reply,
        conclude: Callable[[Sequence[ItemReport | None]], object],
    ) -> Posted:
        """See the port."""
        posted = await self._batches.post_batch(store_id, at, items, reply, conclude)
        if not posted.replayed:
            self._nudge.soon()
        return posted
