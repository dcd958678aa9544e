"""`ibex migrate deploy`: safe to run from every replica at once, and again after anything went wrong."""

from __future__ import annotations

import getpass
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from ibex.adapters.postgres.engine import Connection, connect_direct
from ibex.adapters.postgres.schema import ledger
from ibex.adapters.postgres.schema.fingerprint import Fingerprint, load_fingerprint
from ibex.adapters.postgres.schema.revisions import RevisionFile, Revisions, load_revisions
from ibex.adapters.postgres.schema.state import (
    SchemaState,
    committed_fingerprint,
    read_drift,
    read_schema_state,
)
from ibex.entrypoints import exit_codes
from ibex.entrypoints.migrate import apply, lock
from ibex.entrypoints.migrate.lock import Say
from ibex.entrypoints.migrate.rendering import render_upgrade
from ibex.settings import Settings

APPLICATION = "ibex migrate deploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """What the command line may change. Seconds."""

    directory: Path
    lock_wait_seconds: float = 300.0
    limits: apply.Limits = field(default_factory=apply.Limits)
    dry_run: bool = False


async def deploy(settings: Settings, options: DeployOptions, say: Say) -> int:
    """Bring the schema to the head of `options.directory`. Returns the exit code.

    Raises what a failed connection raises; the command turns that into words.
    """
    revisions = load_revisions(options.directory)
    expected = committed_fingerprint(revisions)
    if expected is None and not _stale_fingerprint_is_fine(settings, revisions, say):
        return exit_codes.FINDINGS
    connection = await connect_direct(settings.database, APPLICATION, command_timeout_seconds=60)
    try:
        if options.dry_run:
            return await _dry_run(connection, revisions, say)
        try:
            await lock.hold_deploy_lock(connection, options.lock_wait_seconds, say)
        except lock.LockBusyError as error:
            say(f"try again later: {error}")
            return exit_codes.TRY_AGAIN
        await lock.prove_deploy_lock(connection, settings.database)
        return await _Deploy(settings, options, revisions, expected, connection, say).run()
    except lock.LockLostError:
        say("IBEX-E208: the lock does not stay on one backend, so deploys would not exclude each other.")
        say("  Use the direct endpoint: remove IBEX_DATABASE_ENDPOINT, or give the host without the pooler.")
        return exit_codes.CONFIGURATION
    finally:
        connection.terminate()


class _Deploy:
    """One run, with the lock held."""

    def __init__(
        self,
        settings: Settings,
        options: DeployOptions,
        revisions: Revisions,
        expected: Fingerprint | None,
        connection: Connection,
        say: Say,
    ) -> None:
        self.settings, self.options, self.revisions = settings, options, revisions
        self.expected, self.connection, self.say = expected, connection, say

    async def run(self) -> int:
        unrecorded = await read_schema_state(self.connection, revisions=self.revisions)
        if unrecorded.problems:
            return _refuse(unrecorded, self.say)
        await self.connection.execute(f"SET lock_timeout = '10s'; {ledger.PRELUDE}")
        try:
            async with self.connection.transaction():  # a killed deploy's last transaction may still be ending
                wait = self.options.limits.revision_lock_wait_seconds
                await lock.hold_revision_lock(self.connection, self.connection, wait, self.say)
        except lock.LockBusyError as error:
            self.say(f"try again later: {error}")
            return exit_codes.TRY_AGAIN
        state = await read_schema_state(self.connection, revisions=self.revisions)
        if state.problems:
            return _refuse(state, self.say)
        if state.kind == "ahead":
            self.say(f"{state.summary} Nothing to apply: the service was rolled back, the schema stays.")
            return exit_codes.OK
        await self._close_interrupted(state)
        drift = await read_drift(self.connection, self.revisions, state)
        if drift:
            self.say("drift: the schema is not what the migrations made; nothing was applied.")
            return _show_drift(drift, self.say)
        if not state.pending:
            self.say(state.summary)
            return exit_codes.OK
        self.say(f"{len(state.pending)} to apply: {', '.join(state.pending)}")
        return await self._apply_all(state)

    async def _close_interrupted(self, state: SchemaState) -> None:
        """The lock is ours, so whoever began these is gone, and PostgreSQL rolled their transactions back."""
        for revision in state.interrupted:
            self.say(f"{revision}: an earlier deploy was cut off and rolled back; it is applied anew")
            await self.connection.execute(
                "UPDATE ibex.migration_log SET outcome = 'interrupted', error = $2,"
                " finished_at = clock_timestamp() WHERE revision = $1 AND outcome = 'running'",
                revision,
                "the process ended before it could commit; finished_at is when the next deploy found out",
            )

    async def _apply_all(self, state: SchemaState) -> int:
        previous = state.revision
        for number, revision in enumerate(state.pending, 1):
            file = self.revisions.get(revision)
            assert file is not None, "pending revisions come from the files"
            await lock.verify_deploy_lock(self.connection)
            code = await self._apply_one(file, previous, f"[{number}/{len(state.pending)}] {revision} {file.title}")
            if code != exit_codes.OK:
                return code
            previous = revision
        self.say(f"The schema is at {previous}.")
        return exit_codes.OK

    async def _apply_one(self, file: RevisionFile, previous: str | None, label: str) -> int:
        self.say(label)
        started = time.monotonic()
        try:
            rendered = render_upgrade(self.options.directory, previous, file.revision)
        except Exception as error:  # the revision's own Python failed: nothing was sent yet
            self.say(f"{file.revision} cannot be rendered: {type(error).__name__}: {error}")
            return exit_codes.FINDINGS
        row = await ledger.write_row(
            self.connection,
            revision=file.revision,
            action="apply",
            outcome="running",
            sha256=file.sha256,
            actor=actor(self.settings),
            git_commit=self.settings.git_commit,
        )
        try:
            await apply.apply_revision(
                self.settings.database,
                self.connection,
                file,
                rendered,
                row,
                self.options.limits,
                self.expected,
                self.say,
            )
        except apply.RevisionError as error:
            return await self._failed(row, str(error), file)
        except (apply.GaveUpError, lock.LockBusyError) as error:
            await ledger.finish_row(self.connection, row, "gave-up", error=str(error))
            self.say(f"{file.revision} gave up, nothing was changed: {error}")
            return exit_codes.TRY_AGAIN
        except apply.CutOffError as error:
            return await self._cut_off(row, str(error), file)
        except apply.FingerprintError as error:
            await ledger.finish_row(self.connection, row, "gave-up", error=f"fingerprint: {error}")
            self.say(f"{file.revision} does not lead to the committed fingerprint; it was rolled back.")
            return _show_drift(error.lines, self.say)
        self.say(f"    done in {time.monotonic() - started:.2f} s")
        return exit_codes.OK

    async def _cut_off(self, row: int, error: str, file: RevisionFile) -> int:
        """The connection broke, perhaps after COMMIT had arrived: the ledger's row, which moves with it,
        knows."""
        async with self.connection.transaction():
            wait = self.options.limits.revision_lock_wait_seconds
            await lock.hold_revision_lock(self.connection, self.connection, wait, self.say)
        if await self.connection.fetchval("SELECT outcome FROM ibex.migration_log WHERE id = $1", row) == "done":
            return exit_codes.OK
        if not file.transactional:
            return await self._failed(row, error, file)
        await ledger.finish_row(self.connection, row, "interrupted", error=error)
        self.say(f"{file.revision} was cut off and rolled back, deploy again: {error}")
        return exit_codes.TRY_AGAIN

    async def _failed(self, row: int, error: str, file: RevisionFile) -> int:
        await ledger.finish_row(self.connection, row, "failed", error=error)
        self.say(f"IBEX-E302: {file.revision} failed: {error}")
        rolled = "It was rolled back." if file.transactional else "It runs outside a transaction: a part may be there."
        resolve = f"ibex migrate resolve {file.revision} --rolled-back --reason TEXT"
        self.say(f"  {rolled} Correct the cause, then: {resolve}")
        return exit_codes.FINDINGS


async def _dry_run(connection: Connection, revisions: Revisions, say: Say) -> int:
    state = await read_schema_state(connection, revisions=revisions, with_drift=True)
    if state.problems:
        return _refuse(state, say)
    if state.kind == "drifted":
        return _show_drift(state.drift, say)
    previous = state.revision
    for revision in state.pending:
        say(f"-- revision {revision}\nBEGIN;")
        say(render_upgrade(revisions.directory, previous, revision).text)
        say("COMMIT;\n")
        previous = revision
    if not state.pending:
        say(f"-- {state.summary}")
    return exit_codes.OK


def _refuse(state: SchemaState, say: Say) -> int:
    say("refused, nothing was applied:")
    for problem in state.problems:
        say(f"{problem.id}: {problem.message}\n  {problem.fix}")
    return exit_codes.FINDINGS


def _show_drift(lines: tuple[str, ...], say: Say) -> int:
    for line in lines:
        say(f"  {line}")
    return exit_codes.DRIFT


def _stale_fingerprint_is_fine(settings: Settings, revisions: Revisions, say: Say) -> bool:
    """In a sandbox a new revision may be tried before its fingerprint is made; anywhere else it is
    refused."""
    stale = load_fingerprint(revisions.directory)
    found = f"was made from other files ({stale.revision})" if stale else "is missing"
    say(f"IBEX-E310: fingerprint.json {found}; the newest revision is {revisions.head}. Run: make fingerprint")
    return settings.is_sandbox


def actor(settings: Settings) -> str:
    """Who migrates, for the ledger: user, host, process and, on Railway, the replica."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    replica = f" replica {settings.replica_id}" if settings.replica_id else ""
    return f"{user}@{socket.gethostname()} pid {os.getpid()}{replica}"
