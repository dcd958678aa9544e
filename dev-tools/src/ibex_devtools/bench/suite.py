"""The cases: what is asked of which service, and what takes its turn with it."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ibex_devtools.bench import cases, serving
from ibex_devtools.bench.floor import Pgbench, post_script
from ibex_devtools.bench.payload import capture_sales
from ibex_devtools.bench.plan import Plan
from ibex_devtools.bench.runs import Contender, Load, alternate, drive, floor_contender, service_contender
from ibex_devtools.bench.serving import BenchError, Service
from ibex_devtools.bench.world import PRODUCTS, World, make_world
from ibex_devtools.sandbox import Sandbox

PEERS: Final = {"fastapi_orm": "FastAPI + SQLAlchemy ORM", "litestar_orm": "Litestar + advanced-alchemy ORM"}
SETTLING_SALES: Final = 500
Say = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """A server with the schema and the shops, and what runs on it."""

    plan: Plan
    sandbox: Sandbox
    directory: Path
    world: World
    pgbench: Pgbench
    peer_products: dict[str, list[str]]
    say: Say

    @property
    def postmaster(self) -> int:
        """The process that all of the server's processes descend from."""
        return int((self.sandbox.directory / "data" / "postmaster.pid").read_text().split()[0])

    def environment(self, database: str = "ibex") -> dict[str, str]:
        """Variables of a service on this server."""
        return self.sandbox.environment(database)


@contextmanager
def stage(plan: Plan, directory: Path, say: Say) -> Iterator[Stage]:
    """Starts the sandbox, migrates and seeds it."""
    with Sandbox() as sandbox:
        environment = sandbox.environment()
        # The bench's own connections verify the server, too.
        os.environ["SSL_CERT_FILE"] = environment["SSL_CERT_FILE"]
        migrate(environment)
        peers = {module: _peer_products(module, environment) for module in PEERS}
        world = make_world(environment)
        pgbench = Pgbench(sandbox.cluster, "ibex", directory)
        yield Stage(plan, sandbox, directory, world, pgbench, peers, say)


def migrate(environment: Mapping[str, str]) -> None:
    """The schema, as a deployment makes it. Raises BenchError."""
    done = subprocess.run(
        [serving.ibex_program(), "migrate", "deploy"],
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"ibex migrate deploy failed:\n{done.stdout}{done.stderr}")


def _peer_products(module: str, environment: Mapping[str, str]) -> list[str]:
    done = subprocess.run(
        [serving.peer_python(), "-m", "ibex_devtools.bench.peers.schema", module, str(PRODUCTS)],
        env=os.environ | serving.peer_variables(environment, pool=2),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"the tables of {module} could not be made:\n{done.stderr[-2000:]}")
    found: list[str] = json.loads(done.stdout)
    return found


def near(stage: Stage) -> dict[str, Any]:
    """Everything without a network in between: the floor, IBEX and the peers."""
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        environment = stage.environment()
        service = stack.enter_context(serving.ibex(environment, stage.directory))
        peers = {name: stack.enter_context(serving.peer(name, environment, stage.directory)) for name in PEERS}
        _settle(stage, service, peers)
        measure = _Measure(stage, found)
        measure.headline("sale_hot", "sale of 3 lines, one store", _sales(stage, service, peers, hot=True))
        measure.headline("sale", "sale of 3 lines, 50 stores", _sales(stage, service, peers, hot=False))
        measure.plain("sale_30", "sale of 30 lines, 50 stores", _long_sales(stage, service))
        if stage.plan.wants("read_invoice"):
            invoices = cases.make_invoices(stage, service)
            measure.plain("read_invoice", "read an invoice", _reads(stage, service, peers, invoices))
        for case in cases.single_cases(stage, service):
            measure.plain(case.name, case.title, [service_contender("ibex", case.load, stage.postmaster)])
        crowd = cases.sale_load(stage, service, hot=False, connections=64)
        measure.plain(
            "sale_64", "sale of 3 lines, 64 connections", [service_contender("ibex", crowd, stage.postmaster)]
        )
    return found


def _settle(stage: Stage, service: Service, peers: dict[str, Service]) -> None:
    """Some sales of everybody, and then the statistics that autovacuum gathers within a minute.

    Without them the server plans for empty tables, and keeps those plans while they fill.
    """
    for hot in (True, False):
        drive(cases.sale_load(stage, service, hot=hot), 30, stage.postmaster, limit=SETTLING_SALES)
    for name, peer in peers.items():
        drive(peer_sales(stage, name, peer), 30, stage.postmaster, limit=SETTLING_SALES)
    stage.sandbox.cluster.execute("VACUUM (ANALYZE);", database="ibex")


class _Measure:
    """Runs groups of contenders, and keeps what came out under the group's name."""

    def __init__(self, stage: Stage, found: dict[str, Any]) -> None:
        self._stage = stage
        self._found = found

    def headline(self, name: str, title: str, contenders: list[Contender]) -> None:
        """With the long time."""
        self._run(name, title, contenders, self._stage.plan.headline_seconds)

    def plain(self, name: str, title: str, contenders: list[Contender]) -> None:
        """With the short time."""
        self._run(name, title, contenders, self._stage.plan.case_seconds)

    def _run(self, name: str, title: str, contenders: list[Contender], seconds: float) -> None:
        if not self._stage.plan.wants(name):
            return
        self._stage.say(f"  {title}")
        found = alternate(contenders, self._stage.plan.repeats, seconds, self._stage.say)
        self._found[name] = {"title": title, "seconds": seconds, "contenders": found}


def _sales(stage: Stage, service: Service, peers: dict[str, Service], *, hot: bool) -> list[Contender]:
    world, postmaster = stage.world, stage.postmaster
    if hot:
        baskets = [(world.hot, world.hot.products[n : n + 3]) for n in range(0, 90, 3)]
    else:
        baskets = [(shop, shop.products[:3]) for shop in world.many]
    payloads = capture_sales(stage.environment(), baskets)
    scripts = stage.pgbench.write_scripts("hot" if hot else "many", [post_script(payload) for payload in payloads])
    load = cases.sale_load(stage, service, hot=hot)
    contenders = [
        floor_contender(f"floor_{clients}", stage.pgbench, scripts, clients, postmaster) for clients in (4, 16)
    ]
    contenders.append(service_contender("ibex", load, postmaster))
    if not hot:
        for name, peer in peers.items():
            contenders.append(service_contender(name, peer_sales(stage, name, peer), postmaster))
    return contenders


def _long_sales(stage: Stage, service: Service) -> list[Contender]:
    baskets = [(shop, shop.products[:30]) for shop in stage.world.many]
    payloads = capture_sales(stage.environment(), baskets)
    scripts = stage.pgbench.write_scripts("long", [post_script(payload) for payload in payloads])
    load = cases.sale_load(stage, service, hot=False, lines=30)
    return [
        floor_contender("floor_16", stage.pgbench, scripts, 16, stage.postmaster),
        service_contender("ibex", load, stage.postmaster),
    ]


def _reads(
    stage: Stage, service: Service, peers: dict[str, Service], invoices: list[tuple[str, str, str]]
) -> list[Contender]:
    scripts = stage.pgbench.write_scripts("read", cases.read_scripts(invoices))
    contenders = [floor_contender("floor_16", stage.pgbench, scripts, 16, stage.postmaster, mode="prepared")]
    contenders.append(service_contender("ibex", cases.read_load(service, invoices), stage.postmaster))
    for name, peer in peers.items():
        contenders.append(service_contender(name, peer_reads(stage, name, peer), stage.postmaster))
    return contenders


def peer_sales(stage: Stage, name: str, peer: Service) -> Load:
    """The same sale for a peer."""
    chance = random.Random(2)
    requests = []
    for _ in range(400):
        basket = chance.sample(stage.peer_products[name], 3)
        lines = [{"product_id": product, "quantity": str(1 + n % 3)} for n, product in enumerate(basket)]
        requests.append(
            {"method": "POST", "path": "/sales", "body": {"lines": lines, "payment_method": "CASH"}, "headers": {}}
        )
    return Load(peer, requests)


def peer_reads(stage: Stage, name: str, peer: Service) -> Load:
    """Reading back what the peer has sold."""
    drive(peer_sales(stage, name, peer), 30, stage.postmaster, limit=200)
    schema = {"fastapi_orm": "peer_fastapi", "litestar_orm": "peer_litestar"}[name]
    found = stage.sandbox.cluster.execute(f"SELECT id FROM {schema}.invoices LIMIT 200;", database="ibex")  # noqa: S608
    return Load(peer, [{"method": "GET", "path": f"/invoices/{line}"} for line in found.split()])
