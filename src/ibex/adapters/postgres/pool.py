"""A pool of connections that stays whole when the database does not.

Connections are made by tasks of the pool's own, never by the request that waits for one: a request that gives up
does not break off a connection that is nearly there, and one that is stuck does not hold up the others. Handing out
and taking back cost no round trip and no task. A connection whose statement did not end by itself (its time was up,
its caller went away, the network was lost) is never handed out again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import asyncpg
import structlog

from ibex.adapters.postgres.reachability import why_unreachable

# A string, because asyncpg's class is generic for type checkers only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connect: TypeAlias = Callable[[float], Coroutine[Any, Any, Connection]]
"""Makes a connection within so many seconds, in one attempt."""

MAX_IDLE_SECONDS: Final = 200.0
"""Neon suspends a compute after 300 idle seconds; a connection that has rested for longer than this is closed."""
FIRST_ATTEMPT_SECONDS: Final = 5.0
"""The second attempt gets twice as long, and so on up to the connect timeout: one lost packet need not cost all."""
CLOSE_SECONDS: Final = 2.0
"""How long a spoilt connection may take to tell the server that its statement is to be cancelled."""
RETRY_BASE_SECONDS: Final = 0.05
RETRY_CAP_SECONDS: Final = 1.0
CONNECT_FAILURES: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
NEVER_BETTER: Final = frozenset({"IBEX-E204", "IBEX-E205"})
"""The certificate is not trusted, or the database refuses the user: only a person can mend that."""
_REAP_SECONDS: Final = 20.0
_REMIND_SECONDS: Final = 10.0

log = structlog.get_logger("ibex.database")


class PoolTimeoutError(Exception):
    """No connection in time, or the pool is closing. Nothing was sent. ``__cause__`` is why none could be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """The pool at this moment."""

    size: int
    in_use: int
    free: int
    opening: int
    waiting: int
    opened_total: int
    failed_total: int
    """Attempts to connect that failed."""


def backoff(attempt: int) -> float:
    """Seconds to wait before another try, jittered so that many do not come back together. The first is 1."""
    ceiling: float = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2.0 ** min(attempt, 10))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


class Pool:
    """At most ``size`` connections, made when they are needed. Use it in one event loop."""

    def __init__(
        self,
        connect: Connect,
        *,
        size: int,
        wait_seconds: float,
        connect_seconds: float,
        max_idle_seconds: float = MAX_IDLE_SECONDS,
    ) -> None:
        """``wait_seconds`` bounds the wait while others use the connections, ``connect_seconds`` the bridge over
        an outage: as long as there is no connection at all, those who come within it wait for the first one."""
        self._connect = connect
        self._size = size
        self._wait_seconds = wait_seconds
        self._connect_seconds = connect_seconds
        self._max_idle_seconds = max_idle_seconds
        self._in_use: set[Connection] = set()
        self._free: list[tuple[Connection, float]] = []  # the one that was heard of last at the end
        self._waiting: deque[asyncio.Future[Connection]] = deque()
        self._opening = 0
        self._ending = 0
        self._closed = False
        self._all_back = asyncio.Event()
        self._outage_since: float | None = None
        self._failed_at = 0.0
        self._reminded_at = 0.0
        self._cause: BaseException | None = None
        self.released_total = 0
        """How often a connection came back, that is how many statements have been sent."""
        self._opened_total = 0
        self._failed_total = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None

    @property
    def figures(self) -> PoolFigures:
        """How full it is."""
        return PoolFigures(
            size=self._size,
            in_use=len(self._in_use),
            free=len(self._free),
            opening=self._opening,
            waiting=len(self._waiting),
            opened_total=self._opened_total,
            failed_total=self._failed_total,
        )

    async def acquire(self, patience_seconds: float) -> Connection:
        """A connection for the caller alone, within ``patience_seconds`` at most. Raises PoolTimeoutError."""
        if self._closed:
            raise PoolTimeoutError("the pool is closed")
        if not self._waiting and (connection := self._take()) is not None:
            return connection
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._open_missing()
        asked_at = time.monotonic()
        try:
            # Looked at again when it is over: the others' connections may have gone meanwhile, and this be an outage.
            while not waiter.done():
                now = time.monotonic()
                left = min(asked_at + patience_seconds, self._patient_until(asked_at, now)) - now
                if left <= 0:
                    raise PoolTimeoutError("no connection in time") from self._cause
                await asyncio.wait((waiter,), timeout=left)
            return waiter.result()
        except BaseException:
            self._forget(waiter)
            raise

    def release(self, connection: Connection, *, sound: bool) -> None:
        """Take it back. ``sound``: its statement has ended by itself, with rows or with the server's refusal."""
        self._in_use.discard(connection)
        self.released_total += 1
        if self._closed and not self._in_use:
            self._all_back.set()
        if connection.is_closed():
            connection.terminate()  # frees what asyncpg keeps of it
            self._open_missing()
        elif not sound or self._closed:
            self._end(connection)
        else:
            self._hand_out(connection)

    def suspect(self, since: float) -> None:
        """A connection fell silent: close those that were not heard of after ``since`` (monotonic) either."""
        suspects = [connection for connection, heard in self._free if heard < since]
        self._free = [one for one in self._free if one[1] >= since]
        for connection in suspects:
            self._end(connection)

    async def close(self, grace_seconds: float) -> None:
        """Refuse new callers, wait up to ``grace_seconds`` for connections in use, and cut what is left."""
        self._closed = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(PoolTimeoutError("the pool is closing"))
        self._waiting.clear()
        if self._reaper is not None:
            self._reaper.cancel()
        free, self._free = self._free, []
        for connection, _ in free:
            self._end(connection)
        if self._in_use:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._all_back.wait()
        for connection in list(self._in_use):
            connection.terminate()
        for task in list(self._tasks):
            if task.get_name() == "open":
                task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSE_SECONDS + 0.5)

    def _take(self) -> Connection | None:
        oldest = time.monotonic() - self._max_idle_seconds
        while self._free:
            connection, heard = self._free.pop()
            if connection.is_closed():
                connection.terminate()
            elif heard < oldest:
                self._end(connection)
            else:
                self._in_use.add(connection)
                return connection
        return None

    def _hand_out(self, connection: Connection) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._in_use.add(connection)
                waiter.set_result(connection)
                return
        self._free.append((connection, time.monotonic()))
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(_REAP_SECONDS, self._reap)

    def _forget(self, waiter: asyncio.Future[Connection]) -> None:
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiter)
        # It may have been served in the very moment in which its caller gave up.
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.release(waiter.result(), sound=True)

    def _patient_until(self, asked_at: float, now: float) -> float:
        usual = asked_at + self._wait_seconds
        if self._in_use or self._free:
            return usual
        since = now if self._outage_since is None else self._outage_since
        return max(usual, since + self._connect_seconds)

    @property
    def _places_left(self) -> int:
        return self._size - len(self._in_use) - len(self._free) - self._opening - self._ending

    def _open_missing(self) -> None:
        while not self._closed and self._opening < len(self._waiting) and self._places_left > 0:
            self._opening += 1
            self._start(self._open(), "open")

    async def _open(self) -> None:
        """Makes one connection, trying again for as long as somebody waits."""
        try:
            self._note_outage()
            connection = await self._try_until_nobody_waits()
        finally:
            self._opening -= 1
        if connection is None:
            return
        self._opened_total += 1
        self._recovered()
        if self._closed:
            self._end(connection)
        else:
            self._hand_out(connection)

    def _note_outage(self) -> None:
        now = time.monotonic()
        forgotten = now - self._failed_at > self._connect_seconds
        if not self._in_use and not self._free and (self._outage_since is None or forgotten):
            self._outage_since = now

    async def _try_until_nobody_waits(self) -> Connection | None:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._connect(min(self._connect_seconds, FIRST_ATTEMPT_SECONDS * attempt))
            except CONNECT_FAILURES as error:
                self._failed(error)
            if not self._waiting or self._closed:
                return None
            await asyncio.sleep(backoff(attempt))
            if not self._waiting or self._closed:
                return None

    def _failed(self, error: Exception) -> None:
        self._failed_total += 1
        self._cause = error
        reason = why_unreachable(error)
        self._note_outage()
        self._failed_at = now = time.monotonic()
        if now - self._reminded_at >= _REMIND_SECONDS:
            self._reminded_at = now
            log.warning(
                "database_unreachable", id=reason.id, detail=reason.message, fix=reason.fix, waiting=len(self._waiting)
            )
        if reason.id in NEVER_BETTER:
            # Trying again would not help anybody who waits now; who comes later asks anew.
            waiting, self._waiting = self._waiting, deque()
            for waiter in waiting:
                if not waiter.done():
                    failure = PoolTimeoutError("the database refuses this service")
                    failure.__cause__ = error
                    waiter.set_exception(failure)

    def _recovered(self) -> None:
        since, self._outage_since, self._cause = self._outage_since, None, None
        if since is not None and self._reminded_at:
            log.info("database_reachable", seconds=round(time.monotonic() - since, 2))
        self._reminded_at = 0.0

    def _end(self, connection: Connection) -> None:
        self._ending += 1
        self._start(self._close_one(connection), "end")

    async def _close_one(self, connection: Connection) -> None:
        try:
            # asyncpg asks the server to cancel a statement that still runs, and waits for it within the time.
            await connection.close(timeout=CLOSE_SECONDS)
        except CONNECT_FAILURES:
            pass
        finally:
            connection.terminate()
            self._ending -= 1
            self._open_missing()

    def _reap(self) -> None:
        """Closes those that have rested too long, and forgets those that the other side has closed."""
        self._reaper = None
        oldest = time.monotonic() - self._max_idle_seconds
        kept: list[tuple[Connection, float]] = []
        for connection, heard in self._free:
            if connection.is_closed():
                connection.terminate()
            elif heard < oldest:
                self._end(connection)
            else:
                kept.append((connection, heard))
        self._free = kept
        if kept and not self._closed:
            self._reaper = asyncio.get_running_loop().call_later(_REAP_SECONDS, self._reap)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        # Without the context of the request that happened to need it: this is nobody's in particular.
        task = asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
