"""`ibex migrate resolve`: an operator's decision, appended to the ledger. Nothing is ever rewritten."""

from __future__ import annotations

import json
from typing import Literal

from ibex.adapters.postgres.engine import Connection, connect_direct
from ibex.adapters.postgres.schema import ledger
from ibex.adapters.postgres.schema.catalog import read_catalog
from ibex.adapters.postgres.schema.history import fold
from ibex.adapters.postgres.schema.revisions import RevisionFile, Revisions
from ibex.entrypoints import exit_codes
from ibex.entrypoints.migrate import lock
from ibex.entrypoints.migrate.deploy import actor
from ibex.entrypoints.migrate.lock import Say
from ibex.settings import Settings

Decision = Literal["rolled-back", "applied", "accept-edit", "accept-drift"]


class DecisionError(Exception):
    """The decision does not fit what the database says."""


async def resolve(
    settings: Settings,
    revisions: Revisions,
    revision: str,
    decision: Decision,
    reason: str,
    wait: float,
    say: Say,
) -> int:
    """Append the decision under the deploy lock. Returns the exit code."""
    file = revisions.get(revision)
    if file is None:
        say(f"This code has no revision {revision}.")
        return exit_codes.FINDINGS
    connection = await connect_direct(settings.database, "ibex migrate resolve", command_timeout_seconds=60)
    try:
        await lock.hold_deploy_lock(connection, wait, say)
        if not await ledger.bookkeeping_exists(connection):
            raise DecisionError("there is no ledger yet: run ibex migrate deploy")
        async with connection.transaction():
            await _decide(connection, settings, revisions, file, decision, reason)
    except lock.LockBusyError as error:
        say(f"try again later: {error}")
        return exit_codes.TRY_AGAIN
    except lock.LockLostError as error:
        say(f"IBEX-E208: {error}")
        return exit_codes.CONFIGURATION
    except DecisionError as error:
        say(f"refused: {error}")
        return exit_codes.FINDINGS
    finally:
        connection.terminate()
    say(f"{revision}: {decision}, recorded.")
    return exit_codes.OK


async def _decide(
    connection: Connection,
    settings: Settings,
    revisions: Revisions,
    file: RevisionFile,
    decision: Decision,
    reason: str,
) -> None:
    versions = await ledger.read_versions(connection)
    version = versions[0] if versions else None
    catalog = None
    if decision == "rolled-back":
        await _check_rolled_back(connection, revisions, file, version)
    elif decision == "applied":
        await _mark_applied(connection, revisions, file, version)
        catalog = await read_catalog(connection)
    elif decision == "accept-drift":
        if version != file.revision:
            raise DecisionError(f"the schema is at {version or 'nothing'}, not at {file.revision}")
        catalog = await read_catalog(connection)
    elif file.revision not in _through(revisions, version):
        raise DecisionError(f"{file.revision} is not applied, so its file may still change")
    await ledger.write_row(
        connection,
        revision=file.revision,
        action=decision,
        outcome="done",
        sha256=file.sha256,
        actor=actor(settings),
        git_commit=settings.git_commit,
        reason=reason,
        catalog=None if catalog is None else json.dumps(catalog, sort_keys=True),
    )


def _through(revisions: Revisions, version: str | None) -> tuple[str, ...]:
    names = revisions.names
    return names[: names.index(version) + 1] if version in names else ()


async def _check_rolled_back(
    connection: Connection, revisions: Revisions, file: RevisionFile, version: str | None
) -> None:
    history = fold(await ledger.read_ledger(connection)).get(file.revision)
    if history is None or history.status == "pending":
        raise DecisionError(f"{file.revision} neither failed nor is it applied: there is nothing to resolve")
    if file.revision in _through(revisions, version):
        raise DecisionError(f"the version table says that {file.revision} is applied; take a new revision to undo it")


async def _mark_applied(connection: Connection, revisions: Revisions, file: RevisionFile, version: str | None) -> None:
    """Move the version table too, unless it is there already. Only the next revision in line may be
    skipped."""
    history = fold(await ledger.read_ledger(connection)).get(file.revision)
    recorded = history is not None and history.status == "applied"
    if file.revision in _through(revisions, version):
        if recorded:
            raise DecisionError(f"{file.revision} is applied already")
        return
    if version != file.down_revision:
        raise DecisionError(f"the schema is at {version or 'nothing'}; {file.revision} is not the next revision")
    if version is None:
        await connection.execute("INSERT INTO ibex.alembic_version (version_num) VALUES ($1)", file.revision)
    else:
        await connection.execute("UPDATE ibex.alembic_version SET version_num = $1", file.revision)
