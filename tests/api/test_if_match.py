"""If-Match with what is not one's own: another store's things, and tags of other things. Every route that takes it.

A tag is its own address's (RFC 9110, section 8.8.3): of another thing it means no more than the version in it.
"""

from __future__ import annotations

from typing import Final

import httpx
import msgspec
import pytest

from tests.api.client import FOREIGN, Api, Foreign, Service, Shop, furnish, open_shop, problem
from tests.api.contract_cases import Operation, good_body, operations, resolved

CONDITIONAL: Final = [
    operation
    for operation in operations()
    if any(p["in"] == "header" and p["name"] == "If-Match" for p in operation.contract.get("parameters", []))
]
WITH_IDS: Final = [operation for operation in CONDITIONAL if operation.parameters("path")]
OF_DRAFTS: Final = ("change_invoice", "issue_invoice", "cancel_invoice")


def ids_for(operation: Operation, store: Foreign) -> dict[str, str]:
    """The ids of a store, of a kind that the route works on."""
    return store.ids | ({"invoice_id": store.ids["draft_id"]} if operation.name in OF_DRAFTS else {})


async def send(api: Api, operation: Operation, path: str, body_ids: dict[str, str], tag: str) -> httpx.Response:
    """The operation with a good body and this tag."""
    body = None if operation.body is None else msgspec.json.encode(good_body(operation, body_ids))
    return await api.request(operation.method.upper(), path, content=body, headers={"if-match": tag})


async def tag_of(shop: Shop, path: str) -> str:
    """The tag of the thing that an operation is about."""
    whole = path if path == "/v1/store" else "/".join(path.split("/")[:4])
    answer = await shop.api.request("GET", whole)
    assert answer.status_code == 200, whole
    return str(answer.headers["etag"])


def version_in(tag: str) -> str:
    """The part of a tag that If-Match compares."""
    return tag.partition(".")[0].strip('"')


@pytest.fixture(scope="module")
async def later(service: Service) -> Foreign:
    """A store in which everything that can change has changed, so that its tags are of later versions."""
    store = await furnish(await open_shop(service))
    for operation in CONDITIONAL:
        if operation.method == "patch":
            ids = ids_for(operation, store)
            for note in ("once", "twice"):
                await store.shop.api.patch(operation.url(ids), {text_field(operation): f"{FOREIGN} {note}"})
    return store


def text_field(operation: Operation) -> str:
    """A field of its body that any text may stand in."""
    assert operation.body is not None
    fields = resolved(operation.body)["properties"]
    return next(name for name in ("name", "description", "note") if name in fields)


def test_these_are_all() -> None:
    assert len(CONDITIONAL) >= 12
    assert {operation.name for operation in operations() if operation.method == "patch"} <= {
        operation.name for operation in CONDITIONAL
    }


@pytest.mark.parametrize("operation", WITH_IDS, ids=str)
async def test_another_store_s_thing_is_not_found_whatever_the_tag(
    operation: Operation, own_store: Foreign, later: Foreign
) -> None:
    theirs, mine = operation.url(ids_for(operation, later)), operation.url(ids_for(operation, own_store))
    before, mine_before = await later.shop.everything(), await own_store.shop.everything()
    tags = [await tag_of(later.shop, theirs), await tag_of(own_store.shop, mine), "*", '"v1"', '"v999"', '"nothing"']
    for tag in tags:
        answer = await send(own_store.shop.api, operation, theirs, own_store.ids, tag)
        nobodys = await send(own_store.shop.api, operation, operation.url({}), own_store.ids, tag)
        assert answer.status_code == nobodys.status_code, tag
        assert answer.json() | {"request_id": ""} == nobodys.json() | {"request_id": ""}, tag
        if tag != '"nothing"':  # which is no tag, whosever the thing is
            problem(answer, 404, "not_found")
        assert FOREIGN not in answer.text
        assert "etag" not in answer.headers
    assert await later.shop.everything() == before
    assert await own_store.shop.everything() == mine_before


@pytest.mark.parametrize("operation", CONDITIONAL, ids=str)
async def test_tags_of_other_things_change_nothing(operation: Operation, own_store: Foreign, later: Foreign) -> None:
    path, shop = operation.url(ids_for(operation, own_store)), own_store.shop
    tag, before = await tag_of(shop, path), await shop.everything()
    version = version_in(tag)
    others = {await tag_of(later.shop, o.url(ids_for(o, later))) for o in CONDITIONAL}
    others |= {await tag_of(shop, o.url(ids_for(o, own_store))) for o in CONDITIONAL}
    others |= {'"v999"', '"x"', '""', 'W/"v1"', "v1", f"W/{tag}"}
    tried = 0
    for other in sorted(others):
        if version_in(other) == version:
            continue  # the version that it is at: the tag's own
        tried += 1
        answer = await send(shop.api, operation, path, own_store.ids, other)
        problem(answer, 412, "precondition_failed")
    assert tried >= 4
    assert await shop.everything() == before


@pytest.mark.parametrize("operation", CONDITIONAL, ids=str)
async def test_its_own_tag_lets_it_through_once(operation: Operation, service: Service) -> None:
    store = await furnish(await open_shop(service))
    ids = ids_for(operation, store)
    path, api = operation.url(ids), store.shop.api
    tag = await tag_of(store.shop, path)
    if operation.method != "patch":
        answer = await send(api, operation, path, ids, tag)
        assert answer.status_code in (200, 201), answer.text
        return
    change = {text_field(operation): "Another text"}
    first = await api.request("PATCH", path, json=change, headers={"if-match": tag})
    assert first.status_code == 200, first.text
    problem(await api.request("PATCH", path, json=change, headers={"if-match": tag}), 412, "precondition_failed")
