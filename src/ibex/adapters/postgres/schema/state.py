"""Is the database where the code needs it? One answer, used by deploy, status, `ibex check`, serve and
readiness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import asyncpg

from ibex.adapters.postgres.schema import ledger
from ibex.adapters.postgres.schema.catalog import read_catalog
from ibex.adapters.postgres.schema.fingerprint import Fingerprint, difference, load_fingerprint
from ibex.adapters.postgres.schema.history import RevisionHistory, fold
from ibex.adapters.postgres.schema.ledger import LedgerRow
from ibex.adapters.postgres.schema.revisions import Revisions, load_revisions, migrations_directory

Kind = Literal["current", "behind", "ahead", "failed", "conflict", "drifted"]

DEPLOY = "ibex migrate deploy"
DRIFT = "ibex migrate drift"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that deploy refuses. `id` is stable (IBEX-E3xx)."""

    id: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """The database compared with the code. `revision` is the database's, `head` the code's."""

    kind: Kind
    revision: str | None
    head: str | None
    pending: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    drift: tuple[str, ...] = ()

    @property
    def may_serve(self) -> bool:
        """True when this code can run on this database: current, or newer after a rollback of the service."""
        return self.kind in ("current", "ahead")

    @property
    def command(self) -> str | None:
        """The command that an operator runs next; None when there is nothing to do."""
        if self.kind == "behind":
            return DEPLOY
        if self.kind == "drifted":
            return DRIFT
        return "ibex migrate status" if self.problems else None

    @property
    def summary(self) -> str:
        """One sentence, without secrets."""
        if self.kind == "current":
            return f"The schema is at {self.revision}, where this code needs it."
        if self.kind == "ahead":
            beyond = ", ".join(self.beyond)
            return f"The schema is at {self.revision}, ahead of this code ({self.head}) by {beyond}."
        if self.kind == "behind":
            return f"The schema is at {self.revision or 'nothing'}; this code needs {self.head}. Run: {DEPLOY}"
        if self.kind == "drifted":
            return f"The schema was changed by hand ({len(self.drift)} lines of difference). Run: {DRIFT}"
        return f"{self.problems[0].id}: {self.problems[0].message} {self.problems[0].fix}"


async def read_schema_state(
    connection: asyncpg.Connection[asyncpg.Record],
    *,
    revisions: Revisions | None = None,
    with_drift: bool = False,
) -> SchemaState:
    """Read the version and the ledger (two round trips) and, if asked, the whole catalog (seven more).

    Raises RevisionFilesError for broken files and what asyncpg raises for a broken connection.
    """
    known = revisions if revisions is not None else load_revisions(migrations_directory())
    if not await ledger.bookkeeping_exists(connection):
        unmanaged = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('ibex')"
            " AND relkind IN ('r', 'p') AND relname NOT IN ('alembic_version', 'migration_log'))"
        )
        return assess(known, (), (), unmanaged=bool(unmanaged))
    state = assess(known, *await ledger.read_bookkeeping(connection))
    if not with_drift or state.kind not in ("current", "ahead", "behind"):
        return state
    lines = await read_drift(connection, known, state)
    return replace(state, kind="drifted", drift=lines) if lines else state


async def read_drift(
    connection: asyncpg.Connection[asyncpg.Record], revisions: Revisions, state: SchemaState
) -> tuple[str, ...]:
    """How the live catalog differs from what the migrations made; empty when it does not.

    At the code's head the committed fingerprint counts; before and beyond it, what deploy recorded in the
    ledger.
    """
    expected: Mapping[str, str] | None = None
    fingerprint = committed_fingerprint(revisions)
    if state.kind == "current" and fingerprint is not None:
        expected = fingerprint.objects
    else:
        expected = await ledger.read_last_catalog(connection)
    if expected is None:
        return ()
    return difference(expected, await read_catalog(connection))


def committed_fingerprint(revisions: Revisions) -> Fingerprint | None:
    """The fingerprint beside the revisions, unless it is missing or was made from other files."""
    fingerprint = load_fingerprint(revisions.directory)
    if fingerprint is None or (fingerprint.revision, fingerprint.files_sha256) != (
        revisions.head,
        revisions.sha256,
    ):
        return None
    return fingerprint


def assess(
    revisions: Revisions, versions: Sequence[str], rows: Iterable[LedgerRow], *, unmanaged: bool = False
) -> SchemaState:
    """Compare code, version table and ledger. Pure."""
    head, names = revisions.head, revisions.names
    histories = fold(rows)
    version = versions[0] if versions else None
    if unmanaged:
        problem = Problem(
            "IBEX-E306",
            "The schema ibex has tables, but no ledger.",
            "Use an empty database, or restore the ledger.",
        )
        return SchemaState(kind="conflict", revision=None, head=head, problems=(problem,))
    if len(versions) > 1:
        problem = Problem(
            "IBEX-E305",
            f"The version table has {len(versions)} rows.",
            "Restore its one row from ibex.migration_log.",
        )
        return SchemaState(kind="conflict", revision=version, head=head, problems=(problem,))
    if version is not None and version not in names:
        return _beyond_the_code(revisions, version, histories)
    position = names.index(version) + 1 if version is not None else 0
    problems = [*_applied_problems(revisions, names[:position], histories)]
    problems += _pending_problems(revisions, names[position:], histories)
    problems += _stray_problems(names, histories)
    interrupted = tuple(n for n in names[position:] if (h := histories.get(n)) and h.status == "unfinished")
    kind: Kind = "behind" if position < len(names) else "current"
    if problems:
        kind = "failed" if any(problem.id in ("IBEX-E302", "IBEX-E311") for problem in problems) else "conflict"
    return SchemaState(
        kind=kind,
        revision=version,
        head=head,
        pending=names[position:],
        interrupted=interrupted,
        problems=tuple(problems),
    )


def _beyond_the_code(revisions: Revisions, version: str, histories: Mapping[str, RevisionHistory]) -> SchemaState:
    """The database's version is unknown to the code: either the code was rolled back, or the lines parted."""
    names = revisions.names
    beyond = tuple(name for name, history in histories.items() if history.status == "applied" and name not in names)
    all_of_ours = all((h := histories.get(name)) and h.status == "applied" for name in names)
    edits = _applied_problems(revisions, names, histories) if all_of_ours else []
    if version in beyond and all_of_ours and not edits:
        return SchemaState(kind="ahead", revision=version, head=revisions.head, beyond=beyond)
    problem = Problem(
        "IBEX-E304",
        f"The database is at {version}, which this code does not have, and it is not simply newer.",
        "Deploy the code that has this revision.",
    )
    return SchemaState(
        kind="conflict", revision=version, head=revisions.head, beyond=beyond, problems=(problem, *edits)
    )


def _applied_problems(
    revisions: Revisions, names: Sequence[str], histories: Mapping[str, RevisionHistory]
) -> list[Problem]:
    problems = []
    for name in names:
        history, file = histories.get(name), revisions.get(name)
        if history is None or history.status != "applied":
            problems.append(
                Problem(
                    "IBEX-E306",
                    f"The version table says that {name} is applied, but no deploy recorded it.",
                    f"If it truly is, run: ibex migrate resolve {name} --applied --reason TEXT",
                )
            )
        elif file is not None and file.sha256 not in history.accepted_sha256:
            problems.append(
                Problem(
                    "IBEX-E303",
                    f"{file.path.name} was edited after it was applied.",
                    "Restore the file and write a new revision; if the edit changes nothing, run:"
                    f" ibex migrate resolve {name} --accept-edit --reason TEXT",
                )
            )
    return problems


def _pending_problems(
    revisions: Revisions, names: Sequence[str], histories: Mapping[str, RevisionHistory]
) -> list[Problem]:
    problems = []
    for name in names:
        history, file = histories.get(name), revisions.get(name)
        if history is None or file is None:
            continue
        resolve = f"ibex migrate resolve {name} --rolled-back --reason TEXT"
        if history.status == "failed":
            problems.append(
                Problem(
                    "IBEX-E302",
                    f"{name} failed: {history.last.error or 'no error was recorded'}",
                    f"Correct the cause, then run: {resolve}",
                )
            )
        elif history.status == "unfinished" and not file.transactional:
            problems.append(
                Problem(
                    "IBEX-E311",
                    f"{name} runs outside a transaction and did not finish: a part of it may be there.",
                    f"Undo or complete it by hand, then run: {resolve} (or --applied)",
                )
            )
        elif history.status == "applied":
            problems.append(
                Problem(
                    "IBEX-E306",
                    f"The ledger says that {name} is applied, but the version table does not.",
                    f"Find out which is true; if it is gone, run: {resolve}",
                )
            )
    return problems


def _stray_problems(names: Sequence[str], histories: Mapping[str, RevisionHistory]) -> list[Problem]:
    return [
        Problem(
            "IBEX-E304",
            f"{name} is applied, but its file is missing here.",
            "Deploy the code that has the file.",
        )
        for name, history in histories.items()
        if history.status == "applied" and name not in names
    ]
