"""How long it takes from the command to the first ready answer, and what the idle service holds."""

from __future__ import annotations

import statistics
import time
from typing import Any

from ibex_devtools.bench import serving
from ibex_devtools.bench.processes import cpu_seconds, memory_mib, tree_of
from ibex_devtools.bench.suite import Stage


def startup(stage: Stage) -> dict[str, Any]:
    """Seconds to ready with the schema current, CPU seconds of it, and idle memory in MiB."""
    seconds, cpu, memory = [], [], []
    for n in range(1 if stage.plan.quick else stage.plan.repeats):
        with serving.ibex(stage.environment(), stage.directory, name=f"ibex-start-{n}") as service:
            seconds.append(service.ready_seconds)
            cpu.append(cpu_seconds([service.pid]))
            time.sleep(1)
            memory.append(memory_mib(tree_of(service.pid)))
    stage.say(f"  ready after {statistics.median(seconds):.2f} s, {statistics.median(memory):.0f} MiB idle")
    return {
        "ready_seconds": round(statistics.median(seconds), 3),
        "ready_seconds_runs": [round(value, 3) for value in seconds],
        "cpu_seconds": round(statistics.median(cpu), 3),
        "idle_mib": round(statistics.median(memory), 1),
    }
