"""What the bench works out by itself, without anything running: requests, scripts, tables, comparisons."""

from __future__ import annotations

from typing import Any

from ibex_devtools.bench import report, tables, targets
from ibex_devtools.bench.floor import post_script
from ibex_devtools.bench.load import Template, percentile
from ibex_devtools.bench.payload import Payload
from ibex_devtools.bench.runs import summary


def run(per_second: float) -> dict[str, Any]:
    values = {"per_second": per_second, "p50": 10.0, "p99": 20.0, "app_cpu_ms": 0.5, "database_cpu_ms": 1.0}
    return values | {"other_cores": 0.1, "memory_mib": 60.0}


def results(sale: float, floor: float = 1000.0) -> dict[str, Any]:
    contenders = {"floor_16": summary([run(floor)]), "ibex": summary([run(sale)]), "fastapi_orm": summary([run(100.0)])}
    about = {"at": "2026-01-01", "revision": "abc", "cores": 2, "processor": "p", "memory_gib": 4, "python": "3"}
    about |= {"postgresql": "17", "load_before": 0.0, "floor": "pgbench"}
    return {
        "machine": about,
        "quick": False,
        "near": {"sale": {"title": "sale", "contenders": contenders}},
    }


def test_each_request_has_a_key_of_its_own_and_its_length_holds() -> None:
    template = Template(
        {
            "method": "POST",
            "path": "/v1/invoices/@ID@/issue",
            "headers": {"idempotency-key": "@KEY@"},
            "body": {"id": "x-@NUMBER@"},
        },
        "host",
    )

    one, other = template.bytes("run-000001", 1, b"abc"), template.bytes("run-000001", 2, b"abc")
    head, _, body = one.partition(b"\r\n\r\n")

    assert one != other
    assert b"POST /v1/invoices/abc/issue HTTP/1.1\r\n" in head
    assert b"idempotency-key: run-000001-000000000001" in head
    assert f"content-length: {len(body)}".encode() in head


def test_the_floor_makes_the_very_call_with_new_ids() -> None:
    made = "01a20fcd-ef0e-714d-a951-b26a99ab10e3"
    payload = Payload(
        "SELECT f($1::jsonb, $2::text)", [f'{{"id":"{made}","k":"K","name":"O\'Hara"}}', made], [made], "K"
    )

    script = post_script(payload)

    assert made not in script
    assert script.count("01990000-:c-7000-8000-:n") == 2
    assert '"k":"bench-:c-:n"' in script
    assert "O''Hara" in script
    assert script.endswith(";\n")


def test_a_target_is_met_or_not_by_the_figures() -> None:
    slow = {one.figure: one.met for one in targets.judged(results(sale=300))}
    fast = {one.figure: one.met for one in targets.judged(results(sale=600))}

    assert slow["sale of 3 lines, 50 stores, of the floor"] is False
    assert fast["sale of 3 lines, 50 stores, of the floor"] is True
    assert slow["sale of 3 lines, of the better peer"] is False
    assert fast["sale of 3 lines, of the better peer"] is True


def test_tables_are_put_between_their_markers_and_nothing_else_changes() -> None:
    text = "before\n<!-- bench:sale -->\nold\n<!-- /bench -->\nafter\n<!-- bench:growth -->\nkept\n<!-- /bench -->\n"

    filled = report.filled(text, tables.tables(results(sale=600)))

    assert "old" not in filled
    assert "| IBEX | 600 (600 to 600) | 0.6 |" in filled
    assert filled.startswith("before\n")
    assert "kept" in filled


def test_a_change_within_the_spread_is_called_one() -> None:
    assert report.comparison(None, results(1)) == "No result is committed yet: nothing to compare with."
    assert "+0%, within the spread" in report.comparison(results(600), results(600))
    assert "ibex: 600 -> 900 (+50%)" in report.comparison(results(600), results(900))


def test_percentiles_are_of_the_ordered_values_in_milliseconds() -> None:
    assert percentile([0.001, 0.002, 0.003, 0.004], 0.5) == 3.0
    assert percentile([], 0.5) == 0.0
