"""The feed: everything that happened, in order, nothing missed."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from ibex.adapters.postgres.queries import events as queries
from tests.api.client import Api, Foreign, Json, Shop, problem
from tests.api.docs_examples import ROOT


async def follow(api: Api, **params: Any) -> list[Json]:
    """Every event from the beginning, as a follower reads them."""
    items: list[Json] = []
    after = 0
    while True:
        page = await api.get("/v1/events", params={"after": after, "limit": 7, **params})
        items += page["items"]
        assert page["next_after"] >= after
        after = page["next_after"]
        if not page["has_more"]:
            return items


async def test_what_happened_is_told_in_order(shop: Shop, api: Api) -> None:
    assert await api.get("/v1/events") == {"items": [], "next_after": 0, "has_more": False}
    product = await shop.make_product()
    sale = await shop.sell(product)
    page = await api.get("/v1/events")
    assert [event["seq"] for event in page["items"]] == list(range(1, len(page["items"]) + 1))
    assert page["next_after"] == page["items"][-1]["seq"]
    issued = next(event for event in page["items"] if event["type"] == "invoice.issued")
    assert issued["data"]["invoice_id"] == sale["id"]
    assert issued["data"]["total"] == "10.00"
    assert issued["store_id"] == str(shop.store_id)
    nothing = await api.get("/v1/events", params={"after": page["next_after"]})
    assert nothing == {"items": [], "next_after": page["next_after"], "has_more": False}


async def test_by_type(shop: Shop, api: Api) -> None:
    product = await shop.make_product()
    for _ in range(3):
        await shop.sell(product)
    everything = await follow(api)
    sales = await follow(api, types="invoice.issued")
    assert sales == [event for event in everything if event["type"] == "invoice.issued"]
    group = await follow(api, types=["invoice.*", "product.created"])
    assert group == [e for e in everything if e["type"].startswith("invoice.") or e["type"] == "product.created"]
    none = await api.get("/v1/events", params={"types": "shift.closed"})
    assert none == {"items": [], "next_after": everything[-1]["seq"], "has_more": False}


async def test_a_rare_type_costs_no_more_than_a_window(shop: Shop, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "WINDOW", 5)
    product = await shop.make_product()
    for _ in range(4):
        await shop.sell(product)
    await shop.make_customer()
    page = await api.get("/v1/events", params={"types": "customer.created"})
    assert page == {"items": [], "next_after": 5, "has_more": True}
    assert [event["type"] for event in await follow(api, types="customer.created")] == ["customer.created"]


async def test_a_follower_misses_nothing_while_many_sell(shop: Shop, api: Api) -> None:
    product = await shop.make_product(stock="1000")
    selling = [asyncio.create_task(shop.sell(product)) for _ in range(60)]
    seen: list[Json] = []
    after = 0
    while not all(task.done() for task in selling):
        page = await api.get("/v1/events", params={"after": after, "limit": 10})
        seen += page["items"]
        after = page["next_after"]
    for task in selling:
        await task
    seen += (await api.get("/v1/events", params={"after": after, "limit": 200}))["items"]
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert sum(event["type"] == "invoice.issued" for event in seen) == 60


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"after": "-1"}, "after"),
        ({"after": "9007199254740992"}, "after"),
        ({"after": "x"}, "after"),
        ({"types": "Invoice"}, "types"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"cursor": "abc"}, "cursor"),
    ],
)
async def test_questions_that_are_refused(api: Api, params: Json, field: str) -> None:
    problem(await api.request("GET", "/v1/events", params=params), 422, "invalid_request", field=field)


async def test_another_stores_events_are_not_told(api: Api, foreign: Foreign) -> None:
    assert await follow(foreign.shop.api)
    assert await follow(api) == []


async def test_the_page_names_every_type_that_a_shop_sees(foreign: Foreign) -> None:
    page = (ROOT / "docs/api/events.md").read_text()
    told = {event["type"] for event in await follow(foreign.shop.api)}
    assert len(told) > 3
    assert {each for each in told if f"`{each}`" not in page} == set()


def test_the_page_names_every_type_that_the_core_spells_out() -> None:
    page = (ROOT / "docs/api/events.md").read_text()
    for path in (ROOT / "src/ibex/domain").rglob("*.py"):
        for name in re.findall(r'\btype="([a-z_]+\.[a-z_]+)"', path.read_text()):
            assert f"`{name}`" in page, f"{path.name}: {name}"
