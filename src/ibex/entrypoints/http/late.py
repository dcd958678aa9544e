"""An application that is built when the event loop runs, and taken down before it stops."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import FrameType
from typing import Any

from ibex.entrypoints.http.edge import App, Receive, Scope, Send
from ibex.entrypoints.http.lifecycle import Lifecycle


class LateApp:
    """ASGI with a lifespan: ``running`` opens what the application needs, yields it, and closes all again."""

    def __init__(self, running: Callable[[], AbstractAsyncContextManager[App]]) -> None:
        self._running = running
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._app is not None, "the server must run the lifespan before it serves"
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        started = False
        try:
            async with self._running() as self._app:
                started = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            kind = "shutdown" if started else "startup"
            await send({"type": f"lifespan.{kind}.failed", "message": f"{type(error).__name__}: {error}"})
            raise
        await send({"type": "lifespan.shutdown.complete"})


@asynccontextmanager
async def draining_on_signals(lifecycle: Lifecycle, delay_seconds: float) -> AsyncIterator[None]:
    """On SIGTERM or SIGINT readiness turns at once, and the server's own shutdown begins ``delay_seconds`` later.

    In between it still accepts and answers everything, so that whoever routes requests here has the time to notice.
    A second signal goes to the server without delay. Outside of the main thread nothing is changed.
    """
    loop = asyncio.get_running_loop()
    previous: dict[int, Any] = {}

    def begin(number: int, frame: FrameType | None) -> None:
        again, handler = lifecycle.draining, previous[number]
        lifecycle.drain()
        if again or delay_seconds <= 0:
            handler(number, frame)
        else:
            loop.call_soon_threadsafe(loop.call_later, delay_seconds, handler, number, None)

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            if callable(handler):
                previous[number] = handler
                signal.signal(number, begin)
    except ValueError:  # not the main thread: whoever runs the loop there has its own ways
        previous.clear()
    try:
        yield
    finally:
        for changed, handler in previous.items():
            if signal.getsignal(changed) is begin:
                signal.signal(changed, handler)
