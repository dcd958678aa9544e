"""From results to tables, in Markdown: each between its markers in docs/PERFORMANCE.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Results = dict[str, Any]
TITLES: Final = {
    "floor_4": "database alone, pgbench, 4 clients",
    "floor_16": "database alone, pgbench, 16 clients",
    "ibex": "IBEX",
    "fastapi_orm": "FastAPI + SQLAlchemy ORM",
    "litestar_orm": "Litestar + advanced-alchemy ORM",
}


def tables(results: Results) -> dict[str, str]:
    """The tables that there are figures for, by the name of their markers."""
    made = {"machine": _machine(results), "targets": _targets(results)}
    near = results.get("near", {})
    trips = results.get("far", {}).get("round_trips", {})
    for name in ("sale", "sale_hot", "sale_30", "read_invoice"):
        if name in near:
            made[name] = _contenders(near[name], {key: value.get(name) for key, value in trips.items()})
    if near:
        made["cases"] = _cases(near, trips.get("ibex", {}))
    for name, make in (("far", _far), ("scale", _scale), ("growth", _growth)):
        if name in results:
            made[name] = make(results[name])
    if "growth" in results:
        made["export"] = _export(results["growth"]["export"])
    return made


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """To so many significant digits, and never as a power of ten."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.{digits}g}'):g}"


def best_floor(contenders: dict[str, Any]) -> float | None:
    """The better of the runs of pgbench, in calls a second."""
    rates = [found["per_second"] for name, found in contenders.items() if name.startswith("floor")]
    return max(rates) if rates else None


def _machine(results: Results) -> str:
    about = results["machine"]
    length = "a quick run, too short for conclusions" if results["quick"] else "a full run"
    return (
        f"Measured at {about['at']} on revision {about['revision'] or '?'}: {about['cores']} cores "
        f"({about['processor']}), {about['memory_gib']:g} GiB, shared by the database, the service and the load. "
        f"{about['postgresql']}, Python {about['python']}, floor by {about['floor']}; {length}. "
        f"Load average before it: {about['load_before']:g}."
    )


def _spread(found: dict[str, Any]) -> str:
    return f"{number(found['per_second'])} ({number(found['lowest'])} to {number(found['highest'])})"


def _contenders(case: dict[str, Any], trips: dict[str, Any]) -> str:
    floor = best_floor(case["contenders"])
    rows = []
    for name, found in case["contenders"].items():
        share = "" if floor is None else number(found["per_second"] / floor, 2)
        rows.append(
            [
                TITLES.get(name, name),
                _spread(found),
                share,
                number(found.get("p50", found.get("average_ms"))),
                number(found.get("p99")),
                number(found.get("app_cpu_ms"), 2),
                number(found["database_cpu_ms"], 2),
                "1" if name.startswith("floor") else number(trips.get(name)),
                number(found["other_cores"], 2),
            ]
        )
    head = ["", "a second (lowest to highest)", "of the floor", "p50 ms", "p99 ms", "app CPU ms", "database CPU ms"]
    return markdown([*head, "round trips", "other load, cores"], rows)


def _cases(near: dict[str, Any], trips: dict[str, Any]) -> str:
    rows = []
    for name, case in near.items():
        found = case["contenders"]["ibex"]
        per_request = "" if name != "batch" else " (sales)"
        rows.append(
            [
                case["title"],
                _spread(found) + per_request,
                number(found["p50"]),
                number(found["p99"]),
                number(found["app_cpu_ms"], 2),
                number(found["database_cpu_ms"], 2),
                number(trips.get(name, trips.get("sale") if name.startswith("sale") else None)),
                number(found["memory_mib"]),
            ]
        )
    head = ["IBEX, one process", "a second (lowest to highest)", "p50 ms", "p99 ms", "app CPU ms", "database CPU ms"]
    return markdown([*head, "round trips", "memory MiB"], rows)


def _far(far: dict[str, Any]) -> str:
    rows = []
    for name, case in far["latency"].items():
        for contender, found in case["contenders"].items():
            trips = far["round_trips"].get(contender, {}).get(name)
            rows.append(
                [
                    case["title"],
                    TITLES.get(contender, contender),
                    number(trips),
                    number(found["p50"]),
                    number(found["p99"]),
                    _spread(found),
                ]
            )
    return markdown(["", "", "round trips", "p50 ms", "p99 ms", "a second (lowest to highest)"], rows)


def _scale(scale: dict[str, Any]) -> str:
    rows = []
    for case in scale.values():
        one = case["contenders"]["1"]["per_second"]
        for workers, found in case["contenders"].items():
            rows.append([case["title"], workers, _spread(found), number(found["per_second"] / one, 2)])
    return markdown(["", "processes", "a second (lowest to highest)", "of one process"], rows)


def _growth(growth: dict[str, Any]) -> str:
    rows = []
    for case in growth["cases"].values():
        small, large = case["contenders"]["small"], case["contenders"]["large"]
        rows.append([case["title"], number(small["p50"]), number(large["p50"]), number(large["p50"] / small["p50"], 3)])
    head = ["", f"p50 ms, {growth['small']:,} entries", f"p50 ms, {growth['large']:,} entries", "times"]
    return markdown(head, rows)


def _export(export: dict[str, Any]) -> str:
    rows = [
        ["rows", f"{export['rows']:,}"],
        ["rows a second", number(export["rows_per_second"])],
        ["CPU of the service, microseconds a row", number(export["cpu_us_a_row"], 2)],
        ["memory above idle, MiB", number(export["memory_above_idle_mib"])],
    ]
    return markdown(["export of the ledger as CSV", ""], rows)


def _targets(results: Results) -> str:
    from ibex_devtools.bench.targets import judged  # noqa: PLC0415 - it uses this module's numbers

    rows = [[one.figure, one.target, one.reached, one.verdict] for one in judged(results)]
    return markdown(["figure", "target", "reached", ""], rows)
