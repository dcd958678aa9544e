"""The fixtures themselves, and one sale from end to end."""

from __future__ import annotations

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Service, Shop, problem


async def test_a_sale_leaves_its_number_its_change_and_its_traces(shop: Shop) -> None:
    product = await shop.make_product(unit_price="2.50", tax_rate="22", stock="10")
    sale = await shop.sell([(product, "3")], amount_tendered="10.00")
    assert (sale["number"], sale["status"], sale["total"], sale["change_due"]) == (1, "PAID", "7.50", "2.50")
    assert await shop.stock_of(product) == 7
    assert [(e["type"], e["debit"], e["credit"]) for e in await shop.ledger()] == [
        ("SALE", "7.50", "0.00"),
        ("RECEIPT", "0.00", "7.50"),
    ]


async def test_each_role_is_itself(shop: Shop) -> None:
    for role in Role:
        me = await (await shop.as_role(role)).get("/v1/me")
        assert me["role"] == role.value
        assert me["store"]["id"] == str(shop.store_id)


async def test_stores_do_not_see_each_other(api: Api, foreign: Foreign) -> None:
    assert await api.all("/v1/products") == []
    problem(await api.request("GET", f"/v1/products/{foreign.ids['product_id']}"), 404, "not_found")


async def test_nobody_gets_in_without_a_token(nobody: Api, service: Service) -> None:
    problem(await nobody.request("GET", "/v1/me"), 401, "unauthenticated")
    assert (await service.http.get("/health/ready")).json() == {"status": "ready"}
