"""The small application, and a client of it with a cashier's token."""

from collections.abc import AsyncIterator

import httpx
import pytest

from ibex.adapters.system import NewToken
from ibex.domain.identity.model import Role
from ibex.entrypoints.http.edge import Edge
from tests.unit.http.support import Ports, actor_with, build, client_of


@pytest.fixture
async def ports() -> Ports:
    return Ports()


@pytest.fixture
async def token(ports: Ports) -> NewToken:
    return ports.tokens.issue(actor_with(Role.CASHIER))


@pytest.fixture
async def app(ports: Ports) -> Edge:
    return build(ports, outages=(LookupError,))


@pytest.fixture
async def client(app: Edge, token: NewToken) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, token) as client:
        yield client
