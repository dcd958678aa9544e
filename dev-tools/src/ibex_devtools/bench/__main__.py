"""`make bench`: measures, writes what came out, and says what has changed since the last committed result."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from ibex_devtools.bench import machine, plan, report
from ibex_devtools.bench.far import CASES as FAR_CASES
from ibex_devtools.bench.far import far
from ibex_devtools.bench.growth import growth
from ibex_devtools.bench.scale import scale
from ibex_devtools.bench.serving import ROOT, BenchError
from ibex_devtools.bench.startup import startup
from ibex_devtools.bench.suite import Stage, near, stage

COMMITTED: Final = ROOT / "docs" / "performance"
NEAR: Final = frozenset(
    {"sale", "sale_hot", "sale_30", "sale_64", "read_invoice", "issue", "payment", "product", "statement"}
    | {"ledger", "day_report", "batch"}
)


@click.command()
@click.option("--quick", is_flag=True, help="Some minutes: does everything run, and has anything changed a lot?")
@click.option("--only", default="", help="Parts or cases, separated by commas.", metavar="NAMES")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Where to write.")
def main(*, quick: bool, only: str, out: Path | None) -> None:
    """Measure IBEX next to what the database alone can do, and next to two peers.

    A full run writes docs/performance and the tables of docs/PERFORMANCE.md and docs/SCALING.md; a quick or partial
    one writes to build/bench, unless --out says otherwise.
    """
    names = frozenset(name for name in only.split(",") if name)
    chosen = plan.quick(names) if quick else plan.full(names)
    whole = not quick and not names
    target = out or (COMMITTED if whole else ROOT / "build" / "bench")
    began = time.monotonic()
    try:
        results = _measure(chosen)
    except BenchError as error:
        _say(f"bench: {error}")
        sys.exit(1)
    results["seconds"] = round(time.monotonic() - began)
    target.mkdir(parents=True, exist_ok=True)
    last = report.committed(ROOT)
    (target / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    documents = [ROOT / "docs" / "PERFORMANCE.md", ROOT / "docs" / "SCALING.md"] if whole and out is None else []
    if not report.write(results, target, documents=documents):
        _say("no plot: matplotlib is not installed; make bench installs it")
    _say(report.text(results))
    _say(report.comparison(last, results))
    _say(f"{results['seconds']} s; written to {target}")


def _measure(chosen: plan.Plan) -> dict[str, Any]:
    results: dict[str, Any] = {"machine": machine.describe(), "quick": chosen.quick}
    with tempfile.TemporaryDirectory(prefix="ibex-bench-") as directory, stage(chosen, Path(directory), _say) as on:
        results["machine"]["floor"] = on.pgbench.origin
        parts: list[tuple[str, str, frozenset[str], Callable[[Stage], Any]]] = [
            ("startup", "Start", frozenset(), startup),
            ("near", "Next to the database", NEAR, near),
            ("far", "5 ms away", FAR_CASES, far),
            ("scale", "More processes", frozenset(), scale),
            ("growth", "As the books grow", frozenset({"export"}), growth),
        ]
        for name, title, cases, measure in parts:
            if chosen.wants_part(name, cases):
                began = time.monotonic()
                _say(title)
                results[name] = measure(on)
                _say(f"  ({time.monotonic() - began:.0f} s)")
    return results


def _say(text: str) -> None:
    click.echo(text, err=True)


if __name__ == "__main__":
    main()
