"""Statements on the pool: one round trip each, bounded in time, with failures told apart.

A statement runs on its own, in a transaction of its own (autocommit). Through a pooler in transaction mode it is
wrapped in an explicit transaction instead, because the pooler may otherwise change the backend between parsing and
running.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg

from ibex.domain.shared.errors import OutcomeUnknown, TemporarilyUnavailable

T = TypeVar("T")
Record: TypeAlias = "asyncpg.Record"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    ConnectionError,
    EOFError,
    OSError,
)
"""The connection is gone. asyncpg's InterfaceError is its client-side word for a connection that was closed."""
BUSY: Final = (asyncpg.TooManyConnectionsError, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
CONTENDED: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class Database:
    """The pool, and the rules of using it."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], *, wait_seconds: float, pooled: bool) -> None:
        self._pool = pool
        self._wait_seconds = wait_seconds
        self._pooled = pooled

    @property
    def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """The pool itself, for its figures."""
        return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for one statement. Raises TemporarilyUnavailable if none is free or can be made in time."""
        try:
            connection = await self._pool.acquire(timeout=self._wait_seconds)
        except (*LOST, *BUSY, TimeoutError) as error:
            raise unavailable() from error
        try:
            if self._pooled:
                async with connection.transaction():
                    yield connection
            else:
                yield connection
        finally:
            await asyncio.shield(self._pool.release(connection))

    async def read(self, statement: str, *arguments: Any) -> list[Record]:
        """The rows of a read. It is sent again once if the connection turns out to be dead: a read changes nothing."""
        try:
            return await self._fetch(statement, arguments)
        except LOST:
            pass
        except (*BUSY, *CONTENDED, TimeoutError) as error:
            raise unavailable() from error
        try:
            return await self._fetch(statement, arguments)
        except (*LOST, *BUSY, *CONTENDED, TimeoutError) as error:
            raise unavailable() from error

    async def read_one(self, statement: str, *arguments: Any) -> Record | None:
        """The first row of a read, or None."""
        rows = await self.read(statement, *arguments)
        return rows[0] if rows else None

    async def write(self, statement: str, *arguments: Any, repeatable: bool) -> list[Record]:
        """The rows of a write. Only a ``repeatable`` one (it has an idempotency key) is ever sent twice.

        Raises OutcomeUnknown if the connection was lost after sending, TemporarilyUnavailable if nothing happened;
        PostgresError of the statement's own making goes through.
        """
        for attempt in (1, 2, 3):
            try:
                return await self._fetch(statement, arguments)
            except CONTENDED as error:
                # Rolled back by the server, so that nothing happened: safe to repeat whatever it was.
                if attempt == 3:
                    raise unavailable() from error
            except LOST as error:
                if not repeatable:
                    raise outcome_unknown() from error
                if attempt == 3:
                    raise outcome_unknown() from error
            except BUSY as error:
                raise unavailable() from error
            except TimeoutError as error:
                raise outcome_unknown() from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def write_together(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What ``work`` does on one connection in one transaction; only for work that may be repeated.

        Raises OutcomeUnknown if the connection was lost each time, TemporarilyUnavailable if nothing happened;
        PostgresError of the work's own making goes through.
        """
        for attempt in (1, 2, 3):
            try:
                async with self.connection() as connection, connection.transaction():
                    return await work(connection)
            except CONTENDED as error:
                if attempt == 3:
                    raise unavailable() from error
            except LOST as error:
                if attempt == 3:
                    raise outcome_unknown() from error
            except BUSY as error:
                raise unavailable() from error
            except TimeoutError as error:
                raise outcome_unknown() from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def stream(self, statement: str, *arguments: Any, prefetch: int = 1000) -> AsyncIterator[list[Record]]:
        """The rows in portions, in constant memory, from one snapshot."""
        try:
            connection = await self._pool.acquire(timeout=self._wait_seconds)
        except (*LOST, *BUSY, TimeoutError) as error:
            raise unavailable() from error
        try:
            async with connection.transaction(readonly=True, isolation="repeatable_read"):
                cursor = await connection.cursor(statement, *arguments)
                while rows := await cursor.fetch(prefetch):
                    yield rows
        finally:
            await self._pool.release(connection)

    async def _fetch(self, statement: str, arguments: tuple[Any, ...]) -> list[Record]:
        async with self.connection() as connection:
            return await connection.fetch(statement, *arguments)


def unavailable() -> TemporarilyUnavailable:
    """Nothing has happened; the caller may repeat."""
    return TemporarilyUnavailable(
        "The database cannot answer right now. Nothing was changed; repeat the request shortly.",
        effect="none",
    )


def outcome_unknown() -> OutcomeUnknown:
    """The effect may have happened; only a repeat with the same key is safe."""
    return OutcomeUnknown(
        "The connection was lost before the answer came; the effect may have happened. "
        "Repeat the request with the same Idempotency-Key, or read before you repeat.",
        effect="unknown",
    )
