"""The service, running: uvicorn on a loopback socket, the real application, a real PostgreSQL.

Tests of one process share the service; each has a store of its own, so that none sees another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn

from ibex.adapters.postgres.stores import open_stores
from ibex.bootstrap import open_database, running
from ibex.entrypoints.http.late import LateApp
from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster
from tests.api.client import Api, Foreign, Service, Shop, furnish, open_shop

_START_SECONDS = 20.0
# Tests ask faster than a till and from one address; they mean to see what the shop refuses, not the edge.
SETTINGS = {
    "IBEX_RATE_LIMIT": "0",
    "IBEX_MAX_IN_FLIGHT": "400",
    "IBEX_DRAIN_SECONDS": "0",
    "IBEX_POOL_WAIT_SECONDS": "20",
}


class _Server(uvicorn.Server):
    """Without signal handlers: Ctrl-C is for the test run."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The application on a free port of the loopback interface, with its lifespan. Yields the base URL."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http="httptools",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not server.started:
                if task.done():
                    await task
                    raise AssertionError("the service did not start: see what it logged")
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def service_on(environment: dict[str, str], cwd: Path) -> AsyncIterator[Service]:
    """The service with these settings, and a client of it. For tests that need settings of their own."""
    settings = Settings.from_environ(environment, cwd=cwd)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        open_database(settings) as database,
        open_stores(settings.database) as stores,
        served(LateApp(lambda: running(settings))) as base_url,
        httpx.AsyncClient(base_url=base_url, limits=limits, timeout=60, trust_env=False) as http,
    ):
        url = environment["DATABASE_URL"]
        yield Service(base_url=base_url, http=http, database=database, stores=stores, database_url=url)


@pytest.fixture(scope="session")
def quiet_logs() -> None:
    """Warnings and errors of the service, on the standard output that pytest captures at the time."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30),
        cache_logger_on_first_use=False,
    )


@pytest.fixture(scope="session")
async def service(
    cluster: Cluster,
    database_name: str,
    quiet_logs: None,  # noqa: ARG001 (before the service logs)
    anyio_backend: str,  # noqa: ARG001 (one event loop for the session)
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Service]:
    """The service of this process's tests."""
    environment = cluster.environment(database_name) | SETTINGS
    async with service_on(environment, tmp_path_factory.mktemp("cwd")) as running_service:
        yield running_service


@pytest.fixture
async def shop(service: Service) -> Shop:
    """A new store in euros, prices with tax included, and its owner."""
    return await open_shop(service)


@pytest.fixture
def api(shop: Shop) -> Api:
    """The owner of ``shop``."""
    return shop.api


@pytest.fixture
def nobody(service: Service) -> Api:
    """Requests without a token."""
    return Api(service.http, None)


@pytest.fixture
async def foreign(service: Service) -> Foreign:
    """Another store with one of everything in it."""
    return await furnish(await open_shop(service, name="The other shop"))


@pytest.fixture(scope="session")
async def own_store(service: Service) -> Foreign:
    """A store with one of everything, shared by tests that only want to be refused."""
    return await furnish(await open_shop(service, name="A furnished shop"))


@pytest.fixture(scope="session")
async def foreign_store(service: Service) -> Foreign:
    """Another one, which is to stay as it is."""
    return await furnish(await open_shop(service, name="Another furnished shop"))
