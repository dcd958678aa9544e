"""One deploy at a time: a session advisory lock on a connection of its own, polled with a deadline.

The session lock is held from the first look at the ledger to the end. A second lock is held by the
transaction that applies a revision: when a deploy is killed, the server may still be busy with its last
statement although the session lock is free already, and the next deploy waits for that transaction to be
gone.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ibex.adapters.postgres.engine import Connection, connect_direct
from ibex.adapters.postgres.session_lock import session_lock_is_kept
from ibex.settings import DatabaseSettings

Say = Callable[[str], None]

DEPLOY_LOCK: Final = 0x49424558_00000001
REVISION_LOCK: Final = 0x49424558_00000002
_POLL_SECONDS: Final = 0.5
_NAME_THE_HOLDER_EVERY_SECONDS: Final = 5.0


class LockBusyError(Exception):
    """The deadline passed while somebody else held the lock; the message names the holder."""


class LockLostError(Exception):
    """The session lock does not stay on one backend: there is a pooler in between, or the connection
    broke."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock. Ages are seconds."""

    pid: int
    application: str
    age_seconds: float
    state: str

    def __str__(self) -> str:
        name = self.application or "no name"
        return f"pid {self.pid}, {name}, connected for {self.age_seconds:.0f} s, {self.state}"


async def hold_deploy_lock(connection: Connection, deadline_seconds: float, say: Say) -> None:
    """Take the session lock. Raises LockBusyError, or LockLostError where a session lock is not kept."""

    async def attempt() -> bool:
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", DEPLOY_LOCK))

    await _poll(connection, attempt, DEPLOY_LOCK, deadline_seconds, say)
    await verify_deploy_lock(connection)


async def verify_deploy_lock(connection: Connection) -> None:
    """Raise LockLostError unless this very session still holds the lock."""
    held = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
        " AND pid = pg_backend_pid() AND ((classid::bigint << 32) | objid::bigint) = $1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
        DEPLOY_LOCK,
    )
    if not held:
        raise LockLostError("the session lock did not stay on its connection")


async def prove_deploy_lock(connection: Connection, database: DatabaseSettings) -> None:
    """Raise LockLostError when another session could take the lock as well."""
    other = await connect_direct(database, "ibex migrate probe", command_timeout_seconds=30)
    try:
        if not await session_lock_is_kept(connection, other, DEPLOY_LOCK):
            raise LockLostError("another session reaches the lock: a pooler is in between")
    finally:
        other.terminate()


async def hold_revision_lock(connection: Connection, observer: Connection, deadline_seconds: float, say: Say) -> None:
    """Take the second lock for the current transaction of `connection`. Raises LockBusyError."""

    async def attempt() -> bool:
        return bool(await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", REVISION_LOCK))

    await _poll(observer, attempt, REVISION_LOCK, deadline_seconds, say)


async def find_holder(connection: Connection, key: int) -> Holder | None:
    """Who holds the lock now; None when it is free."""
    row = await connection.fetchrow(
        "SELECT a.pid, a.application_name, coalesce(a.state, 'state hidden') AS state,"
        " coalesce(extract(epoch FROM clock_timestamp() - a.backend_start), 0)::float8 AS age"
        " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_backend_pid()"
        " AND ((l.classid::bigint << 32) | l.objid::bigint) = $1 LIMIT 1",
        key,
    )
    return None if row is None else Holder(row["pid"], row["application_name"], row["age"], row["state"])


async def _poll(
    observer: Connection, attempt: Callable[[], Awaitable[bool]], key: int, deadline_seconds: float, say: Say
) -> None:
    started = time.monotonic()
    named_at: float | None = None
    while not await attempt():
        now = time.monotonic()
        if now - started >= deadline_seconds:
            holder = await find_holder(observer, key)
            raise LockBusyError(
                f"another deploy still holds the lock after {deadline_seconds:.0f} s: {holder or 'unknown'}"
            )
        if named_at is None or now - named_at >= _NAME_THE_HOLDER_EVERY_SECONDS:
            named_at = now
            holder = await find_holder(observer, key)
            if holder is not None:
                left = deadline_seconds - (now - started)
                say(f"waiting for another deploy: {holder}; giving up in {left:.0f} s")
        await asyncio.sleep(_POLL_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
