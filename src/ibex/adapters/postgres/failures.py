"""What a failed statement means: is the connection gone, did anything happen, is it worth another try?

Classified by type and SQLSTATE, never by the text of a message.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from ibex.domain.shared.errors import OutcomeUnknown, TemporarilyUnavailable

LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.DatabaseDroppedError,
    asyncpg.IdleSessionTimeoutError,
    ConnectionError,
    EOFError,
    OSError,
)
"""The connection is gone. What was sent may have been done: the answer could have been on its way."""
CLIENT_SIDE: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""asyncpg's own complaint. The connection is gone if it is closed afterwards; else the code has made a mistake."""
CONTENDED: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Rolled back by the server because of others: nothing happened, and another try is likely to succeed."""
BUSY: Final = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Refused or rolled back by the server for its own reasons: nothing happened, and it will not be better at once.

A statement or lock that took too long, no memory, disk or connection left, an I/O error, an internal error (Neon's
storage and proxy say that), a server that only reads after a failover.
"""
OUTAGES: Final = (*LOST, *CONTENDED, *BUSY)
"""All that means the database and not the request, for whoever works with a connection directly."""
STILL_RUNNING: Final = "IB006"
"""SQLSTATE of ibex.post: another transaction with the same idempotency key has not ended yet."""


class LostError(Exception):
    """A statement's connection is gone, or its time was up. ``sent`` tells whether it may have been done."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("sent" if sent else "not sent")
        self.sent = sent


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
