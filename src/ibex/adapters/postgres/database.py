"""Statements on the pool: one round trip each, bounded in time, with failures told apart.

A statement runs on its own, in a transaction of its own (autocommit). Through a pooler in transaction mode it is
wrapped in an explicit transaction instead, because the pooler may otherwise change the backend between parsing and
running.

What is tried again, within the caller's deadline and with jitter: a read; a write of which nothing can have happened
(its statement was never sent, or the server rolled it back for a deadlock); and a write with an idempotency key, of
which the database knows itself whether it has happened. Nothing else is ever sent twice.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg

from ibex.adapters.postgres.call import Call, current_call
from ibex.adapters.postgres.failures import (
    BUSY,
    CLIENT_SIDE,
    CONTENDED,
    LOST,
    STILL_RUNNING,
    LostError,
    outcome_unknown,
    unavailable,
)
from ibex.adapters.postgres.pool import Connection, Pool, PoolTimeoutError, backoff
from ibex.domain.shared.errors import TemporarilyUnavailable

T = TypeVar("T")
Record: TypeAlias = "asyncpg.Record"
Ask: TypeAlias = "Callable[..., Awaitable[list[Record]]]"
"""Sends a statement with its arguments within a transaction, and returns the rows."""

CLIENT_GRACE_SECONDS: Final = 1.0
"""The server cuts off a statement that takes too long; if it does not, the client does so this much later."""
STREAM_WAIT_SECONDS: Final = 5.0
"""How long an export waits for one of those that are going on to end."""
MIN_SECONDS: Final = 0.05
"""A statement is not begun with less than this before the deadline."""


class Database:
    """The pool, and the rules of using it."""

    def __init__(
        self,
        pool: Pool,
        *,
        pooled: bool,
        statement_timeout_seconds: float = 15.0,
        lock_timeout_seconds: float = 5.0,
    ) -> None:
        self._pool = pool
        self._streams = asyncio.Semaphore(max(1, pool.figures.size // 3))
        self._pooled = pooled
        self._statement_seconds = statement_timeout_seconds + CLIENT_GRACE_SECONDS
        # One round trip, as BEGIN alone would be.
        self._begin = (
            f"BEGIN; SET LOCAL statement_timeout = {int(statement_timeout_seconds * 1000)}; "
            f"SET LOCAL lock_timeout = {int(lock_timeout_seconds * 1000)}"
        )

    @property
    def pool(self) -> Pool:
        """The pool itself, for its figures."""
        return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a read of several statements. Raises TemporarilyUnavailable if there is none in time."""
        call = current_call()
        connection = await self._acquire(call)
        sound = False
        try:
            yield connection
            sound = not connection.is_in_transaction()
        except asyncpg.PostgresError:
            # A transaction that was left open must not be the next one's.
            sound = not connection.is_in_transaction()
            raise
        finally:
            self._pool.release(connection, sound=sound)

    async def read(self, statement: str, *arguments: Any) -> list[Record]:
        """The rows of a read. It is sent again if its connection turns out to be dead: a read changes nothing.

        Raises TemporarilyUnavailable.
        """
        call = current_call()
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._fetch(call, statement, arguments)
            except (LostError, *CONTENDED) as error:
                await self._pause(call, attempt, error, unknown=False)
            except BUSY as error:
                raise unavailable() from error

    async def read_one(self, statement: str, *arguments: Any) -> Record | None:
        """The first row of a read, or None."""
        rows = await self.read(statement, *arguments)
        return rows[0] if rows else None

    async def write(self, statement: str, *arguments: Any, repeatable: bool) -> list[Record]:
        """The rows of a write. Only a ``repeatable`` one (it has an idempotency key) is sent again when it may have
        happened.

        Raises OutcomeUnknown if it may have happened, TemporarilyUnavailable if nothing has; PostgresError of the
        statement's own making goes through.
        """
        call = current_call()
        return await self._until_done(call, lambda: self._fetch(call, statement, arguments), repeatable=repeatable)

    async def write_together(self, work: Callable[[Ask], Awaitable[T]], *, seconds: float) -> T:
        """What ``work`` asks for, in one transaction of at most ``seconds``; only for work that may be repeated.

        Raises as ``write`` does. Whatever else the work raises rolls the transaction back.
        """
        call = current_call()
        return await self._until_done(call, lambda: self._together(call, work, seconds), repeatable=True)

    async def _until_done(self, call: Call, attempt_once: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        attempt, unknown = 0, False
        while True:
            attempt += 1
            try:
                return await attempt_once()
            except LostError as error:
                unknown = unknown or error.sent
                if error.sent and not repeatable:
                    raise outcome_unknown() from error.__cause__
                await self._pause(call, attempt, error, unknown=unknown)
            except CONTENDED as error:
                await self._pause(call, attempt, error, unknown=unknown)
            except BUSY as error:
                raise (outcome_unknown() if unknown else unavailable()) from error
            except TemporarilyUnavailable as error:
                raise (outcome_unknown() if unknown else error) from error.__cause__
            except asyncpg.PostgresError as error:
                # The attempt that was lost is still at work in its transaction: what comes of it will be seen.
                if not (unknown and error.sqlstate == STILL_RUNNING):
                    raise
                await self._pause(call, attempt, error, unknown=True)

    async def stream(self, statement: str, *arguments: Any, prefetch: int = 1000) -> AsyncIterator[list[Record]]:
        """The rows in portions, in constant memory, from one snapshot. Raises TemporarilyUnavailable.

        A stream keeps its connection for as long as its reader takes, so only a third of the pool may stream.
        """
        call = current_call()
        await self._wait_for_a_stream(call)
        try:
            connection = await self._acquire(call)
            sound = False
            try:
                async with connection.transaction(readonly=True, isolation="repeatable_read"):
                    cursor = await connection.cursor(statement, *arguments)
                    while rows := await cursor.fetch(prefetch, timeout=self._time_for(call)):
                        call.statements += 1
                        yield rows
                sound = True
            finally:
                self._pool.release(connection, sound=sound)
        finally:
            self._streams.release()

    async def _wait_for_a_stream(self, call: Call) -> None:
        try:
            async with asyncio.timeout(min(self._time_for(call), STREAM_WAIT_SECONDS)):
                await self._streams.acquire()
        except TimeoutError as error:
            raise unavailable() from error

    async def _acquire(self, call: Call) -> Connection:
        try:
            return await self._pool.acquire(self._time_for(call))
        except PoolTimeoutError as error:
            raise unavailable() from (error.__cause__ or error)

    async def _fetch(self, call: Call, statement: str, arguments: tuple[Any, ...]) -> list[Record]:
        """One attempt. Raises LostError if the connection is gone or silent, PostgresError if the server refuses."""
        connection = await self._acquire(call)
        progress = _Progress(connection)
        sound = False
        seconds = self._time_for(call)
        call.statements += 1
        try:
            if self._pooled:
                rows = await self._fetch_in_transaction(connection, progress, statement, arguments, seconds)
            else:
                rows = await connection.fetch(statement, *arguments, timeout=seconds)
            sound = True
            return rows
        except TimeoutError as error:
            # Not the server's word (that is QueryCanceled): nothing was heard from it in all the time.
            if seconds >= self._statement_seconds:
                self._pool.suspect(progress.began)
            raise LostError(sent=progress.sent) from error
        except LOST as error:
            raise LostError(sent=progress.sent) from error
        except CLIENT_SIDE as error:
            if not connection.is_closed():
                raise
            raise LostError(sent=progress.sent) from error
        except asyncpg.PostgresError:
            sound = not self._pooled or not connection.is_in_transaction()
            raise
        finally:
            self._pool.release(connection, sound=sound)
            if call.traced:
                failure = sys.exception()
                kind = "" if failure is None else type(failure).__name__
                call.trail.append((statement, progress.began, time.monotonic(), kind))

    async def _fetch_in_transaction(
        self, connection: Connection, progress: _Progress, statement: str, arguments: tuple[Any, ...], seconds: float
    ) -> list[Record]:
        """Three round trips. Only the last one, COMMIT, can leave it open whether anything has happened."""
        progress.in_transaction = True
        await connection.execute(self._begin, timeout=seconds)
        try:
            rows = await connection.fetch(statement, *arguments, timeout=seconds)
        except asyncpg.PostgresError:
            if not connection.is_closed():
                await connection.execute("ROLLBACK", timeout=seconds)
            raise
        progress.mark()
        progress.in_transaction = False
        await connection.execute("COMMIT", timeout=seconds)
        return rows

    async def _together(self, call: Call, work: Callable[[Ask], Awaitable[T]], seconds: float) -> T:
        """One attempt at work of several statements. Raises as ``_fetch`` does."""
        connection = await self._acquire(call)
        progress = _Progress(connection)
        progress.in_transaction = True
        sound = False
        allowed = min(call.left(), seconds)

        async def ask(statement: str, *arguments: Any) -> list[Record]:
            call.statements += 1
            return await connection.fetch(statement, *arguments, timeout=allowed + CLIENT_GRACE_SECONDS)

        try:
            begin = f"{self._begin}; SET LOCAL statement_timeout = {max(1, int(allowed * 1000))}"
            await connection.execute(begin, timeout=allowed)
            try:
                result = await work(ask)
            except asyncpg.PostgresError:
                if not connection.is_closed():
                    await connection.execute("ROLLBACK", timeout=allowed)
                raise
            progress.mark()
            progress.in_transaction = False
            await connection.execute("COMMIT", timeout=allowed)
            sound = True
            return result
        except (TimeoutError, *LOST) as error:
            raise LostError(sent=progress.sent) from error
        except CLIENT_SIDE as error:
            if not connection.is_closed():
                raise
            raise LostError(sent=progress.sent) from error
        except asyncpg.PostgresError:
            sound = not connection.is_in_transaction()
            raise
        finally:
            self._pool.release(connection, sound=sound)

    def _time_for(self, call: Call) -> float:
        """Seconds for the next step of the call. Raises TemporarilyUnavailable if none are left."""
        left = call.left()
        if left < MIN_SECONDS:
            raise unavailable()
        return min(left, self._statement_seconds)

    @staticmethod
    async def _pause(call: Call, attempt: int, cause: Exception, *, unknown: bool) -> None:
        """Wait before the next attempt, or raise what the caller is to be told if there is no time for one."""
        delay = backoff(attempt)
        if call.left() < delay + MIN_SECONDS:
            raise (outcome_unknown() if unknown else unavailable()) from (cause.__cause__ or cause)
        call.retries += 1
        await asyncio.sleep(delay)


class _Progress:
    """How far one attempt has come: could the server have done it?"""

    __slots__ = ("_before", "_protocol", "began", "in_transaction")

    def __init__(self, connection: Connection) -> None:
        # Kept by hand, because a connection forgets its protocol when it is cut.
        self._protocol = connection._protocol  # type: ignore[attr-defined]  # asyncpg's own pool does so too
        self._before = self._protocol.queries_count
        self.began = time.monotonic()
        self.in_transaction = False
        """True while the transaction is open and its COMMIT has not been sent: nothing can have happened."""

    def mark(self) -> None:
        """From here on, what is sent counts."""
        self._before = self._protocol.queries_count

    @property
    def sent(self) -> bool:
        """asyncpg counts a statement when it has written its execution, and not when it only prepares it."""
        return not self.in_transaction and bool(self._protocol.queries_count > self._before)
