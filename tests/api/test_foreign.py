"""A thing of another store does not exist: on every route, in paths, bodies and filters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.api.client import FOREIGN, Foreign, Shop, problem
from tests.api.contract_cases import Operation, Schema, good, good_body, kind_of, operations, resolved

OPERATIONS = operations()
WITH_PATH_IDS = [operation for operation in OPERATIONS if operation.parameters("path")]


def body_for(operation: Operation, ids: dict[str, str]) -> bytes | None:
    return None if operation.body is None else msgspec.json.encode(good_body(operation, ids))


@pytest.fixture
def own(own_store: Foreign) -> Foreign:
    """The caller's own store, with one of everything."""
    return own_store


async def test_every_kind_of_id_in_the_contract_is_tried(foreign: Foreign) -> None:
    in_paths = {name for operation in OPERATIONS for name in operation.parameters("path")}
    assert in_paths <= set(foreign.ids), "furnish() in client.py makes one of each"


@pytest.mark.parametrize("operation", WITH_PATH_IDS, ids=str)
async def test_a_foreign_id_in_the_path_is_not_found(
    operation: Operation, own: Foreign, foreign_store: Foreign
) -> None:
    before, mine = await foreign_store.shop.everything(), await own.shop.everything()
    # Everything but the path is good, and the caller's own.
    url, body = operation.url(foreign_store.ids), body_for(operation, own.ids)
    answer = await own.shop.api.request(operation.method.upper(), url, content=body)
    problem(answer, 404, "not_found")
    assert FOREIGN not in answer.text
    # The same answer as for an id that nobody has.
    nobody = await own.shop.api.request(operation.method.upper(), operation.url({}), content=body)
    told, told_of_nobody = answer.json(), nobody.json()
    assert {**told, "request_id": ""} == {**told_of_nobody, "request_id": ""}
    assert await foreign_store.shop.everything() == before
    assert await own.shop.everything() == mine


def ids_in(schema: Schema, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where a body names other things by their ids; ``id`` itself is a new thing's."""
    plain = resolved(schema)
    if kind_of(plain) == "array":
        return ids_in(plain["items"], (*path, "0"))
    found = []
    for name, inner in plain.get("properties", {}).items():
        if name.endswith("_id") and kind_of(inner) in ("uuid", "string"):
            found.append((*path, name))
        elif kind_of(inner) in ("object", "array"):
            found += ids_in(inner, (*path, name))
    return found


BODY_IDS = [
    (operation, place) for operation in OPERATIONS if operation.body is not None for place in ids_in(operation.body)
]


# These answer for each item of theirs by itself.
ITEM_BY_ITEM = ("record_offline_sales",)
OF_DRAFTS = ("change_invoice", "issue_invoice")


def with_value(body: Any, schema: Schema, place: tuple[str, ...], value: str, ids: dict[str, str]) -> Any:
    """The body with this value at that place; what is missing on the way is made."""
    plain = resolved(schema)
    if not place:
        return value
    if kind_of(plain) == "array":
        first = body[0] if body else good(plain["items"], ids)
        return [with_value(first, plain["items"], place[1:], value, ids)]
    made = dict(body or good(plain, ids))
    inner = plain["properties"][place[0]]
    made[place[0]] = with_value(made.get(place[0]), inner, place[1:], value, ids)
    return made


def ids_for(operation: Operation, ids: dict[str, str]) -> dict[str, str]:
    """The ids, with a draft for what changes, issues or cancels one."""
    return ids | {"invoice_id": ids["draft_id"] if operation.name.endswith("_invoice") else ids["invoice_id"]}


@pytest.mark.parametrize(
    ("operation", "place"), BODY_IDS, ids=[f"{operation} {'.'.join(place)}" for operation, place in BODY_IDS]
)
async def test_a_foreign_id_in_a_body_is_refused(
    operation: Operation, place: tuple[str, ...], own: Foreign, foreign_store: Foreign
) -> None:
    assert operation.body is not None
    value = foreign_store.ids.get(place[-1])
    assert value is not None, "furnish() in client.py makes one of each"
    before, mine = await foreign_store.shop.everything(), await own.shop.everything()
    ids = ids_for(operation, own.ids)
    body = with_value(good(operation.body, own.ids), operation.body, place, value, own.ids)
    answer = await own.shop.api.request(operation.method.upper(), operation.url(ids), content=msgspec.json.encode(body))
    if operation.name in ITEM_BY_ITEM and answer.status_code == 200:
        assert answer.json()["created"] == 0, answer.text
    else:
        assert 400 <= answer.status_code < 500, answer.text
    assert FOREIGN not in answer.text
    assert await foreign_store.shop.everything() == before
    assert await own.shop.everything() == mine


FILTERS = [
    (operation, name)
    for operation in OPERATIONS
    for name, schema in operation.parameters("query").items()
    if kind_of(schema) == "uuid"
]


@pytest.mark.parametrize(("operation", "name"), FILTERS, ids=[f"{operation} {name}" for operation, name in FILTERS])
async def test_a_foreign_id_in_a_filter_finds_nothing(
    operation: Operation, name: str, own: Foreign, foreign_store: Foreign
) -> None:
    answer = await own.shop.api.request("GET", operation.url(own.ids), params={name: foreign_store.ids[name]})
    assert answer.status_code in (200, 404), answer.text
    assert answer.status_code == 404 or answer.json()["items"] == []


async def test_two_stores_may_use_the_same_ids_and_names(shop: Shop, foreign: Foreign) -> None:
    theirs = foreign.things["product"]
    before = await foreign.shop.everything()
    mine = await shop.make_product(id=theirs["id"], sku=theirs["sku"], barcode=theirs["barcodes"][0], unit_price="1.00")
    assert mine["id"] == theirs["id"]
    customer = foreign.things["customer"]
    await shop.make_customer(id=customer["id"], phone=customer["phone"])
    sale = await shop.sell([(mine, "3")], id=foreign.ids["invoice_id"], method="CREDIT", customer_id=customer["id"])
    assert (sale["number"], sale["total"], int(await shop.stock_of(mine))) == (1, "3.00", 97)
    assert await foreign.shop.everything() == before


async def test_one_stores_keys_are_not_anothers(shop: Shop, foreign: Foreign) -> None:
    body = {"sku": "SAME", "name": "Same", "unit_price": "1.00"}
    ours, theirs = [
        await api.request("POST", "/v1/products", json=body, key="k") for api in (shop.api, foreign.shop.api)
    ]
    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert ours.json()["id"] != theirs.json()["id"]
    assert "idempotent-replayed" not in theirs.headers


async def test_a_cursor_of_another_store_shows_only_what_is_ones_own(shop: Shop, foreign: Foreign) -> None:
    for _ in range(2):
        await foreign.shop.make_product()
    page = await foreign.shop.api.get("/v1/products", params={"limit": 1})
    mine = [await shop.make_product(name=f"Z {i}") for i in range(2)]
    found = await shop.api.get("/v1/products", params={"cursor": page["next_cursor"]})
    assert {item["id"] for item in found["items"]} <= {one["id"] for one in mine}
