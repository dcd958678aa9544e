"""Checks inside the database: who we are there, what it is, and whether the schema fits."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from ibex.adapters.postgres.engine import Connection, connect_direct, connect_once
from ibex.adapters.postgres.reachability import CONNECT_ERRORS, why_unreachable
from ibex.adapters.postgres.schema.revisions import RevisionFilesError, load_revisions, migrations_directory
from ibex.adapters.postgres.schema.state import SchemaState, committed_fingerprint, read_schema_state
from ibex.adapters.postgres.session_lock import session_lock_is_kept
from ibex.entrypoints import exit_codes
from ibex.entrypoints.check.findings import Finding, error, note, ok, warning
from ibex.entrypoints.verdicts import EXIT_CODES
from ibex.settings import Settings

OLDEST_MAJOR_VERSION = 15
SLOW_MILLISECONDS = 50.0
CLOCK_SKEW_SECONDS = 2.0
OVERLAP_FACTOR = 2  # during a deploy the old replicas and the new ones are both connected
MIGRATION_CONNECTIONS = 3
DRIFT_LINES_SHOWN = 20
APPLICATION = "ibex check"

Step = Callable[[Connection, Settings], Awaitable[list[Finding]]]


async def check_database(settings: Settings) -> list[Finding]:
    """Everything from `authentication` to `drift`; the first error of a connection ends it."""
    findings: list[Finding] = []
    check = "authentication"
    database = settings.database
    try:
        started = time.perf_counter()
        connection = await connect_once(
            database,
            APPLICATION,
            host=database.endpoint_host,
            pooled=database.pooled,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            command_timeout_seconds=30,
        )
        took = time.perf_counter() - started
        findings.append(ok(check, f"Connected as {database.user} to {database.database} in {took * 1000:.0f} ms."))
        try:
            for name, step in _STEPS:
                check = name
                findings += await step(connection, settings)
        finally:
            connection.terminate()
        check = "session-lock"
        findings += await _session_lock(settings)
    except CONNECT_ERRORS as problem:
        reason = why_unreachable(problem)
        message = database.redact(reason.message)
        findings.append(error(check, reason.id, message, reason.fix, EXIT_CODES[reason.verdict]))
    return findings


async def _select_1(connection: Connection, settings: Settings) -> list[Finding]:  # noqa: ARG001 - steps are alike
    times = []
    for _ in range(5):
        started = time.perf_counter()
        answer = await connection.fetchval("SELECT 1")
        times.append((time.perf_counter() - started) * 1000)
        if answer != 1:
            return [error("select-1", "IBEX-E209", "SELECT 1 does not answer 1.", "Find out what answers there.")]
    median = statistics.median(times)
    if median > SLOW_MILLISECONDS:
        return [
            warning(
                "select-1",
                "IBEX-W403",
                f"SELECT 1 takes {median:.1f} ms (median of 5).",
                "Run the service in the region of the database: every request pays this.",
            )
        ]
    return [ok("select-1", f"SELECT 1 takes {median:.1f} ms (median of 5).")]


async def _server(connection: Connection, settings: Settings) -> list[Finding]:  # noqa: ARG001
    version = connection.get_server_version()
    if version.major < OLDEST_MAJOR_VERSION:
        return [
            error(
                "server",
                "IBEX-E210",
                f"PostgreSQL {version.major} is older than {OLDEST_MAJOR_VERSION}.",
                "Upgrade the project in Neon's console.",
            )
        ]
    return [ok("server", f"PostgreSQL {await connection.fetchval('SHOW server_version')}.")]


async def _role(connection: Connection, settings: Settings) -> list[Finding]:  # noqa: ARG001
    row = await connection.fetchrow(
        "SELECT rolsuper, rolname, EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE c.relnamespace = to_regnamespace('ibex') AND NOT t.tgisinternal"
        " AND pg_has_role(c.relowner, 'MEMBER')) AS may_drop FROM pg_roles WHERE rolname = current_user"
    )
    assert row is not None, "current_user is a role"
    if row["rolsuper"]:
        return [
            warning(
                "role",
                "IBEX-W405",
                "The role is a superuser: no rule of the database binds it.",
                "Use the role that Neon made for the project.",
            )
        ]
    if row["may_drop"]:
        return [
            note(
                "role",
                "IBEX-W406",
                "The role owns the tables, so it could drop the triggers that keep the books append-only.",
                "Where two roles can be had, let one own and migrate, and the service use the other.",
            )
        ]
    return [ok("role", f"{row['rolname']} is no superuser and cannot drop the append-only triggers.")]


async def _connections(connection: Connection, settings: Settings) -> list[Finding]:
    reserved = "coalesce(current_setting('superuser_reserved_connections', true)::int, 0)"
    reserved += " + coalesce(current_setting('reserved_connections', true)::int, 0)"
    limit = await connection.fetchval(f"SELECT current_setting('max_connections')::int - ({reserved})")
    peak = settings.replicas * settings.workers * settings.pool_size * OVERLAP_FACTOR + MIGRATION_CONNECTIONS
    factors = f"{settings.replicas} x {settings.workers} x {settings.pool_size} x {OVERLAP_FACTOR}"
    said = f"A deploy may need {peak} connections ({factors} + {MIGRATION_CONNECTIONS}); there are {limit}."
    if peak > limit and not settings.database.pooled:
        fix = "Lower IBEX_POOL_SIZE or IBEX_WORKERS, or give the compute more memory."
        return [warning("connections", "IBEX-W407", said, fix)]
    return [ok("connections", said)]


async def _clock(connection: Connection, settings: Settings) -> list[Finding]:  # noqa: ARG001
    before = datetime.now(UTC)
    there = await connection.fetchval("SELECT clock_timestamp()")
    after = datetime.now(UTC)
    skew = abs((there - (before + (after - before) / 2)).total_seconds())
    if skew > CLOCK_SKEW_SECONDS + (after - before).total_seconds() / 2:
        return [
            warning(
                "clock",
                "IBEX-W408",
                f"This clock and the database's differ by {skew:.1f} s.",
                "Repair the host's clock.",
            )
        ]
    return [ok("clock", f"This clock and the database's differ by {skew * 1000:.0f} ms.")]


async def _schema(connection: Connection, settings: Settings) -> list[Finding]:  # noqa: ARG001
    try:
        revisions = load_revisions(migrations_directory())
    except RevisionFilesError as problem:
        return [error("schema", problem.id, problem.message, problem.fix)]
    findings = []
    if committed_fingerprint(revisions) is None:
        findings.append(
            error(
                "drift",
                "IBEX-E310",
                "fingerprint.json was made from other revision files.",
                "Run: make fingerprint",
            )
        )
    state = await read_schema_state(connection, revisions=revisions, with_drift=True)
    return [*_of_state(state), *findings]


def _of_state(state: SchemaState) -> list[Finding]:
    if state.problems:
        return [error("schema", problem.id, problem.message, problem.fix) for problem in state.problems]
    if state.kind == "drifted":
        shown = "\n".join(state.drift[:DRIFT_LINES_SHOWN])
        return [
            ok("schema", f"The schema is at {state.revision}."),
            error("drift", "IBEX-E307", f"The schema was changed by hand:\n{shown}", "Run: ibex migrate drift"),
        ]
    findings = [ok("drift", "The schema is what the migrations make.")]
    if state.kind == "behind":
        return [error("schema", "IBEX-E301", state.summary, "Run: ibex migrate deploy"), *findings]
    if state.kind == "ahead":
        return [
            note("schema", "IBEX-W308", state.summary, "Right after a rollback of the service."),
            *findings,
        ]
    return [ok("schema", state.summary), *findings]


async def _session_lock(settings: Settings) -> list[Finding]:
    """Take a lock that nobody else uses, and let a second session of the direct endpoint try to get it too."""
    first = await connect_direct(settings.database, APPLICATION, command_timeout_seconds=30)
    try:
        second = await connect_direct(settings.database, APPLICATION, command_timeout_seconds=30)
        try:
            key = secrets.randbits(62)
            await first.fetchval("SELECT pg_advisory_lock($1)", key)
            kept = await session_lock_is_kept(first, second, key)
            await first.fetchval("SELECT pg_advisory_unlock($1)", key)
        finally:
            second.terminate()
    finally:
        first.terminate()
    if not kept:
        return [
            error(
                "session-lock",
                "IBEX-E208",
                "A session lock does not stay on one backend: a pooler is in between.",
                "Remove IBEX_DATABASE_ENDPOINT, or give the host without the pooler.",
                exit_codes.CONFIGURATION,
            )
        ]
    return [ok("session-lock", "A session lock stays on one backend of the direct endpoint.")]


_STEPS: tuple[tuple[str, Step], ...] = (
    ("select-1", _select_1),
    ("server", _server),
    ("role", _role),
    ("connections", _connections),
    ("clock", _clock),
    ("schema", _schema),
)
