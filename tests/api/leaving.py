"""Importing an archive into the service under test, as the command does, under a new id."""

from __future__ import annotations

import tempfile
from pathlib import Path

import asyncpg

from ibex.adapters.archive_file import ZipReader
from ibex.adapters.postgres.engine import connect_direct
from ibex.adapters.postgres.restoring import PostgresRestorer
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.domain.leaving.use_cases import ImportStore
from ibex.settings import Settings
from tests.api.client import Api, Service, Shop


async def import_here(service: Service, archive: bytes) -> Shop:
    """The imported store, seen by its owner. Raises DomainError."""
    environment = {"DATABASE_URL": service.database_url, "IBEX_ENVIRONMENT": "sandbox"}

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        with tempfile.TemporaryDirectory() as empty:
            settings = Settings.from_environ(environment, cwd=Path(empty))
        return await connect_direct(settings.database, "test import")

    bring_in = ImportStore(PostgresRestorer(connect), SystemSecrets(), SystemClock(), Uuid7Source())
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "archive.zip"
        path.write_bytes(archive)
        with ZipReader(path) as reader:
            imported = await bring_in(reader, as_new_id=True)
    return Shop(
        service=service,
        store_id=imported.restored.store_id,
        owner_id=imported.restored.owner_id,
        api=Api(service.http, imported.secret.text),
    )
