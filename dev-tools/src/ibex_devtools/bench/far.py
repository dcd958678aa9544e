"""The same services with a network between them and the database: round trips on the wire, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from ibex_devtools.bench import cases, serving
from ibex_devtools.bench.cases import Case
from ibex_devtools.bench.runs import Contender, alternate, drive, service_contender
from ibex_devtools.bench.serving import Service
from ibex_devtools.bench.suite import PEERS, Stage, peer_reads, peer_sales
from ibex_devtools.neon.process import NeonProcess

RTT_SECONDS: Final = 0.005
COUNTED: Final = 40
DIFFERENT: Final = 5
"""Requests that are counted with: few, so that their tokens and products are still known from the time before."""
CASES: Final = frozenset({"far", "round_trips"})
ASIDE: Final = ("pg_notify", "fold_sales", "ibex.api_tokens")
"""Not of each request: waking the workers a few times a second, bringing the sums of reports up, and looking a token up
again that was known for 8 seconds."""
MEASURED: Final = ("sale", "read_invoice", "issue", "payment", "product", "statement")
"""Of the others only the round trips are of interest here."""


def far(stage: Stage) -> dict[str, Any]:
    """Through the Neon stand-in: counted without a delay, measured at 5 ms."""
    with NeonProcess(stage.sandbox.cluster) as neon:
        # With one connection to the database, so that each statement is prepared once and not counted again.
        with _services(stage, neon, pool=1) as (service, peers):
            trips = _round_trips(stage, neon, service, peers)
        with _services(stage, neon, pool=serving.POOL) as (service, peers):
            neon.command("network", latency_seconds=RTT_SECONDS / 2)
            latencies = _latencies(stage, service, peers)
            neon.command("network", latency_seconds=0.0)
    return {"rtt_ms": RTT_SECONDS * 1000, "round_trips": trips, "latency": latencies}


@contextmanager
def _services(stage: Stage, neon: NeonProcess, *, pool: int) -> Iterator[tuple[Service, dict[str, Service]]]:
    environment, logs = neon.environment(), stage.directory
    with ExitStack() as stack:
        service = stack.enter_context(
            serving.ibex(environment, logs, name=f"ibex-far-{pool}", IBEX_POOL_SIZE=str(pool))
        )
        peers = {
            name: stack.enter_context(serving.peer(name, environment, logs, name=f"{name}-far-{pool}", pool=pool))
            for name in PEERS
        }
        yield service, peers


def _cases(stage: Stage, service: Service) -> list[Case]:
    invoices = cases.make_invoices(stage, service)
    return [
        Case("sale", "sale of 3 lines", cases.sale_load(stage, service, hot=False)),
        Case("read_invoice", "read an invoice", cases.read_load(service, invoices)),
        *cases.single_cases(stage, service),
    ]


def _round_trips(
    stage: Stage, neon: NeonProcess, service: Service, peers: Mapping[str, Service]
) -> dict[str, dict[str, float]]:
    """Flights to the database and back, of one request: one connection, everything known that will be known."""
    loads = {("ibex", case.name): case.load for case in _cases(stage, service)}
    for name, peer in peers.items():
        loads[name, "sale"] = peer_sales(stage, name, peer)
        loads[name, "read_invoice"] = peer_reads(stage, name, peer)
    found: dict[str, dict[str, float]] = {}
    for (contender, case), load in loads.items():
        found.setdefault(contender, {})[case] = _count(stage, neon, load)
    return found


def _count(stage: Stage, neon: NeonProcess, load: Any) -> float:
    load.connections = 1
    few = 2 if load.items > 1 else COUNTED
    load.requests = load.requests[:DIFFERENT]
    prepare, load.prepare = load.prepare, load.prepare and load.prepare[:DIFFERENT]
    # Once through first: tokens, products and statements are known from then on.
    drive(load, 20, stage.postmaster, limit=DIFFERENT)
    if prepare is not None:
        return _count_prepared(stage, neon, load)
    neon.command("record")
    drive(load, 20, stage.postmaster, limit=few)
    return round(_recorded(neon) / few, 3)


def _recorded(neon: NeonProcess) -> int:
    """Round trips since the record was started, without those of the work aside: see ASIDE."""
    recorded = neon.command("recorded")
    aside = sum(any(name in statement["text"] for name in ASIDE) for statement in recorded["statements"])
    return int(recorded["round_trips"]) - aside


def _count_prepared(stage: Stage, neon: NeonProcess, load: Any) -> float:
    """What was prepared is counted too, and taken off: as many drafts (or sales), of one round trip each."""
    # The same requests by themselves, so that only what they cost is left.
    preparing = type(load)(load.service, load.prepare, connections=1)
    neon.command("record")
    drive(preparing, 20, stage.postmaster, limit=len(load.prepare))
    single = _recorded(neon) / len(load.prepare)
    neon.command("record")
    run = drive(load, 2, stage.postmaster)
    both = _recorded(neon)
    return round((both - run["prepared"] * single) / run["requests"], 3)


def _latencies(stage: Stage, service: Service, peers: Mapping[str, Service]) -> dict[str, Any]:
    """At RTT_SECONDS, 8 connections: enough that a slow contender is not measured by its queue alone. A sale also with
    one, which is what a till waits for when nobody else is there.
    """
    found = {}
    for case in _cases(stage, service):
        if case.name not in (MEASURED[:3] if stage.plan.quick else MEASURED):
            continue
        for suffix, title, connections in (("", "", 8), ("_alone", ", one at a time", 1)):
            if suffix and case.name != "sale":
                continue
            stage.say(f"  {case.title}{title}, {RTT_SECONDS * 1000:.0f} ms away")
            contenders = _far_contenders(stage, case, peers, connections)
            found[case.name + suffix] = {
                "title": case.title + title,
                "contenders": alternate(contenders, stage.plan.repeats, stage.plan.case_seconds, stage.say),
            }
    return found


def _far_contenders(stage: Stage, case: Case, peers: Mapping[str, Service], connections: int) -> list[Contender]:
    loads = {"ibex": case.load}
    for name, peer in peers.items():
        if case.name in ("sale", "read_invoice"):
            loads[name] = (peer_sales if case.name == "sale" else peer_reads)(stage, name, peer)
    for load in loads.values():
        load.connections = connections
    return [service_contender(name, load, stage.postmaster) for name, load in loads.items()]
