"""One measured run of one contender, and runs of several in turn."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ibex_devtools.bench.floor import Pgbench
from ibex_devtools.bench.processes import Meter, Used, memory_mib, tree_of, used
from ibex_devtools.bench.serving import BenchError, Service

SHOWN: Final = ("per_second", "p50", "p95", "p99", "app_cpu_ms", "database_cpu_ms", "average_ms", "other_cores")
Run = dict[str, float]


@dataclass(frozen=True, slots=True)
class Contender:
    """What takes its turn: a name, and what makes one run of so many seconds."""

    name: str
    run: Callable[[float], Run]


@dataclass(slots=True)
class Load:
    """Requests to a service."""

    service: Service
    requests: list[dict[str, Any]]
    connections: int = 16
    prepare: list[dict[str, Any]] | None = None
    """Requests that make what the others are then made on, one for one."""
    items: int = 1
    """How many sales (or rows) one request holds."""
    warm_up_seconds: float = 0.5
    runs: int = field(default=0)


_serial = 0


def drive(load: Load, seconds: float, postmaster: int, *, limit: int | None = None) -> Run:
    """One run: figures of the load, and what the service and the database used for it. Raises BenchError."""
    global _serial  # noqa: PLW0603 - keys must differ between all runs of a process
    _serial += 1
    job = {
        "port": load.service.port,
        "connections": load.connections,
        "requests": load.requests,
        "prepare": load.prepare,
        "prepare_seconds": seconds * 1.2,
        "seconds": seconds,
        "warm_up_seconds": 0.0 if limit else load.warm_up_seconds,
        "limit": limit,
        "run": f"run-{_serial:06d}",
    }
    meter = Meter({"app": load.service.pid, "database": postmaster})
    process = subprocess.Popen(
        [sys.executable, "-m", "ibex_devtools.bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(job).replace("@RUN@", f"{_serial:04d}"))
    process.stdin.close()
    first = process.stdout.readline().strip()
    before = meter.read()
    line = process.stdout.readline() if first == "begin" else first
    after = meter.read()
    process.wait()
    result: dict[str, Any] = json.loads(line or "{}")
    if process.returncode != 0 or result.get("errors") or not result.get("requests"):
        raise BenchError(f"{load.service.name}: {result or 'the load failed'} ({load.requests[0]['path']})")
    return _figures(result, used(before, after, result["load_cpu_seconds"]), load)


def _figures(result: dict[str, Any], use: Used, load: Load) -> Run:
    requests = result["requests"]
    return {
        "per_second": result["per_second"] * load.items,
        "requests": requests,
        "prepared": result["prepared"],
        "p50": result["p50"],
        "p95": result["p95"],
        "p99": result["p99"],
        "app_cpu_ms": 1000 * use.groups["app"] / requests / load.items,
        "database_cpu_ms": 1000 * use.groups["database"] / requests / load.items,
        "load_cpu_ms": 1000 * result["load_cpu_seconds"] / requests,
        "other_cores": use.other_cores,
        "memory_mib": memory_mib(tree_of(load.service.pid)),
    }


def service_contender(name: str, load: Load, postmaster: int) -> Contender:
    """A service under this load."""
    return Contender(name, lambda seconds: drive(load, seconds, postmaster))


def floor_contender(
    name: str, pgbench: Pgbench, scripts: list[Any], clients: int, postmaster: int, *, mode: str = "simple"
) -> Contender:
    """The database alone."""

    def run(seconds: float) -> Run:
        process = pgbench.start(scripts, clients, seconds, mode=mode)
        meter = Meter({"database": postmaster, "load": process.pid})
        before = meter.read()
        # Its own output is read only when it has ended, so that its CPU is still there to be read.
        process.wait()
        after = meter.read()
        result = pgbench.finish(process)
        use = used(before, after)
        return {
            "per_second": result.per_second,
            "requests": result.requests,
            "average_ms": result.average_ms,
            "database_cpu_ms": 1000 * use.groups["database"] / result.requests,
            "other_cores": use.other_cores,
        }

    return Contender(name, run)


def alternate(
    contenders: Sequence[Contender], repeats: int, seconds: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """Runs of all in turn, ``repeats`` times over, the first to begin another one each time. Medians, and the runs."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for repeat in range(repeats):
        shift = repeat % len(contenders)
        for contender in (*contenders[shift:], *contenders[:shift]):
            run = contender.run(seconds)
            runs[contender.name].append(run)
            say(f"    {contender.name}: {run['per_second']:,.0f}/s")
    return {name: summary(found) for name, found in runs.items()}


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians over runs, the lowest and the highest rate, and the runs themselves."""
    keys = [key for key in runs[0] if all(key in run for run in runs)]
    rates = [run["per_second"] for run in runs]
    medians = {key: _rounded(statistics.median(run[key] for run in runs)) for key in keys}
    return medians | {
        "lowest": _rounded(min(rates)),
        "highest": _rounded(max(rates)),
        "runs": [{key: _rounded(run[key]) for key in SHOWN if key in run} for run in runs],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
