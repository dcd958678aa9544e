"""An application that lives as long as the server's lifespan, and signals that drain it."""

import asyncio
import signal
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ibex.entrypoints.http.edge import App
from ibex.entrypoints.http.late import LateApp, draining_on_signals
from ibex.entrypoints.http.lifecycle import Lifecycle


async def talk(app: LateApp) -> list[str]:
    """What the application says to a server that starts and stops it."""
    said: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "lifespan.shutdown" if said else "lifespan.startup"}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message["type"])

    try:
        await app({"type": "lifespan"}, receive, send)
    except RuntimeError:
        said.append("raised")
    return said


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """Serves nobody."""


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("", ["lifespan.startup.complete", "lifespan.shutdown.complete"]),
        ("opening", ["lifespan.startup.failed", "raised"]),
        ("closing", ["lifespan.startup.complete", "lifespan.shutdown.failed", "raised"]),
    ],
)
async def test_the_server_hears_how_it_went(fails: str, said: list[str]) -> None:
    @asynccontextmanager
    async def running() -> AsyncIterator[App]:
        if fails == "opening":
            raise RuntimeError("no pool")
        yield nothing
        if fails == "closing":
            raise RuntimeError("stuck")

    assert await talk(LateApp(running)) == said


async def test_the_first_signal_drains_and_the_servers_own_handler_follows_later() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        lifecycle = Lifecycle()
        async with draining_on_signals(lifecycle, 0.2):
            signal.raise_signal(signal.SIGTERM)
            assert lifecycle.draining
            assert heard == []
            await asyncio.sleep(0.05)
            assert heard == []
            await asyncio.sleep(0.3)
            assert heard == [signal.SIGTERM]
            signal.raise_signal(signal.SIGTERM)
            assert heard == [signal.SIGTERM] * 2, "a second signal is passed on at once"
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM] * 3, "the handler was put back"
    finally:
        signal.signal(signal.SIGTERM, before)
