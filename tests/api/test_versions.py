"""Versions over the API: what a tag stands for, where a thing also shows what moves by itself."""

from __future__ import annotations

from tests.api.client import Shop, problem


async def test_a_sale_makes_a_new_representation_but_no_new_version(shop: Shop) -> None:
    product, customer = await shop.make_product(), await shop.make_customer()
    for path, sell in (
        (f"/v1/products/{product['id']}", {}),
        (f"/v1/customers/{customer['id']}", {"method": "CREDIT", "customer_id": customer["id"]}),
    ):
        read = await shop.api.request("GET", path)
        tag = read.headers["etag"]
        known = await shop.api.request("GET", path, headers={"if-none-match": tag})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)

        await shop.sell(product, **sell)
        moved = await shop.api.request("GET", path, headers={"if-none-match": tag})
        assert moved.status_code == 200
        assert moved.headers["etag"] != tag
        assert moved.json()["version"] == read.json()["version"]

        changed = await shop.api.request("PATCH", path, json={"name": "New"}, headers={"if-match": tag})
        assert (changed.status_code, changed.headers["etag"]) == (200, '"v2"')
        late = await shop.api.request(
            "PATCH", path, json={"name": "Other"}, headers={"if-match": moved.headers["etag"]}
        )
        problem(late, 412, "precondition_failed")
        again = await shop.api.request("PATCH", path, json={"name": "Third"}, headers={"if-match": '"v2"'})
        assert again.json()["version"] == 3


async def test_an_invoice_has_one_representation_a_version(shop: Shop) -> None:
    draft = await shop.draft(await shop.make_product())
    path = f"/v1/invoices/{draft['id']}"
    read = await shop.api.request("GET", path)
    assert read.headers["etag"] == '"v1"'
    assert (await shop.api.request("GET", path, headers={"if-none-match": '"v1"'})).status_code == 304
    for action, body in (("issue", {"payment_method": "CASH"}), ("cancel", None)):
        stale = await shop.api.request("POST", f"{path}/{action}", json=body, headers={"if-match": '"v2"'})
        problem(stale, 412, "precondition_failed")
    issued = await shop.api.request(
        "POST", f"{path}/issue", json={"payment_method": "CASH"}, headers={"if-match": read.headers["etag"]}
    )
    assert issued.headers["etag"] == '"v2"'
    assert (await shop.api.request("GET", path)).headers["etag"] == '"v2"'
