"""The Neon stand-in before the run's server, for tests in which the database or the network misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from ibex_devtools.neon import NeonStandIn, PgBouncer, local_names
from ibex_devtools.neon.pgbouncer import HOW_TO_INSTALL, find
from ibex_devtools.sandbox import Cluster
from tests.faults.support.stage import Stage, ground_on, with_a_new_store
from tests.faults.support.table import PROPERTY, Row

# In quotes: the class takes no parameters when the code runs.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(autouse=True)
def _found_on_this_machine() -> Iterator[None]:
    """The stand-in's host names mean this machine, whatever the system's resolver thinks of .localhost."""
    with local_names():
        yield


@pytest.fixture(scope="session")
def pooler(cluster: Cluster) -> Iterator[PgBouncer]:
    """A PgBouncer in transaction mode before the run's server. With one backend sharing shows at once."""
    if find() is None:
        pytest.skip(HOW_TO_INSTALL)
    with PgBouncer(cluster, pool_size=1) as running:
        yield running


@pytest.fixture
async def asyncpg_leavings() -> AsyncIterator[None]:
    """Lets asyncpg leave an error unfetched when a connection is lost while it cancels a statement.

    anyio fails a test for any error that nobody fetched; this one is in asyncpg, and says nothing of the test.
    """
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if str(context.get("exception")) == "unexpected connection_lost() call":
            return
        if before is None:
            loop.default_exception_handler(context)
        else:
            before(loop, context)

    loop.set_exception_handler(handle)
    yield
    loop.set_exception_handler(before)


@pytest.fixture
async def neon(
    cluster: Cluster,
    asyncpg_leavings: None,  # noqa: ARG001 (its handler is what is wanted)
) -> AsyncIterator[NeonStandIn]:
    """A stand-in that this test alone uses, in its event loop. It has no -pooler host."""
    async with NeonStandIn(cluster) as stand_in:
        yield stand_in


@pytest.fixture
def database(empty_database_url: str) -> str:
    """Name of a database that this test alone uses, with nothing in it."""
    return urlsplit(empty_database_url).path.lstrip("/")


@pytest.fixture
def arguments(neon: NeonStandIn, database: str) -> dict[str, Any]:
    """Arguments of asyncpg.connect: `database` through the stand-in, its certificate verified."""
    return neon.connect_arguments(database)


@pytest.fixture
async def connection(arguments: dict[str, Any]) -> AsyncIterator[Connection]:
    """A connection through the stand-in, to a database with an empty table `sales (number int)`."""
    opened = await asyncpg.connect(**arguments)
    await opened.execute("CREATE TABLE sales (number int)")
    yield opened
    opened.terminate()


@pytest.fixture
async def onlooker(cluster: Cluster, database: str) -> AsyncIterator[Connection]:
    """A superuser's connection to the same database that does not pass through the stand-in."""
    parts = urlsplit(cluster.administrator_url(database))
    opened = await asyncpg.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        database=database,
        ssl=True,
    )
    yield opened
    opened.terminate()


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether all of the suite is asked for, with `--faults=full`."""
    return bool(request.config.getoption("--faults") == "full")


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[Row], None]:
    """Takes the test's row for the table that the run ends with."""
    return lambda row: record_property(PROPERTY, row.to_json())


@pytest.fixture(scope="session")
async def ground(
    cluster: Cluster,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,  # noqa: ARG001 (one event loop for the session)
) -> AsyncIterator[Stage]:
    """A service, its database and the stand-in between them, for the tests of this process that leave it whole."""
    async with ground_on(cluster, template_database, tmp_path_factory.mktemp("ground")) as made:
        yield made


@pytest.fixture
async def stage(ground: Stage) -> Stage:
    """The common ground, with a store of this test's own."""
    return await with_a_new_store(ground)
