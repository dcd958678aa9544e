"""Do sales, reads and reports cost the same when the books are a thousand times longer? And the export of them."""

from __future__ import annotations

import http.client
import random
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, Final

from ibex_devtools.bench import books, serving
from ibex_devtools.bench.books import DAYS, OWN_SALES, last_day
from ibex_devtools.bench.processes import cpu_seconds, memory_mib, tree_of
from ibex_devtools.bench.runs import Load, alternate, service_contender
from ibex_devtools.bench.serving import Service
from ibex_devtools.bench.suite import Stage, migrate
from ibex_devtools.bench.world import Shop, make_shop, reads_by_all_tills, sale_requests

SMALL: Final = 10_000
FALLBACK: Final = 1_000_000
_READ_BYTES: Final = 1 << 16


def growth(stage: Stage) -> dict[str, Any]:
    """The same requests on short and on long books, in turn; then the export."""
    large = stage.plan.growth_entries
    if not books.room_for(large, stage.directory):
        stage.say(f"  the disk has no room for {large:,} entries: {FALLBACK:,} instead")
        large = FALLBACK
    shops: dict[str, Shop] = {}
    with ExitStack() as stack:
        services = {}
        for name, entries in (("small", SMALL), ("large", large)):
            began = time.monotonic()
            database = f"growth_{name}"
            stage.sandbox.create_database(database)
            migrate(stage.environment(database))
            shops[name] = make_shop(stage.environment(database))
            books.fill(stage.sandbox.cluster, database, shops[name], entries)
            stage.say(f"  {entries:,} entries in {time.monotonic() - began:.0f} s")
            services[name] = stack.enter_context(
                serving.ibex(stage.environment(database), stage.directory, name=database)
            )
        found = {}
        sizes = {"small": SMALL, "large": large}
        for case, title in _TITLES.items():
            stage.say(f"  {title}")
            contenders = [
                service_contender(name, _load(case, service, shops[name], sizes[name] // 2), stage.postmaster)
                for name, service in services.items()
            ]
            runs = alternate(contenders, stage.plan.repeats, stage.plan.case_seconds, stage.say)
            found[case] = {"title": title, "contenders": runs}
        exported = export(stage, services["large"], shops["large"], large)
    return {"small": SMALL, "large": large, "cases": found, "export": exported}


_TITLES: Final = {
    "sale": "sale of 3 lines",
    "read_invoice": "read an invoice",
    "ledger": "ledger, first page",
    "ledger_day": "ledger, a page from a day in the middle",
    "statement": f"statement of a customer with {OWN_SALES:,} sales, first page",
    "day_report": "report of a day",
    "month_report": "report of 30 days",
}


def _load(case: str, service: Service, shop: Shop, sales: int) -> Load:
    day = last_day()
    paths = {
        "ledger": "/v1/ledger",
        "ledger_day": f"/v1/ledger?from={day - timedelta(days=DAYS // 2)}",
        "statement": f"/v1/customers/{shop.customer}/statement",
        "day_report": f"/v1/reports/sales?from={day}&to={day}&group_by=hour",
        "month_report": f"/v1/reports/sales?from={day - timedelta(days=29)}&to={day}&group_by=product",
    }
    if case == "sale":
        return Load(service, sale_requests(shop, 3, count=200), connections=4)
    if case == "read_invoice":
        chance = random.Random(3)
        ids = [f"01900000-0000-7000-8001-{chance.randint(1, sales):012x}" for _ in range(1000)]
        return Load(service, reads_by_all_tills(shop, [f"/v1/invoices/{one}" for one in ids]), connections=4)
    return Load(service, reads_by_all_tills(shop, [paths[case]] * len(shop.tokens)), connections=4)


def export(stage: Stage, service: Service, shop: Shop, entries: int) -> dict[str, Any]:
    """The ledger as CSV, read as fast as it comes: rows a second, and how much memory the service took for it."""
    days = max(1, DAYS * stage.plan.export_entries // entries)
    first = last_day() - timedelta(days=days - 1) if days < DAYS else last_day() - timedelta(days=DAYS + 1)
    idle = memory_mib(tree_of(service.pid))
    highest = _Highest(service.pid)
    runs = []
    for _ in range(3):
        cpu, began = cpu_seconds([service.pid]), time.monotonic()
        rows = _read_csv(service, f"/v1/ledger?from={first}&to={last_day()}", shop.tokens[0])
        seconds = time.monotonic() - began
        runs.append({"rows": rows, "seconds": seconds, "cpu_us_a_row": 1e6 * (cpu_seconds([service.pid]) - cpu) / rows})
    memory = highest.stop()
    best = sorted(runs, key=lambda run: run["rows"] / run["seconds"])[1]
    rate = best["rows"] / best["seconds"]
    stage.say(f"  export: {best['rows']:,} rows, {rate:,.0f} rows a second, {memory - idle:.0f} MiB above idle")
    return {
        "rows": best["rows"],
        "rows_per_second": round(rate),
        "memory_above_idle_mib": round(memory - idle, 1),
        "cpu_us_a_row": round(best["cpu_us_a_row"], 2),
        "runs": [round(run["rows"] / run["seconds"]) for run in runs],
    }


def _read_csv(service: Service, path: str, token: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=600)
    connection.request("GET", path, headers={"authorization": f"Bearer {token}", "accept": "text/csv"})
    answer = connection.getresponse()
    lines = 0
    while part := answer.read(_READ_BYTES):
        lines += part.count(b"\n")
    connection.close()
    if answer.status != 200 or lines < 2:
        raise serving.BenchError(f"{path} answered {answer.status} with {lines} lines")
    return lines - 1


class _Highest:
    """Watches a process's memory until it is told to stop."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._highest = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The highest that was seen, in MiB."""
        self._over.set()
        self._thread.join()
        return self._highest

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._highest = max(self._highest, memory_mib(tree_of(self._pid)))
