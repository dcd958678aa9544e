"""LISTEN on a connection of its own, past the pooler, made again whenever it is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import structlog

from ibex.adapters.postgres.engine import Connection, connect_direct, keep_alive
from ibex.adapters.postgres.nudge import CHANNEL
from ibex.adapters.postgres.pool import CONNECT_FAILURES
from ibex.settings import DatabaseSettings

APPLICATION_NAME: Final = "ibex-worker-listen"
PULSE_SECONDS: Final = 60.0
"""How often the connection is tried; a network that drops silently would leave it deaf."""
PULSE_TIMEOUT_SECONDS: Final = 10.0
LONGEST_PAUSE_SECONDS: Final = 30.0

log = structlog.get_logger("ibex.listen")


async def listen(database: DatabaseSettings, heard: Callable[[], None]) -> None:
    """Calls ``heard`` for every notification, and after each time that the connection was made. Runs until cancelled.

    Without a connection nothing is lost: whoever listens also looks by itself now and then.
    """
    if database.endpoint == "pooled":
        log.warning("listen_impossible", detail="a pooler passes no notifications on; work is looked for by polling")
        return
    pause = 1.0
    while True:
        try:
            connection = await connect_direct(database, APPLICATION_NAME)
        except CONNECT_FAILURES as error:
            log.warning("listen_unreachable", error=type(error).__name__, again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            continue
        pause = 1.0
        try:
            await _hear(connection, heard)
        except CONNECT_FAILURES as error:
            log.warning("listen_lost", error=type(error).__name__)
        finally:
            # It has no state worth a farewell, and the network may be gone.
            connection.terminate()
        await asyncio.sleep(pause)


async def _hear(connection: Connection, heard: Callable[[], None]) -> None:
    lost = asyncio.Event()

    def on_notify(*_: Any) -> None:
        heard()

    def on_loss(_: Any) -> None:
        lost.set()

    keep_alive(connection)
    connection.add_termination_listener(on_loss)
    await connection.add_listener(CHANNEL, on_notify)
    heard()
    while not lost.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PULSE_SECONDS):
                await lost.wait()
        if not lost.is_set():
            await connection.execute("SELECT 1", timeout=PULSE_TIMEOUT_SECONDS)
    raise ConnectionError("the listening connection was closed")
