"""The contract, and its page: nothing comes from elsewhere."""

import re
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute
from openapi_spec_validator import validate

from ibex.domain.identity.model import Permission
from ibex.entrypoints.http.access import PUBLIC_PATHS
from ibex.entrypoints.http.app import documented_handlers
from ibex.entrypoints.http.docs import CONTENT_SECURITY_POLICY
from ibex.entrypoints.http.health import MeController
from ibex.entrypoints.http.openapi import openapi_document
from tests.unit.http.support import Ports, build, things_controller


class References(HTMLParser):
    """What a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.found += [value for name, value in attrs if name in ("src", "href") and value]
        if tag == "style" or (tag == "script" and "src" not in named) or any(name.startswith("on") for name in named):
            self.inline.append(tag)


async def test_the_page_loads_only_what_we_serve(client: httpx.AsyncClient) -> None:
    response = await client.get("/docs", headers={"authorization": ""})
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = References()
    page.feed(response.text)
    assert page.found
    assert page.inline == [], "the policy forbids inline scripts"
    for reference in page.found:
        assert reference.startswith("/docs/assets/")
        asset = await client.get(reference)
        assert asset.status_code == 200
        assert asset.headers["x-content-type-options"] == "nosniff"
        expected = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[reference.rpartition(".")[2]]
        assert asset.headers["content-type"].startswith(expected)


async def test_the_policy_allows_nothing_of_others(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs")).headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    directives = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert directives["script-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert not re.search(r"https?:|\*", CONTENT_SECURITY_POLICY)


def test_the_style_sheet_and_our_script_name_no_other_host() -> None:
    assets = resources.files("ibex.entrypoints.http").joinpath("assets")
    for name in ("swagger-ui.css", "start.js", "favicon.svg"):
        text = assets.joinpath(name).read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert not re.search(r"(?<!:)https?://|@import|url\(//", text), name
    for licence in ("LICENSE.swagger-ui.txt", "NOTICE.swagger-ui.txt", "swagger-ui-bundle.js.LICENSE.txt"):
        assert assets.joinpath(licence).is_file()


async def test_assets_are_packed_where_that_is_understood(client: httpx.AsyncClient) -> None:
    plain = await client.get("/docs/assets/swagger-ui.css", headers={"accept-encoding": "identity"})
    packed = await client.get("/docs/assets/swagger-ui.css", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.content == plain.content


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    return openapi_document(documented_handlers())


def test_the_contract_is_valid(contract: dict[str, Any]) -> None:
    validate(contract)
    assert contract["openapi"].startswith("3.1")


def test_each_operation_says_who_may_call_it(contract: dict[str, Any]) -> None:
    known = {permission.value for permission in Permission}
    for path, operations in contract["paths"].items():
        for operation in operations.values():
            if path in PUBLIC_PATHS:
                assert "security" not in operation
            else:
                assert operation["security"] == [{"token": []}]
                assert operation["x-permission"] is None or operation["x-permission"] in known
                assert {"401", "403", "429", "503"} <= operation["responses"].keys()


def test_names_of_operations_are_unique(contract: dict[str, Any]) -> None:
    names = [operation["operationId"] for operations in contract["paths"].values() for operation in operations.values()]
    assert len(names) == len(set(names))


def test_every_error_is_described_as_a_problem(contract: dict[str, Any]) -> None:
    for operations in contract["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]


async def test_every_route_is_described(ports: Ports) -> None:
    documented = openapi_document([things_controller(ports), MeController])["paths"]
    api: Any = build(ports).app
    for route in api.routes:
        # Pages for people are no part of the contract, and say so.
        pages = isinstance(route, HTTPRoute) and not any(each.include_in_schema for each in route.route_handlers)
        if isinstance(route, HTTPRoute) and route.path_format not in PUBLIC_PATHS and not pages:
            described = {method.upper() for method in documented[route.path_format]}
            assert described == route.methods - {"OPTIONS"}


async def test_writes_take_a_key_and_dry_runs_do_not(ports: Ports) -> None:
    paths = openapi_document([things_controller(ports)])["paths"]

    def headers(path: str, method: str) -> set[str]:
        return {p["name"] for p in paths[path][method].get("parameters", []) if p["in"] == "header"}

    assert headers("/v1/things", "post") == {"Idempotency-Key"}
    assert headers("/v1/things/wait", "post") == set()
    assert headers("/v1/things/{thing_id}", "get") == {"If-None-Match"}
    assert headers("/v1/things/{thing_id}", "patch") == {"If-Match"}
    assert "304" in paths["/v1/things/{thing_id}"]["get"]["responses"]
    assert "412" in paths["/v1/things/{thing_id}"]["patch"]["responses"]


async def test_what_callers_send_is_closed_and_money_is_text(ports: Ports) -> None:
    schemas = openapi_document([things_controller(ports)])["components"]["schemas"]
    assert schemas["ThingInput"]["additionalProperties"] is False
    assert schemas["ThingLine"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["ThingView"]
    quantity = schemas["ThingLine"]["properties"]["quantity"]
    assert quantity["type"] == "string"
    assert quantity["examples"] == ["2", "0.375"]
    assert schemas["ThingInput"]["properties"]["lines"]["maxItems"] == 3
