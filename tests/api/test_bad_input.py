"""No input makes a 500: every route, every field, made bad in every way, is refused with the name of what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
import msgspec
import pytest

from tests.api.client import Foreign, Shop
from tests.api.contract_cases import QUERY, Bad, Operation, accepts, bad_bodies, good, kind_of, operations, resolved

pytestmark = pytest.mark.timeout(300)

OPERATIONS = operations()
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]
AT_ONCE = 12


@pytest.fixture
def own(own_store: Foreign) -> Foreign:
    """The caller's own store. What is refused leaves it as it is, and what is not matters to no other test."""
    return own_store


async def answers_to(requests: Iterable[Any]) -> list[httpx.Response]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(request: Any) -> httpx.Response:
        async with gate:
            response: httpx.Response = await request
            return response

    return list(await asyncio.gather(*map(one, requests)))


def is_within(name: str, field: str) -> bool:
    return name == field or name.startswith((f"{field}.", f"{field}["))


def complaint(answer: httpx.Response, field: str | None) -> str | None:
    """What is wrong with a refusal; None if nothing is."""
    if answer.status_code == 200 and field is not None and field.startswith("items[0]"):
        # A batch answers for each of its items by itself, and is carried out for the others.
        item = answer.json()["items"][0]
        of_item = f"items[0].{(item.get('problem') or {}).get('field')}"
        return None if item["result"] == "invalid" and is_within(of_item, field) else f"names {of_item}: {item}"
    if not 400 <= answer.status_code < 500:
        return f"{answer.status_code}: {answer.text[:200]}"
    if answer.headers["content-type"] != "application/problem+json":
        return f"no problem: {answer.headers['content-type']}"
    named = [error["field"] for error in answer.json().get("errors", [])]
    if field is not None and not any(is_within(name, field) for name in named):
        return f"names {named}: {answer.text[:200]}"
    return None


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_a_bad_body_is_refused_by_name_and_changes_nothing(operation: Operation, own: Foreign) -> None:
    assert operation.body is not None
    cases = list(bad_bodies(operation.body, own.ids))
    url = operation.url(own.ids)

    def send(bad: Bad) -> Any:
        content = msgspec.json.encode(bad.body)
        return own.shop.api.request(operation.method.upper(), url, content=content)

    refused = [bad for bad in cases if bad.refused]
    before = await own.shop.everything()
    answers = await answers_to(send(bad) for bad in refused)
    found = {str(bad): complaint(answer, bad.field) for bad, answer in zip(refused, answers, strict=True)}
    assert {case: what for case, what in found.items() if what} == {}
    assert await own.shop.everything() == before

    # What the contract lets through may be refused by a rule, and then by a problem too.
    allowed = [bad for bad in cases if not bad.refused]
    answers = await answers_to(send(bad) for bad in allowed)
    outcomes = {
        str(bad): complaint(answer, None)
        for bad, answer in zip(allowed, answers, strict=True)
        if answer.status_code >= 300
    }
    assert {case: what for case, what in outcomes.items() if what} == {}


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.parameters("query")], ids=str)
async def test_a_bad_query_is_refused_by_name(operation: Operation, own: Foreign) -> None:
    url, parameters = operation.url(own.ids), operation.parameters("query")
    cases = [("surprise", "1", True)]
    cases += [
        (n, value, surely_refused(schema, value)) for n, schema in parameters.items() for value in hostile(schema)
    ]
    cases += [("cursor", value, True) for value in ("nope", "AAAA", "eyJhIjoxfQ") if "cursor" in parameters]
    needed = operation.required_query(own.ids)
    answers = await answers_to(
        own.shop.api.request(operation.method.upper(), url, params=needed | {name: value}) for name, value, _ in cases
    )
    wrong = {}
    for (name, value, refused), answer in zip(cases, answers, strict=True):
        if (refused or answer.status_code >= 300) and (what := complaint(answer, name if refused else None)):
            wrong[f"{name}={value!r:.40}"] = what
    assert wrong == {}


def hostile(schema: dict[str, Any]) -> tuple[str, ...]:
    """Texts to try in a parameter; one that may be given several times is tried once."""
    return QUERY[kind_of(one_of(schema))]


def one_of(schema: dict[str, Any]) -> dict[str, Any]:
    return resolved(schema)["items"] if kind_of(schema) == "array" else schema


def surely_refused(schema: dict[str, Any], value: str) -> bool:
    """Whether the contract lets a parameter's text through in no reading of it. An empty one may count as none."""
    schema = one_of(schema)
    if value == "":
        return False
    if kind_of(schema) in ("integer", "number"):
        return not (value.lstrip("-").isdecimal() and accepts(schema, int(value)))
    return kind_of(schema) != "boolean" and not accepts(schema, value)


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.parameters("path")], ids=str)
async def test_a_path_without_an_id_is_no_route(operation: Operation, own: Foreign) -> None:
    body = None if operation.body is None else msgspec.json.encode(good(operation.body, own.ids))
    for nonsense in ("nope", "1", "%00", "'%20OR%201=1", "a" * 300, "{0190b6e4-5c11-7d2e-9b1a-6f1d7a1c0de5}", "%2e%2e"):
        url = operation.url(dict.fromkeys(operation.parameters("path"), nonsense))
        answer = await own.shop.api.request(operation.method.upper(), url, content=body)
        assert complaint(answer, None) is None, nonsense


BODIES = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"7",
    b"{",
    b"{}}",
    b'{"lines": NaN}',
    b"\xff\xfe",
    b'{"lines": "\xff"}',
    b'{"note": "\\ud800"}',
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
    b'{"lines": ' + b"[" * 10_000,
]


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_what_is_no_json_object_is_refused(operation: Operation, own: Foreign) -> None:
    url, method = operation.url(own.ids), operation.method.upper()
    wrong = {}
    for body in BODIES:
        answer = await own.shop.api.request(method, url, content=body, headers={"content-type": "application/json"})
        if what := complaint(answer, None):
            wrong[body[:30]] = what
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "nonsense"):
        answer = await own.shop.api.request(method, url, content=b"{}", headers={"content-type": kind})
        if answer.status_code != 415:
            wrong[kind.encode()] = f"{answer.status_code}"
    assert wrong == {}


async def test_a_body_that_is_too_large_is_refused(shop: Shop) -> None:
    answer = await shop.api.request("POST", "/v1/sales", content=b'{"note": "' + b"x" * 2_000_000 + b'"}')
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("lines", [0, 2001])
async def test_an_invoice_has_between_one_and_two_thousand_lines(shop: Shop, lines: int) -> None:
    product = await shop.make_product(stock="5000")
    body = {"lines": [{"product_id": product["id"], "quantity": "1"}] * lines, "payment_method": "CASH"}
    answer = await shop.api.request("POST", "/v1/sales", json=body)
    assert complaint(answer, "lines") is None
    assert await shop.stock_of(product) == 5000


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("Idempotency-Key", "", "Idempotency-Key"),
        ("Idempotency-Key", "k" * 256, "Idempotency-Key"),
        ("Idempotency-Key", b"\xe9", "Idempotency-Key"),
        ("If-Match", "nonsense", None),
        ("If-Match", '"v1", "v2"', "If-Match"),
        ("If-Match", '"v99999999999999999999"', None),
    ],
)
async def test_a_bad_header_is_refused(shop: Shop, name: str, value: str | bytes, field: str | None) -> None:
    draft = await shop.draft(await shop.make_product())
    method, url = ("PATCH", f"/v1/invoices/{draft['id']}") if name == "If-Match" else ("POST", "/v1/invoices")
    body = {"note": "x"} if name == "If-Match" else {"lines": [{"sku": "nope", "quantity": "1"}]}
    answer = await shop.api.request(method, url, json=body, headers={name: value})  # type: ignore[dict-item]
    assert complaint(answer, field) is None


NUMBERS = [
    "0",
    "-1",
    "1.5",
    "1e9",
    "999999999",
    "1000000000",
    "0.001",
    "0.0001",
    "NaN",
    "Infinity",
    "--1",
    "",
    " 1",
    "+1",
]


@pytest.mark.parametrize("quantity", NUMBERS)
async def test_a_quantity_is_sold_exactly_or_refused(shop: Shop, quantity: str) -> None:
    product = await shop.make_product(unit_price="3.33", stock="100")
    body = {"lines": [{"product_id": product["id"], "quantity": quantity}], "payment_method": "CASH"}
    answer = await shop.api.request("POST", "/v1/sales", json=body)
    if quantity in ("1.5", "0.001"):
        assert answer.json()["total"] == {"1.5": "5.00", "0.001": "0.00"}[quantity]
    elif quantity == "999999999":
        assert answer.json()["code"] == "insufficient_stock"
    else:
        assert complaint(answer, "lines[0].quantity") is None
    if answer.status_code != 201:
        assert await shop.stock_of(product) == 100
        assert await shop.ledger() == []


PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (httpx.Response(500, headers=PROBLEM, json={}), None),
        (httpx.Response(201, json={}), None),
        (httpx.Response(422, json={}), None),
        (httpx.Response(422, headers=PROBLEM, json={"errors": []}), "note"),
        (httpx.Response(422, headers=PROBLEM, json={"errors": [{"field": "notes"}]}), "note"),
    ],
)
def test_the_checker_refuses_what_is_no_refusal(answer: httpx.Response, field: str | None) -> None:
    assert complaint(answer, field) is not None


def test_the_checker_knows_what_the_contract_takes() -> None:
    [sale] = [operation for operation in OPERATIONS if operation.name == "record_sale"]
    assert sale.body is not None
    assert accepts(sale.body, good(sale.body, {}))
    cases = {str(bad): bad.refused for bad in bad_bodies(sale.body, {})}
    assert len(cases) > 300
    assert (cases["lines[0].quantity='1e9'"], cases["lines[0].quantity='0'"], cases["lines[0].sku=None"]) == (1, 0, 0)
    assert cases["lines[0].surprise='(unknown)'"]
    assert cases["discount.percent='NaN'"]
