"""Every step of the stairs, up and down and up again, with data in the tables that are not on the move."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ibex.adapters.postgres.engine import Connection, connect_direct
from ibex.adapters.postgres.schema.catalog import read_catalog
from ibex.adapters.postgres.schema.fingerprint import difference
from ibex.adapters.postgres.schema.ledger import PRELUDE
from ibex.adapters.postgres.schema.revisions import load_revisions, migrations_directory
from ibex.entrypoints.migrate.rendering import render_downgrade, render_upgrade
from ibex.settings import Settings
from tests.fixtures.revisions import environment_of

REVISIONS = load_revisions(migrations_directory())

STORE = """
INSERT INTO ibex.stores (id, name, currency, time_zone, prices_include_tax, created_at)
VALUES ($1, 'Corner', 'USD', 'UTC', true, now())
"""


@pytest.fixture
async def connection(empty_database_url: str) -> AsyncIterator[Connection]:
    settings = Settings.from_environ(environment_of(empty_database_url), cwd=Path("/nonexistent"))
    opened = await connect_direct(settings.database, "test")
    await opened.execute(PRELUDE)
    yield opened
    await opened.close()


async def run(connection: Connection, statements: tuple[str, ...]) -> None:
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)


async def test_up_down_and_up_again_lead_to_the_same_schema_and_keep_the_data(connection: Connection) -> None:
    directory, previous, store = REVISIONS.directory, None, uuid.uuid4()
    for file in REVISIONS.files:
        before = await read_catalog(connection)
        up = render_upgrade(directory, previous, file.revision).statements
        await run(connection, up)
        after = await read_catalog(connection)
        await run(connection, render_downgrade(directory, file.revision, previous or "base").statements)
        assert difference(before, await read_catalog(connection)) == (), f"{file.revision} leaves something behind"
        await run(connection, up)
        assert difference(after, await read_catalog(connection)) == (), f"{file.revision} differs the second time"
        if previous is None:
            await connection.execute(STORE, store)
        previous = file.revision
    assert await connection.fetchval("SELECT name FROM ibex.stores WHERE id = $1", store) == "Corner"


async def test_all_the_way_down_nothing_but_the_bookkeeping_is_left(connection: Connection) -> None:
    directory, previous = REVISIONS.directory, None
    empty = await read_catalog(connection)
    for file in REVISIONS.files:
        await run(connection, render_upgrade(directory, previous, file.revision).statements)
        previous = file.revision
        if file.down_revision is None:
            await connection.execute(STORE, uuid.uuid4())
    for file in reversed(REVISIONS.files):
        down = render_downgrade(directory, file.revision, file.down_revision or "base").statements
        await run(connection, down)
    assert difference(empty, await read_catalog(connection)) == ()
    assert await connection.fetchval("SELECT count(*) FROM ibex.alembic_version") == 0
