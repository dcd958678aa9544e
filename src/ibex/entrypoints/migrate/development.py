"""What a developer does and production refuses: a new revision file, a step back, a new fingerprint."""

from __future__ import annotations

import re
from pathlib import Path

from alembic.script import ScriptDirectory

from ibex.adapters.postgres.engine import connect_direct
from ibex.adapters.postgres.schema import ledger
from ibex.adapters.postgres.schema.catalog import read_catalog
from ibex.adapters.postgres.schema.fingerprint import FILE_NAME, Fingerprint, render_fingerprint
from ibex.adapters.postgres.schema.revisions import Revisions, is_source_checkout, load_revisions
from ibex.adapters.postgres.schema.state import read_schema_state
from ibex.entrypoints import exit_codes
from ibex.entrypoints.migrate import apply, lock
from ibex.entrypoints.migrate.deploy import actor
from ibex.entrypoints.migrate.lock import Say
from ibex.entrypoints.migrate.rendering import alembic_config, render_downgrade
from ibex.settings import Settings


def new_revision(directory: Path, title: str, say: Say) -> int:
    """Write the next file from the template: number, title, and the revision that it follows."""
    if not is_source_checkout(directory):
        say("A revision is written in a source checkout, not in an installed service.")
        return exit_codes.FINDINGS
    revisions = load_revisions(directory)
    number = f"{int(revisions.head or 0) + 1:04d}"
    slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:40]
    config = alembic_config(directory)
    config.set_main_option("file_template", f"{number}_{slug}")
    script = ScriptDirectory.from_config(config)
    made = script.generate_revision(number, title, head="head", splice=False)
    assert made is not None
    say(f"{made.path}\nWrite its SQL, then: make fingerprint")
    return exit_codes.OK


async def downgrade(settings: Settings, revisions: Revisions, target: str, say: Say) -> int:
    """Go back to `target` ('base': nothing), one transaction a revision. Only ever called for a sandbox."""
    goal = None if target == "base" else target
    connection = await connect_direct(settings.database, "ibex migrate downgrade")
    try:
        await lock.hold_deploy_lock(connection, 30, say)
        state = await read_schema_state(connection, revisions=revisions)
        if goal is not None and goal not in revisions.names:
            say(f"This code has no revision {goal}.")
            return exit_codes.FINDINGS
        current = state.revision
        while current is not None and current != goal:
            file = revisions.get(current)
            if file is None:
                say(f"This code has no revision {current}.")
                return exit_codes.FINDINGS
            rendered = render_downgrade(revisions.directory, current, file.down_revision or "base")
            async with connection.transaction():
                await connection.execute(apply.timeouts(apply.Limits(), local=True))
                for statement in rendered.statements:
                    await connection.execute(statement)
                row = await ledger.write_row(
                    connection,
                    revision=current,
                    action="downgrade",
                    outcome="running",
                    sha256=file.sha256,
                    actor=actor(settings),
                    git_commit=settings.git_commit,
                )
                await ledger.finish_row(connection, row, "done", catalog=await read_catalog(connection))
            say(f"{current} undone")
            current = file.down_revision
    finally:
        connection.terminate()
    return exit_codes.OK


async def write_fingerprint(settings: Settings, revisions: Revisions, check: bool, say: Say) -> int:
    """Write `fingerprint.json` from a database that stands at the head, or compare it (`check`): 2 when it
    is stale."""
    connection = await connect_direct(settings.database, "ibex migrate fingerprint")
    try:
        state = await read_schema_state(connection, revisions=revisions)
        if state.kind != "current" or state.revision is None:
            say(state.summary)
            return exit_codes.FINDINGS
        text = render_fingerprint(Fingerprint(state.revision, revisions.sha256, await read_catalog(connection)))
    finally:
        connection.terminate()
    path = revisions.directory / FILE_NAME
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text == before:
        say(f"{FILE_NAME} is of {state.revision}.")
        return exit_codes.OK
    if check:
        say(f"{FILE_NAME} is stale. Run: make fingerprint")
        return exit_codes.DRIFT
    path.write_text(text, encoding="utf-8", newline="\n")
    say(f"{FILE_NAME} is now of {state.revision}.")
    return exit_codes.OK
