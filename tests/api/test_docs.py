"""Every example in docs/api.md and docs/api/*.md does what it says, and every route has one."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ibex.adapters.system import SystemClock
from ibex.domain.identity.model import Role
from ibex.entrypoints.http.app import documented_handlers
from ibex.entrypoints.http.openapi import openapi_document
from tests.api.client import Service, Shop, open_shop
from tests.api.docs_examples import PAGES, ROOT, Example, ExampleError, Values, examples_of, parse


async def known_values(shop: Shop) -> Values:
    """What the examples may use from the beginning."""
    today = SystemClock().now().astimezone(ZoneInfo("Europe/Rome")).date()
    values: Values = {"store_id": str(shop.store_id), "today": str(today)}
    values |= {"yesterday": str(today - timedelta(days=1)), "tomorrow": str(today + timedelta(days=1))}
    for role in Role:
        values[f"{role.value.lower()}_token"] = (await shop.as_role(role)).token
    return values


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_a_pages_examples_do_what_they_say(page: Path, service: Service) -> None:
    shop = await open_shop(service)
    values = await known_values(shop)
    for example in examples_of(page):
        await example.run(shop.api, values)


def test_every_route_has_an_example() -> None:
    shown = {(example.method, example.path.partition("?")[0]) for page in PAGES for example in examples_of(page)}
    missing = []
    for path, item in openapi_document(documented_handlers())["paths"].items():
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        there = {method for method, one in shown if pattern.fullmatch(one)}
        missing += [f"{method.upper()} {path}" for method in item if method.upper() not in there]
    assert missing == []


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


GOOD = 'GET /v1/me\n\n200\n{"role": "OWNER", "store": {"id": "{{store_id}}"}}\n'


async def run(block: str, shop: Shop) -> Values:
    values = await known_values(shop)
    await parse(block, "here").run(shop.api, values)
    return values


async def test_the_checker_accepts_what_is_right_and_learns_names(shop: Shop) -> None:
    values = await run(GOOD.replace('"OWNER"', '"{{role}}"'), shop)
    assert values["role"] == "OWNER"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (GOOD.replace("200", "201"), "200 instead of 201"),
        (GOOD.replace("OWNER", "CASHIER"), "role is 'OWNER' instead of 'CASHIER'"),
        (GOOD.replace("role", "rank"), "rank is not in the answer"),
        (GOOD.replace("{{store_id}}", "{{owner_token}}"), "store.id is"),
        (GOOD.replace("/me", "/products/{{nothing}}"), "nothing before has shown"),
        (GOOD.replace('"OWNER"', '"...X"'), "not like"),
        ('GET /v1/products\n\n200\n{"items": [{"sku": "A"}]}', "holds"),
        ('GET /v1/me\n\n200\nETag: "v1"\n', "header ETag"),
    ],
)
async def test_the_checker_refuses_what_is_wrong(block: str, words: str, shop: Shop) -> None:
    with pytest.raises(ExampleError, match=re.escape(words)):
        await run(block, shop)


@pytest.mark.parametrize("block", ["GET /v1/me\n", "LOOK /v1/me\n\n200\n"])
def test_a_block_that_is_none_is_refused(block: str) -> None:
    with pytest.raises(ExampleError):
        parse(block, "here")


def test_headers_and_bodies_are_told_apart() -> None:
    block = 'POST /v1/x?a=b\nIf-Match: "v1"\n{"a":\n "b: c"}\n\n200\nETag: "v2"\n{}\n'
    assert parse(block, "here") == Example(
        place="here",
        method="POST",
        path="/v1/x?a=b",
        headers={"If-Match": '"v1"'},
        body='{"a":\n "b: c"}',
        status=200,
        expected_headers={"ETag": '"v2"'},
        expected_body="{}",
    )
