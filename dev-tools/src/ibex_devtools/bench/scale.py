"""More processes on the same machine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

from ibex_devtools.bench import cases, serving
from ibex_devtools.bench.runs import alternate, service_contender
from ibex_devtools.bench.suite import Stage

WORKERS: Final = (1, 2, 4)


def scale(stage: Stage) -> dict[str, Any]:
    """Sales in 50 stores and in one, and reads, with one, two and four worker processes of one service."""
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        services = {
            workers: stack.enter_context(
                serving.ibex(
                    stage.environment(), stage.directory, name=f"ibex-{workers}-workers", IBEX_WORKERS=str(workers)
                )
            )
            for workers in WORKERS
        }
        invoices = cases.make_invoices(stage, services[1])
        for name, title in (("sale", "sale, 50 stores"), ("sale_hot", "sale, one store"), ("read", "read an invoice")):
            contenders = []
            for workers, service in services.items():
                if name == "read":
                    load = cases.read_load(service, invoices)
                else:
                    load = cases.sale_load(stage, service, hot=name == "sale_hot")
                load.connections = 32
                contenders.append(service_contender(str(workers), load, stage.postmaster))
            stage.say(f"  {title}, by number of processes")
            runs = alternate(contenders, stage.plan.repeats, stage.plan.case_seconds, stage.say)
            found[name] = {"title": title, "contenders": runs}
    return found
