"""Categories, barcodes, prices and archiving over the API."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Shop, problem


async def test_a_category_is_made_renamed_and_archived(shop: Shop, api: Api) -> None:
    made = await api.request("POST", "/v1/categories", json={"name": "Dairy"})
    dairy = made.json()
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/categories/{dairy['id']}"
    path = f"/v1/categories/{dairy['id']}"
    read = await api.request("GET", path)
    assert read.json() == dairy
    assert (await api.request("GET", path, headers={"if-none-match": read.headers["etag"]})).status_code == 304
    changed = await api.patch(path, {"name": "Milk & more"}, headers={"if-match": read.headers["etag"]})
    assert (changed["name"], changed["version"]) == ("Milk & more", 2)
    answer = await api.request("PATCH", path, json={"active": False}, headers={"if-match": read.headers["etag"]})
    problem(answer, 412, "precondition_failed")
    product = await shop.make_product(category_id=dairy["id"])
    archived = await api.patch(path, {"active": False})
    assert archived["active"] is False
    assert await api.all("/v1/categories", active=True) == []
    assert await api.all("/v1/categories", active=False) == [archived]
    assert [p["id"] for p in await api.all("/v1/products", category_id=dairy["id"])] == [product["id"]]


async def test_categories_are_listed_by_name_in_pages(api: Api) -> None:
    for name in ("Pasta", "Bread", "dairy", "Bread & more", "לחם"):
        await api.post("/v1/categories", {"name": name})
    names = [c["name"] for c in await api.all("/v1/categories", limit=2)]
    assert len(names) == 5
    assert names == [c["name"] for c in await api.all("/v1/categories")]


async def test_what_is_refused_of_a_category(shop: Shop, api: Api, foreign: Foreign) -> None:
    dairy = await api.post("/v1/categories", {"name": "Dairy"})
    bread = await api.post("/v1/categories", {"name": "Bread"})
    problem(await api.request("POST", "/v1/categories", json={"name": "Dairy"}), 409, "already_exists", field="name")
    same_id = {"name": "Other", "id": dairy["id"]}
    problem(await api.request("POST", "/v1/categories", json=same_id), 409, "already_exists", field="id")
    answer = await api.request("PATCH", f"/v1/categories/{bread['id']}", json={"name": "Dairy"})
    problem(answer, 409, "already_exists", field="name")
    for name in ("", " Dairy", "x" * 101, "a\u0007b"):
        answer = await api.request("POST", "/v1/categories", json={"name": name})
        assert answer.status_code == 422, name
    problem(await api.request("GET", f"/v1/categories/{uuid4()}"), 404, "not_found", field="category_id")
    other = await foreign.shop.api.post("/v1/categories", {"name": "Dairy"})
    for method, body in (("GET", None), ("PATCH", {"name": "Mine"})):
        answer = await api.request(method, f"/v1/categories/{other['id']}", json=body)
        problem(answer, 404, "not_found", field="category_id")
    problem(await api.request("DELETE", f"/v1/categories/{dairy['id']}"), 405, "method_not_allowed")
    cashier = await shop.as_role(Role.CASHIER)
    problem(await cashier.request("POST", "/v1/categories", json={"name": "X"}), 403, "permission_refused")
    assert len(await cashier.all("/v1/categories")) == 2
    answer = await api.request(
        "POST", "/v1/products", json={"sku": "A", "name": "A", "unit_price": "1", "category_id": other["id"]}
    )
    problem(answer, 404, "not_found", field="category_id")


async def test_the_same_key_makes_one_category(api: Api) -> None:
    made = await asyncio.gather(*(api.request("POST", "/v1/categories", json={"name": "A"}, key="k") for _ in range(5)))
    assert {answer.status_code for answer in made} <= {201, 409}
    assert len(await api.all("/v1/categories")) == 1


async def test_prices_are_remembered_newest_first(shop: Shop, api: Api, foreign: Foreign) -> None:
    product = await shop.make_product(unit_price="10.00", tax_rate="22", cost_price="6.5")
    path = f"/v1/products/{product['id']}"
    await api.patch(path, {"unit_price": "11.00"})
    await api.patch(path, {"name": "A new name is no new price"})
    await api.patch(path, {"tax_rate": "10", "cost_price": None})
    prices = (await api.get(f"{path}/prices"))["items"]
    assert [(p["unit_price"], p["cost_price"], p["tax_rate"]) for p in prices] == [
        ("11.00", None, "10"),
        ("11.00", "6.50", "22"),
        ("10.00", "6.50", "22"),
    ]
    assert {p["operator_id"] for p in prices} == {str(shop.owner_id)}
    for missing in (uuid4(), foreign.ids["product_id"]):
        answer = await api.request("GET", f"/v1/products/{missing}/prices")
        problem(answer, 404, "not_found", field="product_id")


async def test_barcodes_are_several_and_unique_in_the_store(shop: Shop, api: Api) -> None:
    milk = await shop.make_product(barcodes=["111", "222"])
    eggs = await shop.make_product(barcodes=["333"])
    assert [p["id"] for p in await api.all("/v1/products", barcode="222")] == [milk["id"]]
    answer = await api.request("PATCH", f"/v1/products/{eggs['id']}", json={"barcodes": ["333", "222"]})
    problem(answer, 409, "already_exists", field="barcodes")
    await api.patch(f"/v1/products/{milk['id']}", {"barcodes": ["111"]})
    await api.patch(f"/v1/products/{eggs['id']}", {"barcodes": ["333", "222"]})
    assert [p["id"] for p in await api.all("/v1/products", barcode="222")] == [eggs["id"]]
    line = {"lines": [{"barcode": "222", "quantity": "1"}], "payment_method": "CASH"}
    assert (await api.post("/v1/sales", line))["lines"][0]["product_id"] == eggs["id"]


async def test_a_product_is_archived_never_deleted(shop: Shop, api: Api) -> None:
    product = await shop.make_product()
    path = f"/v1/products/{product['id']}"
    problem(await api.request("DELETE", path), 405, "method_not_allowed")
    await api.patch(path, {"active": False})
    assert await api.all("/v1/products", active=True) == []
    problem(
        await api.request(
            "POST",
            "/v1/sales",
            json={"lines": [{"product_id": product["id"], "quantity": "1"}], "payment_method": "CASH"},
        ),
        409,
        "product_inactive",
    )
    await api.patch(path, {"active": True})
    await shop.sell(product)


async def test_changing_products_and_customers_while_they_sell_is_no_deadlock(shop: Shop, api: Api) -> None:
    product = await shop.make_product(stock="1000")
    customer = await shop.make_customer()
    before = await deadlocks(shop)
    work = []
    for i in range(1, 25):
        sale = {"lines": [{"product_id": product["id"], "quantity": "1"}], "payment_method": "CREDIT"}
        work.append(api.request("POST", "/v1/sales", json=sale | {"customer_id": customer["id"]}))
        work.append(api.request("PATCH", f"/v1/products/{product['id']}", json={"unit_price": f"{i}.00"}))
        work.append(api.request("PATCH", f"/v1/customers/{customer['id']}", json={"name": f"C {i}"}))
    answers = await asyncio.gather(*work)
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert await deadlocks(shop) == before


async def deadlocks(shop: Shop) -> int:
    """How many the server has found so far in this database."""
    rows = await shop.rows(
        "SELECT deadlocks FROM pg_stat_database WHERE $1::uuid IS NOT NULL AND datname = current_database()"
    )
    found: int = rows[0]["deadlocks"]
    return found
