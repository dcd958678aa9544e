"""Stock over the API: counts, the store's movements, low stock, and what is below zero."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Shop, problem


async def test_a_count_sets_each_product_and_records_the_difference(shop: Shop, api: Api) -> None:
    milk = await shop.make_product(sku="MILK", stock="10")
    eggs = await shop.make_product(sku="EGGS", stock="5", barcode="4006381333931")
    rice = await shop.make_product(sku="RICE", stock="2.5")
    lines = [
        {"product_id": milk["id"], "counted": "8"},
        {"barcode": "4006381333931", "counted": "5"},
        {"sku": "RICE", "counted": "3.125"},
    ]
    count = await api.post("/v1/stock-counts", {"lines": lines, "reason": "End of the month"})
    assert [(line["sku"], line["counted"], Decimal(line["difference"])) for line in count["lines"]] == [
        ("MILK", "8", -2),
        ("EGGS", "5", 0),
        ("RICE", "3.125", Decimal("0.625")),
    ]
    assert [await shop.stock_of(p) for p in (milk, eggs, rice)] == [8, 5, Decimal("3.125")]
    found = await api.all("/v1/stock-movements", kind="COUNTED")
    assert [(m["product_id"], Decimal(m["quantity"]), Decimal(m["balance"]), m["reason"]) for m in found] == [
        (milk["id"], -2, 8, "End of the month"),
        (eggs["id"], 0, 5, "End of the month"),
        (rice["id"], Decimal("0.625"), Decimal("3.125"), "End of the month"),
    ]
    assert [m["id"] for m in found] == [line["movement_id"] for line in count["lines"]]


async def test_five_hundred_products_are_counted_at_once_and_once_per_key(api: Api) -> None:
    rows = "\n".join(f"S{i},Product {i},1.00,{i}" for i in range(500))
    await api.post(
        "/v1/products/import",
        content=f"sku,name,unit_price,stock\n{rows}\n".encode(),
        headers={"content-type": "text/csv"},
        expect=200,
    )
    body = {"lines": [{"sku": f"S{i}", "counted": str(500 - i)} for i in range(500)]}
    first = await api.post("/v1/stock-counts", body, key="count-1")
    again = await api.request("POST", "/v1/stock-counts", json=body, key="count-1")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first
    assert [Decimal(line["difference"]) for line in first["lines"]] == [500 - 2 * i for i in range(500)]
    assert len(await api.all("/v1/stock-movements", kind="COUNTED")) == 500
    problem(
        await api.request("POST", "/v1/stock-counts", json={"lines": body["lines"] + body["lines"][:1]}),
        422,
        "invalid_request",
        field="lines",
    )


async def test_a_count_that_names_something_wrong_changes_nothing(shop: Shop, api: Api, foreign: Foreign) -> None:
    milk = await shop.make_product(sku="MILK", stock="10")
    post = await shop.make_product(sku="POST", track_stock=False, stock="0")
    good = {"sku": "MILK", "counted": "1"}
    for line, status, code, field in [
        ({"sku": "NONE", "counted": "1"}, 404, "not_found", "lines[1]"),
        ({"product_id": foreign.ids["product_id"], "counted": "1"}, 404, "not_found", "lines[1]"),
        ({"product_id": post["id"], "counted": "1"}, 422, "invalid_value", "lines[1]"),
        ({"product_id": milk["id"], "counted": "2"}, 422, "invalid_value", "lines[1]"),
        ({"sku": "MILK", "product_id": milk["id"], "counted": "2"}, 422, "invalid_request", "lines[1]"),
        ({"counted": "2"}, 422, "invalid_request", "lines[1]"),
        ({"sku": "X", "counted": "-1"}, 422, "invalid_request", "lines[1].counted"),
        ({"sku": "X", "counted": "1.0001"}, 422, "invalid_request", "lines[1].counted"),
    ]:
        answer = await api.request("POST", "/v1/stock-counts", json={"lines": [good, line]})
        problem(answer, status, code, field=field)
    problem(await api.request("POST", "/v1/stock-counts", json={"lines": []}), 422, "invalid_request", field="lines")
    cashier = await shop.as_role(Role.CASHIER)
    problem(await cashier.request("POST", "/v1/stock-counts", json={"lines": [good]}), 403, "permission_refused")
    assert await shop.stock_of(milk) == 10
    assert await api.all("/v1/stock-movements", kind="COUNTED") == []


async def test_a_count_while_selling_loses_no_movement(shop: Shop, api: Api) -> None:
    milk = await shop.make_product(sku="MILK", stock="100")
    count = api.post("/v1/stock-counts", {"lines": [{"sku": "MILK", "counted": "50"}]})
    await asyncio.gather(*(shop.sell(milk) for _ in range(5)), count, *(shop.sell(milk) for _ in range(5)))
    movements = await api.all("/v1/stock-movements", product_id=milk["id"])
    assert len(movements) == 12
    balance = Decimal(0)
    for movement in movements:
        balance += Decimal(movement["quantity"])
        assert Decimal(movement["balance"]) == balance
    assert await shop.stock_of(milk) == balance


async def test_movements_are_found_by_kind_product_and_day(shop: Shop, api: Api, foreign: Foreign) -> None:
    milk, eggs = await shop.make_product(sku="MILK"), await shop.make_product(sku="EGGS")
    await shop.sell([(milk, "2"), (eggs, "1")])
    await api.post(f"/v1/products/{milk['id']}/stock-movements", {"kind": "DAMAGED", "quantity": "1"})
    everything = await api.all("/v1/stock-movements", limit=2)
    assert [m["kind"] for m in everything] == ["OPENING", "OPENING", "SOLD", "SOLD", "DAMAGED"]
    assert [m["seq"] for m in everything] == [1, 2, 3, 4, 5]
    assert len(await api.all("/v1/stock-movements", product_id=milk["id"])) == 3
    assert [m["kind"] for m in await api.all("/v1/stock-movements", kind="DAMAGED")] == ["DAMAGED"]
    assert len(await api.all("/v1/stock-movements", kind="SOLD", product_id=eggs["id"])) == 1
    today = (await shop.ledger())[0]["business_date"]
    assert await api.all("/v1/stock-movements", **{"from": today, "to": today}, limit=2) == everything
    assert await api.all("/v1/stock-movements", **{"from": "2100-01-01"}) == []
    assert await api.all("/v1/stock-movements", to="2000-01-01") == []
    assert await api.all("/v1/stock-movements", product_id=foreign.ids["product_id"]) == []
    by_seq = (await api.get("/v1/stock-movements", params={"limit": 1}))["next_cursor"]
    answer = await api.request("GET", "/v1/stock-movements", params={"cursor": by_seq, "from": today})
    problem(answer, 422, "invalid_request", field="cursor")
    for params, field in [({"kind": "LOST"}, "kind"), ({"from": "yesterday"}, "from"), ({"colour": "red"}, "colour")]:
        problem(await api.request("GET", "/v1/stock-movements", params=params), 422, "invalid_request", field=field)


async def test_low_stock_is_at_or_below_the_reorder_level(shop: Shop, api: Api) -> None:
    await shop.make_product(name="At", stock="5", reorder_level="5")
    await shop.make_product(name="Above", stock="6", reorder_level="5")
    await shop.make_product(name="Below", stock="1", reorder_level="5")
    await shop.make_product(name="No level", stock="0")
    await shop.make_product(name="Service", stock="0", track_stock=False, reorder_level="5")
    found = await api.all("/v1/products", low_stock=True)
    assert [p["name"] for p in found] == ["At", "Below"]


async def test_negative_stock_is_flagged_and_cleared_by_a_receipt_or_a_count(shop: Shop, api: Api) -> None:
    milk, eggs = await shop.make_product(sku="MILK", stock="1"), await shop.make_product(sku="EGGS", stock="1")
    for product in (milk, eggs):
        # What an offline till that sold three leaves behind.
        await shop.rows(
            "UPDATE ibex.products SET stock = -2, oversold = true WHERE store_id = $1 AND id = $2", product["id"]
        )
    assert {p["sku"] for p in await api.all("/v1/products", oversold=True)} == {"MILK", "EGGS"}
    path = f"/v1/products/{milk['id']}/stock-movements"
    await api.post(path, {"kind": "RECEIVED", "quantity": "1"})
    assert {p["sku"] for p in await api.all("/v1/products", oversold=True)} == {"MILK", "EGGS"}
    await api.post(path, {"kind": "RECEIVED", "quantity": "1"})
    assert {p["sku"] for p in await api.all("/v1/products", oversold=True)} == {"EGGS"}
    await api.post("/v1/stock-counts", {"lines": [{"sku": "EGGS", "counted": "0"}]})
    assert await api.all("/v1/products", oversold=True) == []


async def test_lists_of_stock_use_their_indexes(shop: Shop) -> None:
    for statement, index in [
        ("kind = 'DAMAGED' ORDER BY seq LIMIT 51", "stock_movements_by_kind"),
        ("occurred_at >= now() AND occurred_at < now() ORDER BY occurred_at, seq LIMIT 51", "stock_movements_by_time"),
        ("seq > 0 ORDER BY seq LIMIT 51", "stock_movements_pk"),
    ]:
        plan = await explained(shop, f"SELECT * FROM ibex.stock_movements WHERE store_id = $1 AND {statement}")
        assert index in plan, plan
    low = "track_stock AND reorder_level IS NOT NULL AND stock <= reorder_level ORDER BY name, id LIMIT 51"
    assert "products_low_in_stock" in await explained(
        shop, f"SELECT * FROM ibex.products WHERE store_id = $1 AND {low}"
    )


async def explained(shop: Shop, statement: str) -> str:
    """The plan where reading everything is out of the question, as it is in a large table."""
    async with shop.service.database.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        rows = await connection.fetch(f"EXPLAIN {statement.replace('$1', repr(str(shop.store_id)))}")
    return "\n".join(row[0] for row in rows)
