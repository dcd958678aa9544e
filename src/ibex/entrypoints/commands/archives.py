"""`ibex stores export` and `ibex stores import`: a store's whole data, out and in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import IO
from uuid import UUID

import click

from ibex.adapters.archive_file import ZipArchive, ZipReader
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.engine import Connection, connect_direct
from ibex.adapters.postgres.restoring import PostgresRestorer
from ibex.adapters.postgres.snapshots import PostgresSnapshots
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.domain.leaving.use_cases import Imported, ImportStore, write_archive
from ibex.domain.shared.errors import DomainError
from ibex.domain.shared.ids import StoreId
from ibex.entrypoints.commands.registry import refuse, show_once, with_database
from ibex.settings import load_settings


@click.command("export")
@click.option("--store", type=click.UUID, required=True, help="The store's id.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(store: UUID, file: Path) -> None:
    """Write a store's whole data into FILE, a ZIP of JSON Lines with a manifest. FILE must not exist."""
    part = file.with_name(file.name + ".part")
    try:
        # Readable by its owner alone: it is all that the store knows of its customers.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            if file.exists():
                raise click.ClickException(f"{file} exists already.")
            size = with_database(lambda database: _write(database, StoreId(store), out))
        part.rename(file)
    except FileExistsError:
        raise click.ClickException(f"{part} exists: another export is at it, or was broken off.") from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    click.echo(f"{file}: {size} bytes")


async def _write(database: Database, store_id: StoreId, out: IO[bytes]) -> int:
    size = 0
    archive = write_archive(PostgresSnapshots(database), ZipArchive(), store_id, SystemClock().now())
    async with aclosing(archive) as pieces:
        async for piece in pieces:
            size += out.write(piece)
    return size


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as-new-id", is_flag=True, help="Under a new id, beside the store of the archive's id if there is one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_(file: Path, as_new_id: bool, as_json: bool) -> None:
    """Bring the store in FILE into this service, and print a new token of its owner.

    Checks the manifest's checksums, counts everything again, and keeps nothing unless all of it is right.
    """
    settings = load_settings()

    def connect() -> Awaitable[Connection]:
        return connect_direct(settings.database, "ibex-cli import")

    try:
        imported = asyncio.run(_import(file, connect, as_new_id=as_new_id))
    except DomainError as error:
        refuse(error)
    facts = {
        "store_id": str(imported.restored.store_id),
        "operator_id": str(imported.restored.owner_id),
        "token_id": str(imported.token.id),
        "token": imported.secret.text,
    }
    show_once(facts, as_json=as_json, totals=imported.restored.totals)


async def _import(file: Path, connect: Callable[[], Awaitable[Connection]], *, as_new_id: bool) -> Imported:
    bring_in = ImportStore(PostgresRestorer(connect), SystemSecrets(), SystemClock(), Uuid7Source())
    with ZipReader(file) as archive:
        return await bring_in(archive, as_new_id=as_new_id)
