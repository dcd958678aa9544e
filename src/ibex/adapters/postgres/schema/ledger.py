"""The ledger of migrations: a row for each attempt, written before it starts, and for each decision.

It exists before the first revision does, so `deploy` makes it, with the schema and alembic's version table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ibex.adapters.postgres.engine import Connection

Action = Literal["apply", "downgrade", "rolled-back", "applied", "accept-edit", "accept-drift"]
Outcome = Literal["running", "done", "failed", "gave-up", "interrupted"]

PRELUDE = """\
CREATE SCHEMA IF NOT EXISTS ibex;
CREATE TABLE IF NOT EXISTS ibex.alembic_version (
  version_num text NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS ibex.migration_log (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT migration_log_pk PRIMARY KEY,
  revision text NOT NULL,
  action text NOT NULL CONSTRAINT migration_log_action_known
    CHECK (action IN ('apply', 'downgrade', 'rolled-back', 'applied', 'accept-edit', 'accept-drift')),
  outcome text NOT NULL CONSTRAINT migration_log_outcome_known
    CHECK (outcome IN ('running', 'done', 'failed', 'gave-up', 'interrupted')),
  sha256 text NOT NULL CONSTRAINT migration_log_sha256_is_hex CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  duration_ms bigint,
  actor text NOT NULL,
  git_commit text NOT NULL,
  error text,
  reason text,
  catalog jsonb
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One row, without the catalog that goes with it. Durations are milliseconds."""

    id: int
    revision: str
    action: Action
    outcome: Outcome
    sha256: str
    started_at: datetime
    finished_at: datetime | None = None
    duration_ms: int | None = None
    actor: str = ""
    git_commit: str = ""
    error: str | None = None
    reason: str | None = None


async def bookkeeping_exists(connection: Connection) -> bool:
    """True when the ledger and the version table are there."""
    return bool(
        await connection.fetchval(
            "SELECT to_regclass('ibex.migration_log') IS NOT NULL AND to_regclass('ibex.alembic_version') IS NOT NULL"
        )
    )


async def read_versions(connection: Connection) -> tuple[str, ...]:
    """What alembic's version table says; one row in a sound database, none in an empty one."""
    rows = await connection.fetch("SELECT version_num FROM ibex.alembic_version ORDER BY version_num")
    return tuple(row["version_num"] for row in rows)


async def read_ledger(connection: Connection) -> tuple[LedgerRow, ...]:
    """All rows, oldest first."""
    return (await read_bookkeeping(connection))[1]


async def read_bookkeeping(connection: Connection) -> tuple[tuple[str, ...], tuple[LedgerRow, ...]]:
    """Version table and ledger in one snapshot: read apart, a deploy in between would look like damage."""
    rows = await connection.fetch(
        "SELECT v.versions, l.id, l.revision, l.action, l.outcome, l.sha256, l.started_at, l.finished_at,"
        " l.duration_ms, l.actor, l.git_commit, l.error, l.reason"
        " FROM (SELECT coalesce(array_agg(version_num ORDER BY version_num), '{}') AS versions"
        " FROM ibex.alembic_version) v LEFT JOIN ibex.migration_log l ON true ORDER BY l.id"
    )
    plain = [dict(row) for row in rows]
    versions = tuple(plain[0]["versions"])
    found = ({name: value for name, value in row.items() if name != "versions"} for row in plain)
    return versions, tuple(LedgerRow(**row) for row in found if row["id"] is not None)


async def read_last_catalog(connection: Connection) -> dict[str, str] | None:
    """The catalog as it was right after the last change that `deploy` made; None when there was none."""
    raw = await connection.fetchval(
        "SELECT catalog FROM ibex.migration_log WHERE catalog IS NOT NULL ORDER BY id DESC LIMIT 1"
    )
    return None if raw is None else dict(json.loads(raw))


async def write_row(connection: Connection, **columns: Any) -> int:
    """Append a row and return its id. Columns that are not named keep their defaults."""
    names = ", ".join(columns)
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    # Names and places come from this package's own calls, values are parameters.
    statement = f"INSERT INTO ibex.migration_log ({names}) VALUES ({places}) RETURNING id"
    return int(await connection.fetchval(statement, *columns.values()))


async def finish_row(
    connection: Connection,
    row_id: int,
    outcome: Outcome,
    *,
    error: str | None = None,
    catalog: Mapping[str, str] | None = None,
) -> None:
    """Close a running row: what came of it, when, how long it took, and the catalog that it left behind."""
    await connection.execute(
        "UPDATE ibex.migration_log SET outcome = $2, error = $3, catalog = $4::jsonb,"
        " finished_at = clock_timestamp(),"
        " duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::bigint"
        " WHERE id = $1 AND outcome = 'running'",
        row_id,
        outcome,
        error,
        None if catalog is None else json.dumps(catalog, sort_keys=True),
    )
