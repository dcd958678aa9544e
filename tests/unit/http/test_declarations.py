"""What a route declares is what it does: the contract is made from the declarations."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from uuid import UUID

import pytest
from litestar import Litestar, get
from litestar.exceptions import LitestarDeprecationWarning
from litestar.routes import HTTPRoute

from ibex.entrypoints.http.access import RoutePlan, plan_of, plan_routes
from ibex.entrypoints.http.app import documented_handlers
from ibex.entrypoints.http.request import ApiRequest

WRITES = ("POST", "PUT", "PATCH", "DELETE")
# What reads If-Match, and what reads Accept.
VERSION_READERS = ("expected_version(request)", "required_version(request)")
TYPE_CHOOSERS = ("chosen(request", "answer_table(", "_margins(request")


def plans() -> Iterator[tuple[str, str, RoutePlan, str]]:
    """Method, path, plan and source of every handler in the contract."""
    app = Litestar(documented_handlers(), request_class=ApiRequest, openapi_config=None, logging_config=None)
    plan_routes(app)
    for route in app.routes:
        assert isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items():
            if method != "OPTIONS":
                yield method, route.path_format, plan_of(handler), inspect.getsource(handler.fn)


def test_a_write_declares_that_it_reads_if_match() -> None:
    wrong = []
    for method, path, plan, source in plans():
        reads = any(reader in source for reader in VERSION_READERS)
        if method in WRITES and reads is not plan.conditional:
            wrong.append(f"{method} {path}: reads If-Match is {reads}, declares it is {plan.conditional}")
    assert wrong == []


def test_a_route_declares_the_media_types_that_it_chooses_from() -> None:
    wrong = [
        f"{method} {path}"
        for method, path, plan, source in plans()
        if any(chooser in source for chooser in TYPE_CHOOSERS) is not bool(plan.media_types)
    ]
    assert wrong == []


def test_parameters_are_declared_as_the_next_litestar_wants_them() -> None:
    """The filter is in pyproject.toml, so that no test builds an application that the next version refuses."""

    @get("/inferred/{thing_id:uuid}")
    async def inferred(thing_id: UUID) -> None:
        """Declared in the old way."""

    with pytest.raises(LitestarDeprecationWarning):
        Litestar([inferred], openapi_config=None, logging_config=None)
    Litestar(documented_handlers(), request_class=ApiRequest, openapi_config=None, logging_config=None)
