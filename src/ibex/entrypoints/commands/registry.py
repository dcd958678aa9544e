"""Running a command against the registry of stores, or the database itself: opened for it, closed behind it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.engine import make_pool
from ibex.adapters.postgres.stores import PostgresStores, open_stores
from ibex.domain.shared.errors import DomainError, TemporarilyUnavailable
from ibex.entrypoints import exit_codes
from ibex.settings import load_settings

T = TypeVar("T")


def with_registry(work: Callable[[PostgresStores], Awaitable[T]]) -> T:
    """What ``work`` returns. A refusal ends the command with its sentence and a code of sysexits."""

    async def run() -> T:
        async with open_stores(load_settings().database) as registry:
            return await work(registry)

    return _told(run())


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """The same for work on the database itself."""
    settings = load_settings()

    async def run() -> T:
        pool = make_pool(settings.database, size=1, wait_seconds=20.0, application_name="ibex-cli")
        try:
            return await work(Database(pool, pooled=settings.database.pooled))
        finally:
            await pool.close(grace_seconds=0)

    return _told(run())


def _told(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except DomainError as error:
        refuse(error)


def show_once(facts: Mapping[str, str], *, as_json: bool, totals: Mapping[str, str] | None = None) -> None:
    """Prints what was made, a new token among it. ``totals``: of an archive, equal to those that its manifest tells."""
    if as_json:
        click.echo(msgspec.json.encode(dict(facts) if totals is None else {**facts, "totals": dict(totals)}).decode())
        return
    for key, value in facts.items():
        click.echo(f"{key}: {value}")
    if totals is not None:
        click.echo(f"{len(totals)} totals equal the manifest's.")
    click.echo("Keep the token: it is not shown again.", err=True)


def refuse(error: DomainError) -> NoReturn:
    """Says why, and ends the command."""
    field = error.details.get("field")
    click.echo(f"{error.code}: {error.message}" + (f" ({field})" if field else ""), err=True)
    sys.exit(exit_codes.UNAVAILABLE if isinstance(error, TemporarilyUnavailable) else exit_codes.FINDINGS)
