"""Every route is guarded."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from litestar import Controller, Litestar, get

from ibex.domain.identity.model import Permission
from ibex.entrypoints.http.access import ANY_OPERATOR, PUBLIC_PATHS, UnguardedRouteError
from ibex.entrypoints.http.app import create_app
from ibex.entrypoints.http.services import Services
from tests.architecture.rules.routes import PUBLIC, unguarded_routes
from tests.architecture.violations import assert_none


def services() -> Services:
    """An application that is only looked at needs none of them."""
    nothing: dict[str, Any] = {field.name: None for field in fields(Services)}
    return Services(**nothing)


class Open(Controller):
    """A controller that forgets to ask."""

    path = "/v1/open"

    @get()
    async def read(self) -> None:
        """Answers anybody."""

    @get("/guarded", opt={"permission": Permission.SALES_READ})
    async def guarded(self) -> None:
        """Answers who may read sales."""

    @get("/mine", opt={"permission": ANY_OPERATOR})
    async def mine(self) -> None:
        """Answers every operator."""


def test_every_route_of_the_application_is_guarded() -> None:
    app = create_app(services()).app
    assert isinstance(app, Litestar)
    assert len(app.routes) > 10
    assert_none(unguarded_routes(app))


def test_the_list_of_public_routes_is_the_applications() -> None:
    assert set(PUBLIC) == PUBLIC_PATHS


def test_a_route_without_a_permission_is_found() -> None:
    (violation,) = unguarded_routes(Litestar([Open], openapi_config=None))
    assert violation.file == __file__
    assert "GET /v1/open declares no permission" in violation.reason


def test_an_application_with_such_a_route_cannot_be_built() -> None:
    with pytest.raises(UnguardedRouteError, match="/v1/open"):
        create_app(services(), controllers=[Open])
