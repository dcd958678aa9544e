"""A service in a process of its own, with the Neon stand-in between it and its database, and a store to sell in."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.stores import open_stores
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.bootstrap import open_database
from ibex.domain.identity.opening import OpenStore
from ibex.settings import Settings
from ibex_devtools.neon import NeonStandIn, PgBouncer
from ibex_devtools.sandbox import Cluster, Sandbox
from tests.e2e.processes import Service
from tests.faults.support.books import Found, compare, faults_in
from tests.faults.support.table import Row
from tests.faults.support.till import Json, Tally, Till

IBEX: Final = Path(sys.executable).with_name("ibex")
START_SECONDS: Final = 30.0
PRODUCTS: Final = 5
STOCK: Final = 1_000_000
# Tests ask faster than a till and from one address. Warnings are what an operator would have to act on.
SETTINGS: Final = {"IBEX_RATE_LIMIT": "0", "IBEX_LOG_LEVEL": "warning", "IBEX_DRAIN_SECONDS": "0"}


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that a fault test needs. Each test takes a tally of its own."""

    cluster: Cluster
    database: str
    neon: NeonStandIn
    service: Service
    http: httpx.AsyncClient
    environment: dict[str, str]
    cwd: Path
    store_id: Any = None
    token: str = ""
    products: list[Json] = field(default_factory=list)

    def till(self, tally: Tally | None = None, *, may_be_cut_off: bool = False) -> Till:
        """A till of the store's owner."""
        return Till(self.http, self.token, tally or Tally(), may_be_cut_off=may_be_cut_off)

    def sale(self, note: str, *, lines: int = 2, shift: int = 0) -> Json:
        """The body of a cash sale. ``shift`` says at which product it begins; the order of its lines follows."""
        chosen = [self.products[(shift + i) % len(self.products)] for i in range(lines)]
        return {
            "lines": [{"product_id": product["id"], "quantity": "1"} for product in chosen],
            "payment_method": "CASH",
            "note": note,
        }

    def books(self, tally: Tally) -> Found:
        """Raises AssertionError unless the books are whole and hold what callers were told, once."""
        faults = faults_in(self.cluster, self.database, self.store_id)
        assert not faults, faults
        return compare(self.cluster, self.database, self.store_id, tally.confirmed, tally.uncertain)

    def row(self, fault: str, tally: Tally, *, injected: int, recovery_seconds: float | None = None) -> Row:
        """The test's row, after a look at the books."""
        found = self.books(tally)
        return Row(
            fault=fault,
            injected=injected,
            requests=tally.requests,
            lost=found.lost,
            doubled=found.doubled,
            failures=tally.failures,
            slowest_seconds=tally.slowest_seconds,
            recovery_seconds=recovery_seconds,
        )


@asynccontextmanager
async def ground_on(
    cluster: Cluster,
    template: str,
    directory: Path,
    *,
    sandbox: Sandbox | None = None,
    pooler: PgBouncer | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """A stage with a database and a service of its own, and no store yet; all is gone afterwards."""
    database = f"faults_{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(cluster.create_database, database, template)
    cwd = directory / "cwd"
    cwd.mkdir()
    try:
        async with NeonStandIn(cluster, sandbox=sandbox, pooler=pooler) as neon:
            base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
            environment = neon.environment(
                database, pooled=pooler is not None, base=base | SETTINGS | dict(settings or {})
            )
            if pooler is not None:
                environment["IBEX_DATABASE_ENDPOINT"] = "as-given"
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            service = start(environment, cwd, directory / "service.log")
            with service:
                async with httpx.AsyncClient(base_url=service.base_url, limits=limits, trust_env=False) as http:
                    await ready(http, service)
                    yield Stage(
                        cluster=cluster,
                        database=database,
                        neon=neon,
                        service=service,
                        http=http,
                        environment=environment,
                        cwd=cwd,
                    )
    finally:
        if sandbox is None:  # else it goes with its server
            await asyncio.to_thread(cluster.drop_database, database)


def start(environment: Mapping[str, str], cwd: Path, log: Path, *, port: int | None = None) -> Service:
    """`ibex serve` as a process."""
    command = [str(IBEX), "serve", "--host", "127.0.0.1"] + ([] if port is None else ["--port", str(port)])
    return Service(command, environment=environment, cwd=cwd, log=log)


async def ready(http: httpx.AsyncClient, service: Service, *, within_seconds: float = START_SECONDS) -> float:
    """Seconds until the service says that it is ready. Raises AssertionError with its log."""
    began = time.monotonic()
    while time.monotonic() - began < within_seconds:
        assert service.process.poll() is None, service.output()
        try:
            if (await http.get("/health/ready", timeout=10)).status_code == 200:
                return time.monotonic() - began
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"not ready within {within_seconds:.0f} s: {service.output()}")


@contextmanager
def trusting(cluster: Cluster) -> Iterator[None]:
    """Within this block connections of this process trust the cluster's certificate."""
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = cluster.trust_file
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before


@asynccontextmanager
async def behind_the_scenes(stage: Stage) -> AsyncIterator[Database]:
    """The same database, past the stand-in and the service."""
    with trusting(stage.cluster):
        async with open_database(_settings(stage)) as database:
            yield database


def _settings(stage: Stage) -> Settings:
    environment = stage.cluster.environment(stage.database) | {"IBEX_POOL_SIZE": "2"}
    return Settings.from_environ(environment, cwd=stage.cwd)


async def with_a_new_store(ground: Stage) -> Stage:
    """The same stage, with a store that nobody else uses, and products in it."""
    with trusting(ground.cluster):
        async with open_stores(_settings(ground).database) as stores:
            open_store = OpenStore(stores, SystemSecrets(), SystemClock(), Uuid7Source())
            opened = await open_store(name="Corner shop", currency="EUR", time_zone="Europe/Rome", owner="Ada")
    stage = replace(ground, store_id=opened.store.id, token=opened.secret.text, products=[])
    headers = {"authorization": f"Bearer {stage.token}"}
    for number in range(PRODUCTS):
        product = {"sku": f"P{number}", "name": f"Product {number}", "unit_price": "2.50", "stock": str(STOCK)}
        response = await stage.http.post("/v1/products", json=product, headers=headers)
        assert response.status_code == 201, response.text
        stage.products.append(response.json())
    return stage
