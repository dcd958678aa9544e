"""Work of several statements in one transaction: all of it or nothing, also when the connection is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from ibex.adapters.postgres.database import Ask, Database
from ibex.bootstrap import open_database
from ibex.domain.shared.errors import TemporarilyUnavailable
from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster

SECONDS = 10.0


@pytest.fixture
async def database(
    cluster: Cluster, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Database]:
    """A pool of one connection, so that what is left on it would be found."""
    settings = Settings.from_environ(
        cluster.environment(database_name) | {"IBEX_POOL_SIZE": "1"}, cwd=tmp_path_factory.mktemp("cwd")
    )
    async with open_database(settings) as opened:
        await opened.read("CREATE TABLE IF NOT EXISTS public.kept (n integer PRIMARY KEY)")
        await opened.read("DELETE FROM public.kept")
        yield opened
        await opened.read("DROP TABLE public.kept")


async def kept(database: Database) -> list[int]:
    """What was written."""
    return [row["n"] for row in await database.read("SELECT n FROM public.kept ORDER BY n")]


async def test_both_statements_or_none(database: Database) -> None:
    async def work(ask: Ask) -> int:
        await ask("INSERT INTO public.kept VALUES ($1)", 1)
        return int((await ask("INSERT INTO public.kept VALUES (2) RETURNING n"))[0][0])

    assert await database.write_together(work, seconds=SECONDS) == 2
    assert await kept(database) == [1, 2]

    async def refused(ask: Ask) -> None:
        await ask("INSERT INTO public.kept VALUES (3)")
        await ask("INSERT INTO public.kept VALUES (1)")

    with pytest.raises(asyncpg.UniqueViolationError):
        await database.write_together(refused, seconds=SECONDS)

    async def mistaken(ask: Ask) -> None:
        await ask("INSERT INTO public.kept VALUES (4)")
        raise RuntimeError("a mistake in between")

    with pytest.raises(RuntimeError):
        await database.write_together(mistaken, seconds=SECONDS)
    assert await kept(database) == [1, 2]


async def test_a_lost_connection_is_replaced_and_the_work_done_once(database: Database) -> None:
    attempts = 0

    async def work(ask: Ask) -> str:
        nonlocal attempts
        attempts += 1
        await ask("INSERT INTO public.kept VALUES (1)")
        if attempts == 1:
            await ask("SELECT pg_terminate_backend(pg_backend_pid())")
        return "done"

    assert await database.write_together(work, seconds=SECONDS) == "done"
    assert attempts == 2
    assert await kept(database) == [1]


async def test_it_is_bounded_in_time(database: Database) -> None:
    async def work(ask: Ask) -> None:
        await ask("INSERT INTO public.kept VALUES (1)")
        await ask("SELECT pg_sleep(5)")

    with pytest.raises(TemporarilyUnavailable) as caught:
        await database.write_together(work, seconds=0.3)
    assert caught.value.details["effect"] == "none"
    assert await kept(database) == []


async def test_a_transaction_left_open_is_not_handed_on(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("BEGIN; INSERT INTO public.kept VALUES (1)")
    assert await kept(database) == []
