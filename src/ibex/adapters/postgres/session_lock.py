"""Prove that a session lock excludes others: behind a pooler it may not, and nothing says so."""

from __future__ import annotations

from typing import Final

import asyncpg

from ibex.adapters.postgres.engine import Connection

_ROUNDS: Final = 3


async def session_lock_is_kept(first: Connection, second: Connection, key: int) -> bool:
    """True when the lock `key`, which `first` holds, is out of reach for `second`, and each has its own backend.

    Each is asked while the other is inside a transaction, so that a pooler has to show that it shares backends.
    `second` must not be in use for anything else.
    """
    ours: set[int] = set()
    theirs: set[int] = set()
    try:
        for _ in range(_ROUNDS):
            async with second.transaction():
                if await second.fetchval("SELECT pg_try_advisory_lock($1)", key):
                    await second.fetchval("SELECT pg_advisory_unlock($1)", key)
                    return False
                theirs.add(await second.fetchval("SELECT pg_backend_pid()"))
                ours.add(await first.fetchval("SELECT pg_backend_pid()"))
            async with first.transaction():
                ours.add(await first.fetchval("SELECT pg_backend_pid()"))
                theirs.add(await second.fetchval("SELECT pg_backend_pid()"))
    except asyncpg.InvalidSQLStatementNameError:  # prepared on one backend, run on another
        return False
    return len(ours) == 1 and len(theirs) == 1 and ours.isdisjoint(theirs)
