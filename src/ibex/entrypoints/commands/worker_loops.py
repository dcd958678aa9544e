"""The worker's loops: new events become deliveries, deliveries are sent, and once a minute things are tidied up.

Any number of workers may run at once. None of them keeps anything that others could not take over.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from ibex.adapters.postgres.deliveries import EACH
from ibex.adapters.postgres.housekeeping import PostgresHousekeeping
from ibex.domain.audit.chain import SealAudit
from ibex.domain.events.deliver import DeliverEvent
from ibex.domain.events.ports import DeliveryQueue, DueDelivery
from ibex.domain.shared.errors import TemporarilyUnavailable
from ibex.domain.shared.ids import WebhookId

CHORES_SECONDS: Final = 60.0
BATCH: Final = 1000
BATCHES: Final = 20
LOG_KEPT: Final = timedelta(days=30)
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0

log = structlog.get_logger("ibex.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """``poll_seconds`` is how long the worker relies on being woken; ``grace_seconds`` how long requests in flight may
    take after it was told to stop."""

    concurrency: int
    poll_seconds: float
    grace_seconds: float


class Worker:
    """Runs until it is told to stop."""

    def __init__(
        self,
        queue: DeliveryQueue,
        deliver: DeliverEvent,
        seal: SealAudit,
        housekeeping: PostgresHousekeeping,
        limits: WorkerLimits,
    ) -> None:
        self._queue = queue
        self._deliver = deliver
        self._seal = seal
        self._housekeeping = housekeeping
        self._limits = limits
        self._news = asyncio.Event()
        self._due = asyncio.Event()
        self._running: dict[asyncio.Task[None], DueDelivery] = {}

    def wake(self) -> None:
        """There may be something new."""
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until ``stop`` is set; then finishes what is in flight, or gives it back."""
        loops = [
            asyncio.create_task(self._for_ever(self._fan_out)),
            asyncio.create_task(self._for_ever(self._send)),
            asyncio.create_task(self._for_ever(self._chores)),
        ]
        await stop.wait()
        log.info("worker_stopping", in_flight=len(self._running))
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._finish()

    async def _for_ever(self, step: Callable[[], Awaitable[None]]) -> None:
        """Step after step; a database that is away, or a defect, ends neither this loop nor the others."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await step()
                pause = _FIRST_PAUSE_SECONDS
            except TemporarilyUnavailable as error:
                log.warning("database_unavailable", step=step.__name__, cause=type(error.__cause__).__name__)
            except Exception:
                log.exception("worker_step_failed", step=step.__name__)
            else:
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _fan_out(self) -> None:
        # Cleared before looking: what comes while it looks wakes it again.
        self._news.clear()
        while True:
            # Until nothing is left: a worker that found the work locked by this one relies on it.
            moved = await self._queue.fan_out() + await self._queue.replay()
            if not moved:
                break
            self._due.set()
        await _wait(self._news, self._limits.poll_seconds)

    async def _send(self) -> None:
        self._due.clear()
        free = self._limits.concurrency - len(self._running)
        in_flight = Counter(due.webhook_id for due in self._running.values())
        busy = [WebhookId(hook) for hook, count in in_flight.items() if count >= EACH]
        taken = await self._queue.claim(free, busy) if free > 0 else []
        for due in taken:
            task = asyncio.create_task(self._deliver_one(due))
            self._running[task] = due
            task.add_done_callback(self._done)
        if len(taken) < free and not self._running:
            next_in = await self._queue.seconds_to_next()
            wait = self._limits.poll_seconds if next_in is None else min(self._limits.poll_seconds, max(next_in, 0.05))
        else:
            # Whenever one is done there is room for another, of the same webhook too.
            wait = min(1.0, self._limits.poll_seconds)
        await _wait(self._due, wait)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._due.set()

    async def _deliver_one(self, due: DueDelivery) -> None:
        facts = {"webhook_id": str(due.webhook_id), "event_seq": due.event_seq, "try": due.tries}
        try:
            outcome = await self._deliver(due)
        except TemporarilyUnavailable:
            # The lease runs out, and it is done again: at least once.
            log.warning("delivery_not_recorded", **facts)
            return
        except Exception:
            log.exception("delivery_failed_here", **facts)
            return
        if outcome.disabled is not None:
            log.warning("webhook_disabled", because=outcome.disabled.value, **facts)
        elif outcome.delivered:
            log.debug("delivered", status=outcome.status, **facts)
        else:
            log.info("delivery_refused", status=outcome.status, error=outcome.error, **facts)

    async def _finish(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=self._limits.grace_seconds)
        left = dict(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if left:
            with contextlib.suppress(TemporarilyUnavailable):
                await self._queue.give_back(list(left.values()))
            log.info("deliveries_given_back", count=len(left))

    async def _chores(self) -> None:
        sealed = 0
        for store_id in await self._housekeeping.stores_to_seal():
            sealed += await self._seal(store_id)
        keys = await _in_batches(self._housekeeping.purge_idempotency_keys)
        pruned = await _in_batches(lambda limit: self._queue.prune(LOG_KEPT, limit))
        folded = await self._housekeeping.fold_reports()
        lag = await self._queue.lag()
        log.info(
            "worker_chores",
            sealed=sealed,
            keys_purged=keys,
            sums_folded=folded,
            deliveries_pruned=pruned,
            events_behind=lag.events,
            deliveries_due=lag.due,
            deliveries_waiting=lag.waiting,
            overdue_seconds=round(lag.overdue.total_seconds(), 1),
        )
        await asyncio.sleep(CHORES_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311 - replicas drift apart


async def _in_batches(remove: Callable[[int], Awaitable[int]]) -> int:
    removed = 0
    for _ in range(BATCHES):
        count = await remove(BATCH)
        removed += count
        if count < BATCH:
            break
    return removed


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
