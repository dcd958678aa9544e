"""`ibex worker`: what is done behind the shops' backs, in as many processes as there need to be."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from datetime import timedelta
from importlib.metadata import version
from typing import Final

import click
import structlog

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.deliveries import PostgresDeliveryQueue
from ibex.adapters.postgres.engine import make_pool
from ibex.adapters.postgres.housekeeping import PostgresHousekeeping
from ibex.adapters.postgres.journal import PostgresJournal
from ibex.adapters.postgres.listener import listen
from ibex.adapters.postgres.queries.audit import PostgresAuditChain
from ibex.adapters.postgres.readiness import DatabaseReadiness
from ibex.adapters.postgres.webhooks import PostgresWebhooks
from ibex.adapters.system import SystemClock, SystemKeys, Uuid7Source
from ibex.adapters.webhook_body import event_body
from ibex.adapters.webhook_sender import PinnedSender
from ibex.domain.audit.chain import SealAudit
from ibex.domain.events.deliver import DeliverEvent
from ibex.domain.events.destinations import DestinationRules
from ibex.entrypoints.commands.worker_loops import Worker, WorkerLimits
from ibex.entrypoints.logs import configure_logs
from ibex.entrypoints.telemetry import TracedSender, span_provider
from ibex.settings import Settings, load_settings

READY_PAUSE_SECONDS: Final = 2.0
POOL_CLOSE_SECONDS: Final = 5.0

log = structlog.get_logger("ibex.worker")


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 500), default=32, show_default=True, help="Requests at once.")
@click.option(
    "--timeout-seconds",
    type=click.FloatRange(0.5, 60),
    default=15.0,
    show_default=True,
    help="How long a receiver may take to answer.",
)
@click.option(
    "--poll-seconds",
    type=click.FloatRange(0.1, 300),
    default=10.0,
    show_default=True,
    help="How often to look for work when nothing wakes the worker.",
)
def worker(concurrency: int, timeout_seconds: float, poll_seconds: float) -> None:
    """Deliver webhooks, seal the audit trail, tidy up.

    Any number of workers may run at once; one that dies loses nothing. SIGTERM lets requests in flight finish.
    """
    settings = load_settings()
    configure_logs(settings.log_level, settings.database.redact)
    limits = WorkerLimits(
        concurrency=concurrency, poll_seconds=poll_seconds, grace_seconds=settings.shutdown_grace_seconds
    )
    asyncio.run(work(settings, limits, timeout_seconds=timeout_seconds))


async def work(settings: Settings, limits: WorkerLimits, *, timeout_seconds: float) -> None:
    """Runs until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    pool = make_pool(
        settings.database,
        size=settings.pool_size,
        wait_seconds=settings.pool_wait_seconds,
        application_name="ibex-worker",
        connect_timeout_seconds=settings.connect_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        lock_timeout_seconds=settings.lock_timeout_seconds,
    )
    database = Database(
        pool,
        pooled=settings.database.pooled,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        lock_timeout_seconds=settings.lock_timeout_seconds,
    )
    sender = PinnedSender(DestinationRules(allow_loopback=settings.webhook_loopback), timeout_seconds=timeout_seconds)
    spans = span_provider(version("ibex-backend")) if settings.tracing else None
    traced = sender if spans is None else TracedSender(sender, spans)
    # Two timeouts and a little: a worker that is alive has always finished, or given up, before others may take over.
    lease = timedelta(seconds=2 * timeout_seconds + 5)
    queue, webhooks = PostgresDeliveryQueue(database, lease=lease), PostgresWebhooks(database)
    keys, clock = SystemKeys(), SystemClock()
    deliver = DeliverEvent(queue, traced, webhooks, PostgresJournal(database), clock, Uuid7Source(), keys, event_body)
    seal = SealAudit(PostgresAuditChain(database))
    running = Worker(queue, deliver, seal, PostgresHousekeeping(database), limits)
    try:
        if await _ready(DatabaseReadiness(database), stop):
            ears = asyncio.create_task(listen(settings.database, running.wake))
            log.info("worker_started", concurrency=limits.concurrency)
            await running.run(stop)
            ears.cancel()
            await asyncio.gather(ears, return_exceptions=True)
    finally:
        sender.close()
        if spans is not None:
            await asyncio.to_thread(spans.shutdown)
        await pool.close(POOL_CLOSE_SECONDS)
    log.info("worker_stopped")


async def _ready(readiness: DatabaseReadiness, stop: asyncio.Event) -> bool:
    """Waits until the database is there and its schema is right; False if it was told to stop before."""
    said = ""
    while not stop.is_set():
        obstacle = await readiness.obstacle()
        if obstacle is None:
            return True
        if obstacle != said:
            log.warning("not_ready", detail=obstacle)
            said = obstacle
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_PAUSE_SECONDS):
                await stop.wait()
    return False


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(number, stop.set)
