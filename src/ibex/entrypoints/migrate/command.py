"""The command line of `ibex migrate`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import click

from ibex.adapters.postgres.reachability import CONNECT_ERRORS, why_unreachable
from ibex.adapters.postgres.schema.revisions import (
    RevisionFilesError,
    Revisions,
    load_revisions,
    migrations_directory,
)
from ibex.entrypoints import exit_codes
from ibex.entrypoints.migrate import apply, development
from ibex.entrypoints.migrate import deploy as deploying
from ibex.entrypoints.migrate.resolve import resolve as decide
from ibex.entrypoints.migrate.script import whole_script
from ibex.entrypoints.migrate.status import show_drift, show_status
from ibex.entrypoints.verdicts import EXIT_CODES
from ibex.settings import Settings, is_deployed, load_settings


def say(text: str) -> None:
    """One line of progress, written at once even into a pipe."""
    click.echo(text)
    sys.stdout.flush()


@click.group()
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), hidden=True)
@click.pass_context
def migrate(ctx: click.Context, directory: Path | None) -> None:
    """Bring the database's schema to this code's revision, and keep it there."""
    ctx.obj = directory


@migrate.command()
@click.option("--dry-run", is_flag=True, help="Print the SQL that would run; change nothing.")
@click.option("--lock-wait", type=click.FloatRange(0, 3600), default=300, show_default=True, help="Seconds.")
@click.option("--lock-timeout", type=click.FloatRange(0.1, 60), default=3, show_default=True, help="Seconds.")
@click.option("--statement-timeout", type=click.FloatRange(1, 86400), default=600, show_default=True, help="Seconds.")
@click.option("--attempts", type=click.IntRange(1, 100), default=10, show_default=True, help="On lock timeouts.")
@click.pass_obj
def deploy(
    directory: Path | None,
    dry_run: bool,
    lock_wait: float,
    lock_timeout: float,
    statement_timeout: float,
    attempts: int,
) -> None:
    """Apply what is missing. Safe from any number of replicas at once."""
    settings, revisions = load_settings(), _revisions(directory)
    limits = apply.Limits(
        lock_timeout_seconds=lock_timeout, statement_timeout_seconds=statement_timeout, attempts=attempts
    )
    options = deploying.DeployOptions(
        directory=revisions.directory, lock_wait_seconds=lock_wait, limits=limits, dry_run=dry_run
    )
    _run(settings, deploying.deploy(settings, options, say))


@migrate.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(directory: Path | None, as_json: bool) -> None:
    """Where the database is and where this code is. Exit code 0 when this code may run on it."""

    settings = load_settings()
    _run(settings, show_status(settings, _revisions(directory), as_json, say))


@migrate.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def drift(directory: Path | None, as_json: bool) -> None:
    """Compare the live schema with the committed fingerprint. Exit code 2 when they differ."""

    settings = load_settings()
    _run(settings, show_drift(settings, _revisions(directory), as_json, say))


@migrate.command()
@click.argument("start", required=False)
@click.pass_obj
def sql(directory: Path | None, start: str | None) -> None:
    """Print the SQL of all revisions, or of those after START. Needs no database."""

    revisions = _revisions(directory)
    if start is not None and start not in revisions.names:
        raise click.UsageError(f"there is no revision {start}")
    say(whole_script(revisions, start))


@migrate.command()
@click.argument("revision")
@click.option("--rolled-back", "decision", flag_value="rolled-back", help="Nothing of it is there any more.")
@click.option("--applied", "decision", flag_value="applied", help="All of it is there.")
@click.option("--accept-edit", "decision", flag_value="accept-edit", help="The file changed, its meaning did not.")
@click.option("--accept-drift", "decision", flag_value="accept-drift", help="Take the live schema as what should be.")
@click.option("--reason", required=True, help="For whoever reads the ledger later.")
@click.option("--lock-wait", type=click.FloatRange(0, 3600), default=60, show_default=True, help="Seconds.")
@click.pass_obj
def resolve(directory: Path | None, revision: str, decision: Any, reason: str, lock_wait: float) -> None:
    """Record a decision about one revision. Appends to the ledger, rewrites nothing."""

    if decision is None:
        raise click.UsageError("say one of --rolled-back, --applied, --accept-edit, --accept-drift")
    settings = load_settings()
    _run(settings, decide(settings, _revisions(directory), revision, decision, reason, lock_wait, say))


@migrate.command()
@click.argument("title")
@click.pass_obj
def new(directory: Path | None, title: str) -> None:
    """Write the next revision file. Development only."""
    if is_deployed():
        _refuse_in_production("new")
    sys.exit(development.new_revision(directory or migrations_directory(), title, say))


@migrate.command(hidden=True)
@click.argument("target")
@click.pass_obj
def downgrade(directory: Path | None, target: str) -> None:
    """Go back to TARGET ('base': to nothing). Sandbox only."""

    settings = load_settings()
    if not settings.is_sandbox:
        _refuse_in_production("downgrade")
    _run(settings, development.downgrade(settings, _revisions(directory), target, say))


@migrate.command(hidden=True)
@click.option("--check", is_flag=True, help="Only compare.")
@click.pass_obj
def fingerprint(directory: Path | None, check: bool) -> None:
    """Write fingerprint.json from a database at the head. Sandbox only: use `make fingerprint`."""

    settings = load_settings()
    if not settings.is_sandbox:
        _refuse_in_production("fingerprint")
    _run(settings, development.write_fingerprint(settings, _revisions(directory), check, say))


def _never(name: str) -> None:
    @migrate.command(name, hidden=True, context_settings={"ignore_unknown_options": True})
    @click.argument("rest", nargs=-1)
    def refused(rest: tuple[str, ...]) -> None:  # noqa: ARG001 - whatever follows is refused too
        """Refused."""
        _refuse_in_production(name)


for _verb in ("stamp", "revision", "autogenerate", "drop", "reset", "push"):
    _never(_verb)


def _refuse_in_production(verb: str) -> NoReturn:
    click.echo(
        f"`ibex migrate {verb}` is refused here: the schema changes by new revisions and `deploy` alone.",
        err=True,
    )
    sys.exit(exit_codes.CONFIGURATION)


def _revisions(directory: Path | None) -> Revisions:
    try:
        return load_revisions(directory or migrations_directory())
    except RevisionFilesError as error:
        click.echo(f"{error.id}: {error.message}\n  {error.fix}", err=True)
        sys.exit(exit_codes.FINDINGS)


def _run(settings: Settings, work: Coroutine[Any, Any, int]) -> NoReturn:
    try:
        code = asyncio.run(work)
    except CONNECT_ERRORS as error:
        reason = why_unreachable(error)
        click.echo(settings.database.redact(f"{reason.id}: {reason.message}\n  {reason.fix}"), err=True)
        sys.exit(EXIT_CODES[reason.verdict])
    sys.exit(code)
