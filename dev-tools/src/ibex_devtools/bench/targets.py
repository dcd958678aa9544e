"""What is aimed at, and how far it was reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ibex_devtools.bench.tables import best_floor, number

Results = dict[str, Any]
PEERS: Final = ("fastapi_orm", "litestar_orm")


@dataclass(frozen=True, slots=True)
class Judged:
    """One line of the table."""

    figure: str
    target: str
    reached: str
    met: bool

    @property
    def verdict(self) -> str:
        """For the reader."""
        return "met" if self.met else "not met"


def judged(results: Results) -> Iterator[Judged]:
    """The targets that the results say something about."""
    near: dict[str, Any] = {name: case["contenders"] for name, case in results.get("near", {}).items()}
    far = results.get("far", {})
    yield from _round_trips(far)
    yield from _throughput(near)
    yield from _latency(near, far)
    yield from _growth(results)
    yield from _rest(results)


def _round_trips(far: Results) -> Iterator[Judged]:
    trips = far.get("round_trips", {}).get("ibex", {})
    for name in ("sale", "issue", "payment"):
        if name in trips:
            limit = 1 if name == "sale" else 2
            yield Judged(f"round trips, {name}", f"at most {limit}", number(trips[name]), trips[name] <= limit)
    reads = {
        name: trips[name] for name in ("read_invoice", "product", "statement", "ledger", "day_report") if name in trips
    }
    if reads:
        yield Judged(
            "round trips, any read, list or report", "1", number(max(reads.values())), max(reads.values()) <= 1
        )


def _throughput(near: Results) -> Iterator[Judged]:
    for name, title in (("sale", "sale of 3 lines, 50 stores"), ("sale_hot", "sale of 3 lines, one store")):
        floor = best_floor(near.get(name, {}))
        if floor:
            share = near[name]["ibex"]["per_second"] / floor
            yield Judged(f"{title}, of the floor", "at least 0.5", number(share, 2), share >= 0.5)
    for name, title, least in (("sale", "sale of 3 lines", 4.0), ("read_invoice", "read an invoice", 5.0)):
        rates = [near[name][peer]["per_second"] for peer in PEERS if peer in near.get(name, {})]
        if rates:
            times = near[name]["ibex"]["per_second"] / max(rates)
            yield Judged(
                f"{title}, of the better peer", f"at least {least:g} times", f"{number(times, 2)} times", times >= least
            )
    if "sale" in near:
        cpu = near["sale"]["ibex"]["app_cpu_ms"]
        yield Judged("app CPU of a sale", "at most 0.8 ms", f"{number(cpu, 2)} ms", cpu <= 0.8)
    if "batch" in near and "sale" in near:
        times = near["batch"]["ibex"]["per_second"] / near["sale"]["ibex"]["per_second"]
        yield Judged(
            "500 offline sales, of the rate of single ones", "at least 3 times", f"{number(times, 2)} times", times >= 3
        )


def _latency(near: Results, far: Results) -> Iterator[Judged]:
    for name, title in (("sale_alone", "one at a time"), ("sale", "eight at once")):
        sale = far.get("latency", {}).get(name, {}).get("contenders", {}).get("ibex")
        if sale:
            limit = 2.5 * far["rtt_ms"] + 5
            yield Judged(
                f"sale, p50 at {far['rtt_ms']:g} ms, {title}",
                f"at most {limit:g} ms",
                f"{number(sale['p50'])} ms",
                sale["p50"] <= limit,
            )
    if "sale_64" in near:
        crowd = near["sale_64"]["ibex"]
        times = crowd["p99"] / crowd["p50"]
        yield Judged("sale, 64 connections, p99 of p50", "at most 5 times", f"{number(times, 2)} times", times <= 5)


def _growth(results: Results) -> Iterator[Judged]:
    growth = results.get("growth")
    if not growth:
        return
    span = f"{growth['small']:,} to {growth['large']:,} entries"
    for name, case in growth["cases"].items():
        large = case["contenders"]["large"]["p50"]
        if name in ("day_report", "month_report"):
            limit = 150 if name == "day_report" else 800
            yield Judged(
                f"{case['title']}, p50 at {growth['large']:,} entries",
                f"under {limit} ms",
                f"{number(large)} ms",
                large < limit,
            )
        else:
            times = large / case["contenders"]["small"]["p50"]
            yield Judged(f"{case['title']}, {span}", "at most 1.3 times", f"{number(times, 3)} times", times <= 1.3)


def _rest(results: Results) -> Iterator[Judged]:
    export = results.get("growth", {}).get("export")
    if export:
        rate, memory = export["rows_per_second"], export["memory_above_idle_mib"]
        yield Judged("CSV export, rows a second", "at least 100,000", number(rate), rate >= 100_000)
        yield Judged("CSV export, memory above idle", "under 64 MiB", f"{number(memory)} MiB", memory < 64)
    start = results.get("startup")
    if start:
        seconds, idle = start["ready_seconds"], start["idle_mib"]
        yield Judged("start to ready, schema current", "under 1.5 s", f"{number(seconds)} s", seconds < 1.5)
        yield Judged("idle memory", "under 120 MiB", f"{number(idle)} MiB", idle < 120)
