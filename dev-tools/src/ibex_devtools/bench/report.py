"""Writes what came out: tables, the plot, and what has changed since the last committed result."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ibex_devtools.bench import plot
from ibex_devtools.bench.tables import number, tables

RESULTS: Final = "docs/performance/results.json"
_MARKED: Final = re.compile(r"(<!-- bench:(?P<name>[a-z0-9_]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def committed(root: Path) -> dict[str, Any] | None:
    """The last committed result, or None."""
    done = subprocess.run(["git", "show", f"HEAD:{RESULTS}"], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write(results: dict[str, Any], target: Path, *, documents: Sequence[Path]) -> bool:
    """Tables and plot beside the results, and the tables into the documents that have their markers.

    False where the plot could not be drawn.
    """
    made = tables(results)
    text = "\n\n".join(f"## {name}\n\n{table}" for name, table in made.items())
    (target / "tables.md").write_text(text + "\n")
    for document in documents:
        document.write_text(filled(document.read_text(), made))
    return plot.draw(results, target)


def filled(text: str, made: dict[str, str]) -> str:
    """The document with each table between its markers; one that was not made stays as it is."""

    def fill(match: re.Match[str]) -> str:
        table = made.get(match["name"])
        return match[0] if table is None else f"{match[1]}{table}\n{match[3]}"

    return _MARKED.sub(fill, text)


def text(results: dict[str, Any]) -> str:
    """For the terminal."""
    return "\n\n".join(tables(results).values())


def rates(results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every summary in the results, by its path."""

    def walk(path: tuple[str, ...], value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(value, dict):
            if "per_second" in value and "runs" in value:
                yield " ".join(path), value
                return
            for name, inner in value.items():
                yield from walk((*path, name) if name != "contenders" else path, inner)

    for part in ("near", "far", "scale", "growth"):
        yield from walk((part,), results.get(part, {}))


def comparison(last: dict[str, Any] | None, results: dict[str, Any]) -> str:
    """Rates now and then. Machines drift: what lies within both spreads is no change."""
    if last is None:
        return "No result is committed yet: nothing to compare with."
    before = dict(rates(last))
    lines = [f"Compared with {last['machine']['revision']} of {last['machine']['at']} (a second, then and now):"]
    for name, now in rates(results):
        then = before.get(name)
        if then is None:
            continue
        apart = now["lowest"] > then["highest"] or now["highest"] < then["lowest"]
        change = now["per_second"] / then["per_second"] - 1
        verdict = f"{change:+.0%}" if apart else f"{change:+.0%}, within the spread"
        lines.append(f"  {name}: {number(then['per_second'])} -> {number(now['per_second'])} ({verdict})")
    return "\n".join(lines)
