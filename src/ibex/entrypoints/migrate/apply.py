"""Apply one revision: its statements, its row in the ledger and the version table move in one transaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from ibex.adapters.postgres.engine import Connection, connect_direct
from ibex.adapters.postgres.schema import ledger
from ibex.adapters.postgres.schema.catalog import read_catalog
from ibex.adapters.postgres.schema.fingerprint import Fingerprint, difference
from ibex.adapters.postgres.schema.revisions import RevisionFile
from ibex.entrypoints.migrate.lock import Say, hold_revision_lock
from ibex.entrypoints.migrate.rendering import Rendered
from ibex.settings import DatabaseSettings

# Waiting for the lock would make every request queue behind the migration, and a deadlock's loser may just
# try again.
_WORTH_ANOTHER_TRY: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
_CUT_OFF: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    OSError,
)


class RevisionError(Exception):
    """A statement was refused. The transaction is rolled back; the message is for the ledger and the
    operator."""


class CutOffError(Exception):
    """The connection broke while the revision ran; whether it was committed is in the ledger."""


class GaveUpError(Exception):
    """Every attempt ran into a lock timeout. Nothing was changed; a later deploy may succeed."""


class FingerprintError(Exception):
    """The last revision did not lead to the committed fingerprint; it was rolled back."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(f"{len(lines)} lines of difference")
        self.lines = lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a revision may wait and run, in seconds, and how often it is tried."""

    lock_timeout_seconds: float = 3.0
    statement_timeout_seconds: float = 600.0
    attempts: int = 10
    pause_seconds: float = 1.0
    revision_lock_wait_seconds: float = 60.0


async def apply_revision(
    database: DatabaseSettings,
    observer: Connection,
    file: RevisionFile,
    rendered: Rendered,
    row_id: int,
    limits: Limits,
    expected: Fingerprint | None,
    say: Say,
) -> Mapping[str, str]:
    """Run the statements and close ledger row `row_id` with them. Returns the catalog afterwards.

    Raises RevisionError, GaveUpError, FingerprintError, LockBusyError, CutOffError, or what a refused
    connection raises.
    """
    for attempt in range(1, limits.attempts + 1):
        connection = await connect_direct(database, "ibex migrate revision")
        try:
            if file.transactional:
                return await _in_one_transaction(connection, observer, rendered, row_id, limits, expected, say)
            return await _statement_by_statement(connection, observer, rendered, row_id, limits, say)
        except _WORTH_ANOTHER_TRY as error:
            if not file.transactional:
                raise RevisionError(describe(error, rendered)) from None
            if attempt == limits.attempts:
                raise GaveUpError(f"{describe(error, rendered)} ({attempt} attempts)") from None
            say(f"{file.revision}: {error.sqlstate} {error}; attempt {attempt} of {limits.attempts}")
            await asyncio.sleep(limits.pause_seconds * attempt * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        except _CUT_OFF as error:
            raise CutOffError(describe(error, rendered)) from None
        except asyncpg.PostgresError as error:
            raise RevisionError(describe(error, rendered)) from None
        finally:
            await _close(connection)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _in_one_transaction(
    connection: Connection,
    observer: Connection,
    rendered: Rendered,
    row_id: int,
    limits: Limits,
    expected: Fingerprint | None,
    say: Say,
) -> Mapping[str, str]:
    async with connection.transaction():
        await hold_revision_lock(connection, observer, limits.revision_lock_wait_seconds, say)
        await connection.execute(timeouts(limits, local=True))
        for statement in rendered.statements:
            await connection.execute(statement)
        catalog = await _finish(connection, rendered, row_id)
        if expected is not None and expected.revision == rendered.revision:
            lines = difference(expected.objects, catalog)
            if lines:
                raise FingerprintError(lines)
    return catalog


async def _statement_by_statement(
    connection: Connection, observer: Connection, rendered: Rendered, row_id: int, limits: Limits, say: Say
) -> Mapping[str, str]:
    """For what PostgreSQL refuses inside a transaction (CREATE INDEX CONCURRENTLY): each op.execute by
    itself."""
    async with connection.transaction():
        await hold_revision_lock(connection, observer, limits.revision_lock_wait_seconds, say)
    await connection.execute(timeouts(limits, local=False))
    for statement in rendered.statements[:-1]:
        await connection.execute(statement)
    async with connection.transaction():
        await connection.execute(rendered.statements[-1])
        return await _finish(connection, rendered, row_id)


async def _finish(connection: Connection, rendered: Rendered, row_id: int) -> Mapping[str, str]:
    versions = await ledger.read_versions(connection)
    if versions != (rendered.revision,):
        raise RevisionError(f"the version table says {', '.join(versions) or 'nothing'} after {rendered.revision}")
    catalog = await read_catalog(connection)
    await ledger.finish_row(connection, row_id, "done", catalog=catalog)
    return catalog


def timeouts(limits: Limits, *, local: bool) -> str:
    """The statement that bounds how long a revision waits for locks and runs."""
    scope = "SET LOCAL" if local else "SET"
    return (
        f"{scope} lock_timeout = {int(limits.lock_timeout_seconds * 1000)};"
        f" {scope} statement_timeout = {int(limits.statement_timeout_seconds * 1000)};"
        f" {scope} idle_in_transaction_session_timeout = {int(limits.statement_timeout_seconds * 1000)};"
    )


def describe(error: Exception, rendered: Rendered) -> str:
    """SQLSTATE, message, detail and hint of an error, and the line of the revision that it points at."""
    parts = [f"{getattr(error, 'sqlstate', None) or type(error).__name__}: {error}"]
    position = str(getattr(error, "position", None) or "")
    # The error does not say in which statement; a revision has one, and the one that moves the version.
    if position.isdigit() and len(rendered.statements) <= 2 and len(rendered.statements[0]) >= int(position):
        parts.append(f"at: {_line_at(rendered.statements[0], int(position))}")
    return "; ".join(parts)


def _line_at(statement: str, position: int) -> str:
    start = statement.rfind("\n", 0, position - 1) + 1
    end = statement.find("\n", start)
    return statement[start : end if end >= 0 else None].strip()[:200]


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=5)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
