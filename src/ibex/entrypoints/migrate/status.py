"""`ibex migrate status` and `drift`: look, change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ibex.adapters.postgres.engine import connect_direct
from ibex.adapters.postgres.schema import ledger
from ibex.adapters.postgres.schema.history import fold
from ibex.adapters.postgres.schema.ledger import LedgerRow
from ibex.adapters.postgres.schema.revisions import Revisions
from ibex.adapters.postgres.schema.state import (
    SchemaState,
    committed_fingerprint,
    read_drift,
    read_schema_state,
)
from ibex.entrypoints import exit_codes
from ibex.entrypoints.migrate.lock import DEPLOY_LOCK, Holder, Say, find_holder
from ibex.settings import Settings


async def show_status(settings: Settings, revisions: Revisions, as_json: bool, say: Say) -> int:
    """Print where database and code are. 0 when this code may run, 1 when not; drift is another command."""
    connection = await connect_direct(settings.database, "ibex migrate status", command_timeout_seconds=60)
    try:
        state = await read_schema_state(connection, revisions=revisions)
        rows: tuple[LedgerRow, ...] = ()
        if await ledger.bookkeeping_exists(connection):
            rows = await ledger.read_ledger(connection)
        holder = await find_holder(connection, DEPLOY_LOCK)
    finally:
        connection.terminate()
    if as_json:
        say(json.dumps(_document(state, rows, holder), indent=2, default=str))
    else:
        for line in _lines(state, revisions, rows, holder):
            say(line)
    return exit_codes.OK if state.may_serve else exit_codes.FINDINGS


async def show_drift(settings: Settings, revisions: Revisions, as_json: bool, say: Say) -> int:
    """Print how the live schema differs from what the migrations make. 0: not at all, 2: it does, 1: cannot
    tell."""
    connection = await connect_direct(settings.database, "ibex migrate drift", command_timeout_seconds=60)
    try:
        state = await read_schema_state(connection, revisions=revisions)
        lines = await read_drift(connection, revisions, state) if not state.problems else ()
    finally:
        connection.terminate()
    if state.problems or (state.kind == "current" and committed_fingerprint(revisions) is None):
        reason = state.summary if state.problems else "IBEX-E310: fingerprint.json is stale. Run: make fingerprint"
        say(json.dumps({"comparable": False, "reason": reason}) if as_json else f"cannot compare. {reason}")
        return exit_codes.FINDINGS
    if as_json:
        say(json.dumps({"comparable": True, "revision": state.revision, "difference": lines}, indent=2))
    elif lines:
        say(f"The schema is not what the migrations make at {state.revision} (-: should be, +: is):")
        for line in lines:
            say(f"  {line}")
        say("Undo the change by hand, or write a revision that makes it.")
    else:
        say(f"No drift at {state.revision or 'nothing: the schema is empty'}.")
    return exit_codes.DRIFT if lines else exit_codes.OK


def _lines(state: SchemaState, revisions: Revisions, rows: Iterable[LedgerRow], holder: Holder | None) -> Iterable[str]:
    histories = fold(rows)
    for file in revisions.files:
        history = histories.get(file.revision)
        status = history.status if history else "pending"
        when = ""
        if history and history.last.finished_at:
            took = f", {history.last.duration_ms} ms" if history.last.duration_ms is not None else ""
            when = f"  {history.last.finished_at:%Y-%m-%d %H:%M:%S}Z by {history.last.actor}{took}"
        yield f"{file.revision}  {status:<10}  {file.title}{when}"
    for name in state.beyond:
        yield f"{name}  applied     (not in this code)"
    if holder is not None:
        yield f"A deploy holds the lock: {holder}"
    if state.interrupted and holder is None:
        yield f"Cut off and rolled back: {', '.join(state.interrupted)}; the next deploy applies it anew."
    yield state.summary
    for problem in state.problems[1:]:
        yield f"{problem.id}: {problem.message} {problem.fix}"


def _document(state: SchemaState, rows: Iterable[LedgerRow], holder: Holder | None) -> dict[str, Any]:
    return {
        **asdict(state),
        "may_serve": state.may_serve,
        "summary": state.summary,
        "command": state.command,
        "lock_holder": asdict(holder) if holder else None,
        "ledger": [asdict(row) for row in rows],
    }
