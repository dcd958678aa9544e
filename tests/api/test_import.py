"""Products as a table: what is exported comes back the same, and what is imported is all or nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibex.domain.catalog.import_cells import join_barcodes, split_barcodes
from ibex.domain.identity.model import Role
from ibex.entrypoints.http.csv_cells import read_cell, text_cell
from tests.api.client import Api, Json, Shop, body_of, open_shop, problem

CSV = {"content-type": "text/csv"}
MINIMAL = "sku,name,unit_price\n"


async def send(api: Api, table: str | bytes, *, key: str | None = None, **params: Any) -> httpx.Response:
    """The answer to an import of the table."""
    content = table if isinstance(table, bytes) else table.encode()
    return await api.request("POST", "/v1/products/import", content=content, headers=CSV, params=params, key=key)


async def take(api: Api, table: str | bytes, **params: Any) -> Json:
    """What came of an import that must succeed."""
    result: Json = body_of(await send(api, table, **params), 200)
    return result


async def export(api: Api, **params: Any) -> bytes:
    """The catalogue as CSV."""
    answer = await api.request("GET", "/v1/products", headers={"accept": "text/csv"}, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return answer.content


async def test_a_table_adds_products_with_all_that_belongs_to_them(shop: Shop, api: Api) -> None:
    table = (
        "sku,name,unit_price,tax_rate,cost_price,category,barcodes,unit,track_stock,stock,reorder_level,active\r\n"
        'MILK,"Milk, fresh",1.29,10,0.80,Dairy,111|222,EACH,true,24,6,true\r\n'
        "POST,Postage,4.90,22,,,,EACH,no,,,yes\r\n"
        "RICE,Rice,2.4590,4,,Dry goods,,KG,true,12.5,,true\r\n"
    )
    result = await take(api, table)
    assert {name: result[name] for name in ("rows", "created", "changed", "failed", "categories_created")} == {
        "rows": 3,
        "created": 3,
        "changed": 0,
        "failed": 0,
        "categories_created": 2,
    }
    products = {p["sku"]: p for p in await api.all("/v1/products")}
    milk = products["MILK"]
    assert (milk["name"], milk["unit_price"], milk["cost_price"], milk["stock"], milk["reorder_level"]) == (
        "Milk, fresh",
        "1.29",
        "0.80",
        "24",
        "6",
    )
    assert milk["barcodes"] == ["111", "222"]
    assert (products["POST"]["track_stock"], products["RICE"]["unit_price"]) == (False, "2.459")
    assert [c["name"] for c in await api.all("/v1/categories")] == ["Dairy", "Dry goods"]
    assert [(m["kind"], m["balance"]) for m in await api.all("/v1/stock-movements")] == [
        ("OPENING", "24"),
        ("OPENING", "12.5"),
    ]
    assert len((await api.get(f"/v1/products/{milk['id']}/prices"))["items"]) == 1
    entries = await shop.rows("SELECT action, after FROM ibex.audit_entries WHERE store_id = $1 ORDER BY seq DESC")
    assert entries[0]["action"] == "products.imported"
    await shop.sell([(milk, "1"), (products["POST"], "1")])


async def test_a_table_changes_what_it_names_and_nothing_else(shop: Shop, api: Api) -> None:
    milk = await shop.make_product(sku="MILK", unit_price="1.29", cost_price="0.80", barcodes=["111"], stock="10")
    eggs = await shop.make_product(sku="EGGS", unit_price="2.00", barcodes=["222"])
    await shop.sell(milk)  # whatever the process remembers of the price must be forgotten
    result = await take(api, "SKU;Unit_Price;Cost_Price;Barcodes\nMILK;1.39;;222\nEGGS;2.00;1.10;333\n")
    assert (result["created"], result["changed"], result["unchanged"]) == (0, 2, 0)
    changed = await api.get(f"/v1/products/{milk['id']}")
    assert (changed["unit_price"], changed["cost_price"], changed["barcodes"]) == ("1.39", None, ["222"])
    assert (changed["name"], changed["stock"], changed["version"]) == (milk["name"], "9", 2)
    assert (await api.get(f"/v1/products/{eggs['id']}"))["barcodes"] == ["333"]
    assert (await shop.sell(milk))["total"] == "1.39"
    prices = (await api.get(f"/v1/products/{milk['id']}/prices"))["items"]
    assert [p["unit_price"] for p in prices] == ["1.39", "1.29"]
    again = await take(api, "sku,unit_price,stock\nMILK,1.39,500\nEGGS,,\n")
    assert (again["changed"], again["unchanged"], again["stock_ignored"]) == (0, 2, 1)
    assert await shop.stock_of(milk) == 8


async def test_every_error_names_its_row_and_column_and_nothing_is_taken(shop: Shop, api: Api) -> None:
    await shop.make_product(sku="KNOWN", barcodes=["777"])
    table = (
        "sku,name,unit_price,tax_rate,barcodes,track_stock,stock,active\n"
        "GOOD,Good,1,,,,,\n"
        ",No SKU,1,,,,,\n"
        "A,,1,,,,,\n"
        "B,B,,,,,,\n"
        "C,C,-1,,,,,\n"
        'D,D,"1,50",,,,,\n'
        "E,E,1.23456,,,,,\n"
        "F,F,1,101,,,,\n"
        "G,G,1,,777,,,\n"
        "H,H,1,,888,,,\n"
        "I,I,1,,888,,,\n"
        "GOOD,Twice,1,,,,,\n"
        "J,J,1,,,perhaps,,\n"
        "K,K,1,,,no,5,\n"
        f"L,{'x' * 201},1,,,,,\n"
        "M,M,NaN,,,,,\n"
        "N,N,1e3,,,,,\n"
        "O,O,1,,,,-1,\n"
    )
    answer = await send(api, table)
    found = problem(answer, 422, "import_refused")["details"]
    assert [(e["row"], e["column"]) for e in found["row_errors"]] == [
        (3, "sku"),
        (4, "name"),
        (5, "unit_price"),
        (6, "unit_price"),
        (7, "unit_price"),
        (8, "unit_price"),
        (9, "tax_rate"),
        (10, "barcodes"),
        (12, "barcodes"),
        (13, "sku"),
        (14, "track_stock"),
        (15, "stock"),
        (16, "name"),
        (17, "unit_price"),
        (18, "unit_price"),
        (19, "stock"),
    ]
    assert (found["rows"], found["failed"]) == (18, 16)
    assert [p["sku"] for p in await api.all("/v1/products")] == ["KNOWN"]
    dry = await take(api, table, dry_run=True)
    assert (dry["dry_run"], dry["created"], dry["failed"], dry["errors"]) == (True, 2, 16, found["row_errors"])
    assert len(await api.all("/v1/products")) == 1
    some = await take(api, table, skip_invalid=True)
    assert (some["created"], some["failed"]) == (2, 16)
    assert sorted(p["sku"] for p in await api.all("/v1/products")) == ["GOOD", "H", "KNOWN"]


async def test_what_is_no_table_of_products_is_refused(shop: Shop, api: Api) -> None:
    broken: list[tuple[str | bytes, int, str]] = [
        ("", 422, "invalid_request"),
        ("\n\n", 422, "invalid_request"),
        (MINIMAL, 422, "invalid_value"),
        ("sku,name,colour\nA,A,red\n", 422, "invalid_value"),
        ("sku,sku\nA,A\n", 422, "invalid_value"),
        ("name,unit_price\nA,1\n", 422, "invalid_value"),
        (MINIMAL + 'A,"unfinished,1\n', 400, "malformed_csv"),
        (MINIMAL + "A,B,1,too many\n", 400, "malformed_csv"),
        (b"sku,name\nA,\xff\xfe\n", 400, "malformed_csv"),
        (MINIMAL + "A,B\0,1\n", 400, "malformed_csv"),
        (MINIMAL + "A,A,1\n" * 10_001, 422, "limit_exceeded"),
        (b"x" * (8 * 1024 * 1024 + 1), 413, "body_too_large"),
    ]
    for table, status, code in broken:
        problem(await send(api, table), status, code)
    answer = await api.request("POST", "/v1/products/import", json={"sku": "A"})
    problem(answer, 415, "unsupported_media_type")
    for role in (Role.CASHIER, Role.AUDITOR):
        other = await shop.as_role(role)
        for dry_run in (False, True):
            problem(await send(other, MINIMAL + "A,A,1\n", dry_run=dry_run), 403, "permission_refused")
    assert await api.all("/v1/products") == []


async def test_a_byte_order_mark_tabs_and_short_rows_are_read(api: Api) -> None:
    result = await take(api, b"\xef\xbb\xbfsku\tname\tunit_price\tcategory\nA\tApple\t1\nB\tBread\t2\tBakery\n\t\t\n")
    assert (result["rows"], result["created"], result["categories_created"]) == (2, 2, 1)


async def test_the_same_key_imports_once(api: Api) -> None:
    table = MINIMAL + "A,Apple,1\n"
    first = await send(api, table, key="import-1")
    again = await send(api, table, key="import-1")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert first.json()["created"] == 1
    problem(await send(api, MINIMAL + "B,Bread,1\n", key="import-1"), 422, "idempotency_key_reused")


async def test_a_spreadsheet_runs_no_formula_of_an_export_and_the_import_gives_it_back(shop: Shop, api: Api) -> None:
    names = ["=1+1", "+1", "-2+3", "@SUM(A1)", "'quoted", "'=quoted", "-5", "Caffè", "לחם", 'a "b", c', "''", "a;b"]
    for i, name in enumerate(names):
        await shop.make_product(sku=f"-{i}=x", name=name, barcodes=[f"a|{i}", f"b\\{i}"], cost_price="0.1234")
    table = await export(api)
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    for row in rows:
        assert row["name"] == "-5" or not row["name"].startswith(("=", "+", "-", "@")), row
    before = await api.all("/v1/products")
    result = await take(api, table)
    assert (result["unchanged"], result["changed"], result["created"]) == (len(names), 0, 0)
    elsewhere = await open_shop(shop.service, name="Another shop")
    assert (await take(elsewhere.api, table))["created"] == len(names)
    strip = ("id", "version", "created_at", "updated_at", "category_id")
    there = await elsewhere.api.all("/v1/products")
    assert [{k: v for k, v in p.items() if k not in strip} for p in there] == [
        {k: v for k, v in p.items() if k not in strip} for p in before
    ]
    assert await export(elsewhere.api) == table


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=30),
    codes=st.lists(st.text(alphabet="ab|\\ '=", min_size=1).filter(lambda c: c == c.strip()), max_size=4),
)
def test_cells_come_back_as_they_were(text: str, codes: list[str]) -> None:
    assert read_cell(text_cell(text)) == text
    assert split_barcodes(join_barcodes(codes)) == tuple(codes)


async def test_ten_thousand_rows_come_in_one_request_and_go_out_again(shop: Shop, api: Api) -> None:
    rows = "".join(
        f"S{i:05},Product {i},{i % 90 + 1}.99,22,0.50,Category {i % 40},{4_000_000 + i}|{5_000_000 + i},"
        f"EACH,true,{i % 50},5,true\n"
        for i in range(10_000)
    )
    header = "sku,name,unit_price,tax_rate,cost_price,category,barcodes,unit,track_stock,stock,reorder_level,active\n"
    slowest = 0.0

    async def till() -> None:
        nonlocal slowest
        while not done.is_set():
            started = time.monotonic()
            await api.get("/v1/me")
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0.02)

    done = asyncio.Event()
    other = asyncio.create_task(till())
    started = time.monotonic()
    result = await take(api, header + rows)
    seconds = time.monotonic() - started
    done.set()
    await other
    assert (result["created"], result["categories_created"]) == (10_000, 40)
    assert seconds < 25
    assert slowest < max(2.0, 0.75 * seconds), "others wait while a table is imported"
    changed = await take(api, header + rows.replace(".99,22", ".49,10"))
    assert changed["changed"] == 10_000
    table = await export(api)
    assert table.count(b"\r\n") == 10_001
    assert (await take(api, table))["unchanged"] == 10_000
    found = await shop.rows(
        "SELECT (SELECT count(*) FROM ibex.price_changes WHERE store_id = $1) AS prices,"
        " (SELECT count(*) FROM ibex.product_barcodes WHERE store_id = $1) AS barcodes,"
        " (SELECT count(*) FROM ibex.stock_movements WHERE store_id = $1) AS movements,"
        " (SELECT count(*) FROM ibex.audit_entries WHERE store_id = $1) AS audit"
    )
    assert found == [{"prices": 20_000, "barcodes": 20_000, "movements": 9_800, "audit": 4}]
