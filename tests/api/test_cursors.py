"""Cursors where they do not belong: of another store, of another list, cut, turned and forged; on every list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import pytest

from ibex.entrypoints.http.cursors import encode_cursor
from tests.api.client import FOREIGN, Foreign, Json, Service, furnish, open_shop, problem
from tests.api.contract_cases import Operation, kind_of, operations, resolved

LISTS: Final = [operation for operation in operations() if "cursor" in operation.parameters("query")]
# Whatever an order may begin with: texts, times, days, numbers, ids; and what only looks like one of them.
PARTS: Final = (
    "",
    "x",
    "0",
    "-1",
    " 1 ",
    "1_0",
    "\u0661",
    "9" * 18,
    "9" * 19,
    "9" * 30,
    "1e3",
    "NaN",
    "2026-03-02",
    "20260302",
    "2026-W10-1",
    "0001-01-01",
    "2026-03-02T12:00:00Z",
    "2026-03-02T12:00:00+23:59",
    "20260302T120000Z",
    "2026-W10-1T12",
    "infinity",
    "now",
    "01a21040-6830-7251-bb30-ca0f1bb92f78",
    "{01a21040-6830-7251-bb30-ca0f1bb92f78}",
    "urn:uuid:01a21040-6830-7251-bb30-ca0f1bb92f78",
    "a\0b",
    "\ud7ff\uffff",
    "'; DROP TABLE ibex.products; --",
)


@dataclass(frozen=True, slots=True)
class Two:
    """Two stores with two or more of everything that is listed."""

    own: Foreign
    other: Foreign


async def _two_of_everything(service: Service) -> Foreign:
    found = await furnish(await open_shop(service))
    shop, things = found.shop, found.things
    for number in range(2):
        product = await shop.make_product(name=f"{FOREIGN} more {number}")
        customer = await shop.make_customer(name=f"{FOREIGN} more {number}")
        await shop.sell([(product, "1")], method="CREDIT", customer_id=customer["id"])
        await shop.sell([(things["product"], "1")], method="CREDIT", customer_id=things["customer"]["id"])
        paid = await shop.sell([(product, "1")])
        back = {"lines": [{"line_no": 1, "quantity": "1"}], "reason": FOREIGN, "refund_method": "CASH"}
        await shop.api.post(f"/v1/invoices/{paid['id']}/credit-notes", back)
        await shop.api.post("/v1/categories", {"name": f"{FOREIGN} more {number}"})
        await shop.api.post("/v1/shifts", {"drawer": f"More {number}", "opening_float": "0.00"})
        operator = await shop.api.post("/v1/operators", {"name": f"{FOREIGN} more {number}", "role": "CASHIER"})
        await shop.api.post(f"/v1/operators/{operator['id']}/tokens", {"label": FOREIGN})
        await shop.api.post("/v1/webhooks", {"url": f"https://hooks.example.com/{number}", "description": FOREIGN})
    await shop.execute(
        """
        INSERT INTO ibex.webhook_deliveries (store_id, webhook_id, event_seq, next_attempt_at)
        SELECT w.store_id, w.id, e.seq, now() FROM ibex.webhooks w JOIN ibex.events e USING (store_id)
        WHERE w.store_id = $1 AND w.id = $2 ORDER BY e.seq LIMIT 3 ON CONFLICT DO NOTHING
        """,
        shop.store_id,
        things["webhook"]["id"],
    )
    return found


@pytest.fixture(scope="module")
async def two(service: Service) -> Two:
    return Two(await _two_of_everything(service), await _two_of_everything(service))


async def first_page(operation: Operation, store: Foreign) -> Json:
    """A page of one, of which there is a next one."""
    page: Json = await store.shop.api.get(operation.url(store.ids), params={"limit": 1})
    assert page["next_cursor"], f"{operation}: there must be two or more of them"
    return page


async def cursors_of(store: Foreign) -> dict[str, str]:
    """A cursor of every list, as the service gave it."""
    return {operation.name: (await first_page(operation, store))["next_cursor"] for operation in LISTS}


def test_there_are_lists() -> None:
    assert len(LISTS) >= 15


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_one_s_own_cursor_goes_on(operation: Operation, two: Two) -> None:
    url, api = operation.url(two.own.ids), two.own.shop.api
    whole = await api.get(url, params={"limit": 200})
    assert whole["next_cursor"] is None
    name = "lines" if "lines" in whole else "items"
    pages = [await first_page(operation, two.own)]
    while pages[-1]["next_cursor"]:
        pages.append(await api.get(url, params={"limit": 1, "cursor": pages[-1]["next_cursor"]}))
    assert [row for page in pages for row in page[name]] == whole[name]


def filters(operation: Operation, ids: dict[str, str]) -> Iterator[dict[str, str]]:
    """Every filter and every order of the list, one at a time, with values that leave something."""
    for name, schema in operation.parameters("query").items():
        if name in ("limit", "cursor"):
            continue
        kind, known = kind_of(schema), resolved(schema).get("enum", ())
        if kind == "uuid":
            yield {name: ids[name]}
        elif kind == "boolean":
            yield from ({name: "true"}, {name: "false"})
        elif kind == "date":
            yield {name: "2000-01-01" if name == "from" else "2099-01-01"}
        elif known:
            yield from ({name: str(value)} for value in known)
        elif name == "search":
            yield {name: FOREIGN}


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_pages_go_on_with_every_filter(operation: Operation, two: Two) -> None:
    url, api = operation.url(two.own.ids), two.own.shop.api
    for chosen in filters(operation, two.own.ids):
        whole = await api.get(url, params=chosen | {"limit": 200})
        name = "lines" if "lines" in whole else "items"
        found, cursor = [], None
        while True:
            here: dict[str, str] = {} if cursor is None else {"cursor": cursor}
            page = await api.get(url, params=chosen | {"limit": 1} | here)
            found += page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == whole[name], chosen


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_another_store_s_cursor_shows_nothing_of_it(operation: Operation, two: Two) -> None:
    url, api = operation.url(two.own.ids), two.own.shop.api
    page = await api.get(url, params={"limit": 200})
    name = "lines" if "lines" in page else "items"
    theirs = (await two.other.shop.api.get(operation.url(two.other.ids), params={"limit": 200}))[name]
    cursor = (await first_page(operation, two.other))["next_cursor"]
    answer = await api.request("GET", url, params={"limit": 200, "cursor": cursor})
    assert answer.status_code == 200, answer.text
    shown = answer.json()[name]
    assert all(row in page[name] for row in shown), "only what is one's own"
    for row in theirs:
        assert row in page[name] or row not in shown
    for key in ("store_id", "id"):
        strange = {row[key] for row in theirs if key in row} - {row[key] for row in page[name] if key in row}
        assert not any(value in answer.text for value in strange)


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_another_list_s_cursor_is_refused_or_shows_one_s_own(operation: Operation, two: Two) -> None:
    url, api = operation.url(two.own.ids), two.own.shop.api
    whole = await api.get(url, params={"limit": 200})
    name = "lines" if "lines" in whole else "items"
    for store in (two.own, two.other):
        for cursor in (await cursors_of(store)).values():
            answer = await api.request("GET", url, params={"limit": 200, "cursor": cursor})
            if answer.status_code == 200:
                assert all(row in whole[name] for row in answer.json()[name])
            else:
                problem(answer, 422, answer.json()["code"], field="cursor")


def tampered(cursor: str) -> Iterator[str]:
    """Nearly the cursor: no two of them alike, and none of them it."""
    alphabet = "ABCxyz019-_"
    for place in range(len(cursor)):
        yield cursor[:place] + alphabet[(alphabet.find(cursor[place]) + 1) % len(alphabet)] + cursor[place + 1 :]
    for end in range(len(cursor)):
        yield cursor[:end]
    yield from (cursor + more for more in ("A", "AAAA", "=", "==", "%00", " ", "\n", "é", "☃", cursor))
    yield from (cursor[::-1], cursor.swapcase(), "null", "[]", "x" * 999, "x" * 1001)


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_a_cursor_that_was_tampered_with_is_refused(operation: Operation, two: Two) -> None:
    cursor = (await first_page(operation, two.own))["next_cursor"]
    for wrong in tampered(cursor):
        answer = await two.own.shop.api.request("GET", operation.url(two.own.ids), params={"cursor": wrong})
        assert answer.status_code == 422, f"{wrong!r}: {answer.status_code}"
        problem(answer, 422, answer.json()["code"], field="cursor")


@pytest.mark.parametrize("operation", LISTS, ids=str)
async def test_a_cursor_that_was_forged_shows_nothing_foreign_and_breaks_nothing(
    operation: Operation, two: Two
) -> None:
    """With a checksum that is right: anybody can work it out."""
    url, api = operation.url(two.own.ids), two.own.shop.api
    whole = await api.get(url, params={"limit": 200})
    name = "lines" if "lines" in whole else "items"
    keys = [(), *((part,) for part in PARTS), *((a, b) for a in PARTS for b in PARTS), *pairwise(PARTS)]
    keys += [(part, part, part) for part in PARTS]
    for key in keys:
        answer = await api.request("GET", url, params={"limit": 200, "cursor": encode_cursor(key)})
        if answer.status_code == 200:
            assert all(row in whole[name] for row in answer.json()[name]), key
        else:
            assert answer.status_code == 422, f"{key}: {answer.status_code} {answer.text}"
            problem(answer, 422, answer.json()["code"], field="cursor")
