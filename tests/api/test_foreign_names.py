"""What another store's things are called by, besides their ids in ids' places: it finds nothing and changes nothing.

Together with test_foreign.py this covers every field of every body, and every filter, that can name a thing; both are
made from the contract, so that a new one is tried by being there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import pytest

from tests.api.client import Foreign, Service, furnish, open_shop
from tests.api.contract_cases import Operation, Schema, good, kind_of, operations, resolved
from tests.api.test_foreign import BODY_IDS, FILTERS, ids_for, with_value

OPERATIONS: Final = operations()
PLAIN: Final = ("from", "to", "limit", "cursor", "order", "action", "entity", "after", "types", "as_of", "status")
"""Text that names no thing of a store's: times, pages, kinds."""
NAMES: Final = ("sku", "barcode")
"""By which bodies name a product in place of its id."""


def names_of(store: Foreign) -> dict[str, str]:
    """What finds the store's own things, by the name of the filter."""
    product, customer = store.things["product"], store.things["customer"]
    return {
        "search": product["name"],
        "sku": product["sku"],
        "barcode": product["barcodes"][0],
        "phone": customer["phone"],
        "drawer": store.things["shift"]["drawer"],
        "entity_id": product["id"],
    }


TEXT_FILTERS: Final = [
    (operation, name)
    for operation in OPERATIONS
    for name, schema in operation.parameters("query").items()
    if kind_of(schema) == "string" and "enum" not in resolved(schema) and name not in PLAIN
]


def places(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every field of a body, at every depth."""
    plain = resolved(schema)
    if kind_of(plain) == "array":
        yield from places(plain["items"], (*path, "0"))
    elif plain.get("properties"):
        for name, inner in plain["properties"].items():
            yield from places(inner, (*path, name))
    else:
        yield path if path[-1] != "0" else (*path[:-1], "0")


BODIES: Final = [(operation, place) for operation in OPERATIONS if operation.body for place in places(operation.body)]
BY_NAME: Final = [
    (operation, place)
    for operation, place in BODIES
    if place[-1] in NAMES and (operation, (*place[:-1], "product_id")) in BODY_IDS
]
NEW_IDS: Final = [operation for operation, place in BODIES if place == ("id",)]


def schema_at(schema: Schema, place: tuple[str, ...]) -> Schema:
    """The schema of a field."""
    plain = resolved(schema)
    for name in place:
        plain = resolved(plain["items"] if name == "0" else plain["properties"][name])
    return plain


def test_every_id_of_every_body_is_tried() -> None:
    ids = {
        (str(operation), place)
        for operation, place in BODIES
        if operation.body and kind_of(schema_at(operation.body, place)) == "uuid" and place[-1] != "id"
    }
    assert ids <= {(str(operation), place) for operation, place in BODY_IDS}
    assert len(ids) >= 15


def test_every_filter_that_can_name_a_thing_is_tried() -> None:
    named = {name for _, name in TEXT_FILTERS}
    assert named == {"search", "sku", "barcode", "phone", "drawer", "entity_id"}, "names_of() gives one for each"
    by_id = {(str(o), n) for o, n in FILTERS}
    for operation in OPERATIONS:
        for name in operation.parameters("query"):
            tried = (str(operation), name) in by_id or name in named
            assert tried or not name.endswith("_id"), f"{operation} {name}"


@pytest.fixture(scope="module")
async def other(service: Service) -> Foreign:
    """A store with names of its own."""
    return await furnish(await open_shop(service))


@pytest.mark.parametrize(
    ("operation", "name"), TEXT_FILTERS, ids=[f"{operation} {name}" for operation, name in TEXT_FILTERS]
)
async def test_another_store_s_names_find_nothing(
    operation: Operation, name: str, own_store: Foreign, other: Foreign
) -> None:
    async def found(store: Foreign, value: str) -> str:
        answer = await store.shop.api.request("GET", operation.url(store.ids), params={name: value})
        assert answer.status_code in (200, 404), answer.text
        if answer.status_code == 404:
            return ""
        document = answer.json()
        return answer.text if document.get("items", True) else ""

    theirs = names_of(other)[name]
    assert await found(own_store, theirs) == ""
    if name != "search" or "products" in operation.path:  # what they call a product finds no customer of theirs
        assert await found(other, theirs) != "", "it is there, for those whose it is"


@pytest.mark.parametrize(
    ("operation", "place"), BY_NAME, ids=[f"{operation} {'.'.join(place)}" for operation, place in BY_NAME]
)
async def test_another_store_s_names_in_a_body_are_refused(
    operation: Operation, place: tuple[str, ...], own_store: Foreign, other: Foreign
) -> None:
    assert operation.body is not None
    before, mine = await other.shop.everything(), await own_store.shop.everything()
    ids = ids_for(operation, own_store.ids)
    body = with_value(good(operation.body, ids), operation.body, place, names_of(other)[place[-1]], ids)
    holder = body
    for name in place[:-1]:
        holder = holder[0] if name == "0" else holder[name]
    holder.pop("product_id", None)
    answer = await own_store.shop.api.request(
        operation.method.upper(), operation.url(ids), content=msgspec.json.encode(body)
    )
    if answer.status_code == 200:  # a batch answers for each item by itself
        assert answer.json()["created"] == 0, answer.text
    else:
        assert answer.status_code in (404, 409, 422), answer.text
    assert other.ids["product_id"] not in answer.text
    assert await other.shop.everything() == before
    assert await own_store.shop.everything() == mine


@pytest.mark.parametrize("operation", NEW_IDS, ids=str)
async def test_a_new_thing_may_have_the_id_of_another_store_s_and_leaves_it_alone(
    operation: Operation, service: Service, other: Foreign
) -> None:
    own = await furnish(await open_shop(service))
    assert operation.body is not None
    before = await other.shop.everything()
    for theirs in sorted({value for name, value in other.ids.items() if name != "event_seq"}):
        body = good(operation.body, own.ids) | {"id": theirs}
        url = operation.url(own.ids)
        answer = await own.shop.api.request(operation.method.upper(), url, content=msgspec.json.encode(body))
        assert answer.status_code < 500, answer.text
        assert names_of(other)["sku"] not in answer.text
        assert await other.shop.everything() == before, f"{operation} {theirs}"
