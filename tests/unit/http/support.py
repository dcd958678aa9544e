"""A small application on fakes, with one route for each thing that the edge has to deal with."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast
from uuid import UUID

import httpx
import msgspec
import uvicorn
from litestar import Controller, Response, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from ibex.adapters.system import NewToken, new_token
from ibex.domain.identity.model import Actor, Permission, Role, Store
from ibex.domain.shared.errors import DomainError, IdempotencyKeyReused
from ibex.domain.shared.ids import OperatorId, StoreId, TokenId
from ibex.domain.shared.journal import Changes, Posted, Reply
from ibex.domain.shared.money import Currency
from ibex.domain.shared.paging import DEFAULT_PAGE, Page
from ibex.entrypoints.http.access import ANY_OPERATOR
from ibex.entrypoints.http.app import create_app
from ibex.entrypoints.http.conditional import expected_version, required_version, view
from ibex.entrypoints.http.cursors import Cursor, Limit, page_request, page_view
from ibex.entrypoints.http.edge import Edge
from ibex.entrypoints.http.health import MeController
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.services import Services
from ibex.entrypoints.http.types import ClientId, Label, Note, QuantityText, Request, View

STORE = Store(id=StoreId(UUID(int=1)), name="Shop", currency=Currency("EUR"), time_zone="Europe/Rome")


def actor_with(role: Role, *, scopes: frozenset[Permission] | None = None, number: int = 7) -> Actor:
    """An operator of the one store."""
    return Actor(
        store=STORE,
        operator_id=OperatorId(UUID(int=number)),
        operator_name="Ann",
        role=role,
        token_id=TokenId(UUID(int=number + 1000)),
        scopes=scopes,
    )


class FakeTokens:
    """TokenReader over a dict; counts what it is asked."""

    def __init__(self) -> None:
        self.actors: dict[bytes, Actor] = {}
        self.asked = 0
        self.delay_seconds = 0.0
        self.failure: Exception | None = None

    def issue(self, actor: Actor) -> NewToken:
        token = new_token()
        self.actors[token.secret_hash] = actor
        return token

    async def find_actor(self, secret_hash: bytes) -> Actor | None:
        self.asked += 1
        await asyncio.sleep(self.delay_seconds)
        if self.failure is not None:
            raise self.failure
        return self.actors.get(secret_hash)


class FakeJournal:
    """Keeps first answers in a dict, as the real one does in a table."""

    def __init__(self) -> None:
        self.answers: dict[tuple[StoreId, str], tuple[bytes, Posted]] = {}

    async def post(self, changes: Changes, reply: Reply, result: object) -> Posted:
        if (first := await self.recall(changes.store_id, reply)) is not None:
            return first
        posted = Posted(document=reply.present(result), status=reply.status)
        if reply.key is not None:
            self.answers[changes.store_id, reply.key] = reply.fingerprint, posted
        return posted

    async def recall(self, store_id: StoreId, reply: Reply) -> Posted | None:
        kept = self.answers.get((store_id, reply.key or ""))
        if kept is None:
            return None
        if kept[0] != reply.fingerprint:
            raise IdempotencyKeyReused("The key was used for another request.")
        return dataclasses.replace(kept[1], replayed=True)


class FakeReadiness:
    """ReadinessProbe with an answer to set."""

    def __init__(self) -> None:
        self.answer: str | None = None

    async def obstacle(self) -> str | None:
        return self.answer


class ThingLine(Request):
    """A line."""

    quantity: QuantityText
    note: Note = ""


class ThingInput(Request):
    """A thing."""

    name: Label
    lines: Annotated[list[ThingLine], msgspec.Meta(max_length=3)] = msgspec.field(default_factory=list)
    id: ClientId | None = None


class ThingView(View):
    """A thing."""

    id: str
    name: str
    version: int = 1


class ThingPage(View):
    """Things."""

    items: list[str]
    next_cursor: str | None


class Ports:
    """The fakes of one application, and what its routes do next."""

    def __init__(self) -> None:
        self.tokens = FakeTokens()
        self.journal = FakeJournal()
        self.readiness = FakeReadiness()
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.bodies: list[ThingInput] = []

    def services(self) -> Services:
        """The services; those that are not faked are None, and fail a test that uses them."""
        nothing: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Services))
        return Services(**(nothing | vars_of(self)))


def vars_of(ports: Ports) -> dict[str, Any]:
    """The faked services by name."""
    return {"tokens": ports.tokens, "journal": ports.journal, "readiness": ports.readiness}


def things_controller(ports: Ports) -> type[Controller]:
    """Routes that do as ``ports`` says."""

    class ThingsController(Controller):
        path = "/v1/things"
        tags = ("Things",)

        @post(opt={"permission": Permission.SALES_WRITE}, operation_id="create_thing")
        async def create(self, request: ApiRequest, data: JSONBody[ThingInput]) -> Response[ThingView]:
            """Writes a thing."""
            ports.bodies.append(data)

            async def use_case(reply: Reply) -> Posted:
                if ports.error is not None:
                    raise ports.error
                return await ports.journal.post(changes(request.actor), reply, data)

            return await answer(
                request, use_case, lambda thing: ThingView(id="t1", name=thing.name, version=3), location="/v1/things"
            )

        @post("/wait", opt={"permission": Permission.SALES_WRITE, "dry_run": True}, operation_id="wait")
        async def wait(self, data: JSONBody[ThingInput]) -> ThingView:
            """Answers when the gate is opened."""
            await ports.gate.wait()
            return ThingView(id="t1", name=data.name)

        @get("/fail", opt={"permission": Permission.SALES_READ}, operation_id="fail_reading")
        async def fail(self) -> ThingView:
            """Raises."""
            raise ports.error or AssertionError("no error was set")

        @post("/fail", opt={"permission": Permission.SALES_READ, "dry_run": True}, operation_id="fail_writing")
        async def fail_writing(self) -> ThingView:
            """Raises."""
            raise ports.error or AssertionError("no error was set")

        @get("/secret", opt={"permission": Permission.PEOPLE_READ}, operation_id="read_secret")
        async def secret(self) -> ThingView:
            """For those who may see people."""
            return ThingView(id="s", name="s")

        @get("/slow", opt={"permission": ANY_OPERATOR, "deadline_seconds": 30.0}, operation_id="read_slowly")
        async def slow(self) -> ThingView:
            """Takes half a second, and has the time."""
            await asyncio.sleep(0.5)
            return ThingView(id="s", name="s")

        @get(opt={"permission": Permission.SALES_READ}, operation_id="list_things")
        async def list(
            self,
            request: ApiRequest,
            limit: Limit = DEFAULT_PAGE,
            cursor: Cursor = None,
            status: FromQuery[str | None] = None,
        ) -> Response[ThingPage]:
            """Numbers from the cursor on."""
            asked = page_request(limit, cursor, int)
            start = int(asked.after[0]) if asked.after else 0
            rows = [str(number) for number in range(start + 1, start + 1 + asked.limit)]
            items, next_cursor = page_view(Page(rows=rows, next_after=(rows[-1],)), lambda row: f"{status}-{row}")
            return view(request, ThingPage(items=items, next_cursor=next_cursor))

        @get("/{thing_id:uuid}", opt={"permission": Permission.SALES_READ}, operation_id="get_thing")
        async def read(self, request: ApiRequest, thing_id: FromPath[UUID]) -> Response[ThingView]:
            """At version 3."""
            return view(request, ThingView(id=str(thing_id), name="thing", version=3), version=3)

        @patch("/{thing_id:uuid}", opt={"permission": Permission.SALES_WRITE}, operation_id="change_thing")
        async def change(self, request: ApiRequest, thing_id: FromPath[UUID], strict: FromQuery[bool] = False) -> Any:
            """Says what If-Match says."""
            version = required_version(request) if strict else expected_version(request)
            return {"id": str(thing_id), "expected": version}

    return ThingsController


def changes(actor: Actor) -> Changes:
    """Of nothing."""
    return Changes(
        store_id=actor.store_id,
        operator_id=actor.operator_id,
        token_id=actor.token_id,
        request_id=actor.request_id,
        address=actor.address,
        at=cast("Any", None),
    )


def build(ports: Ports, **options: Any) -> Edge:
    """The application on these fakes."""
    return create_app(ports.services(), controllers=[things_controller(ports), MeController], **options)


@asynccontextmanager
async def client_of(app: Edge, token: NewToken | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client in the same process, which sees what a server would see: no exception comes through."""
    headers = {} if token is None else {"authorization": f"Bearer {token.secret}"}
    transport = httpx.ASGITransport(app=cast("Any", app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


@asynccontextmanager
async def served(app: Any, configure: Callable[[dict[str, Any]], None] | None = None) -> AsyncIterator[int]:
    """The application on a real socket; yields the port."""
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "http": "httptools",
        "timeout_graceful_shutdown": 3,
    }
    if configure is not None:
        configure(options)
    server = uvicorn.Server(uvicorn.Config(app, **options))
    serving = asyncio.ensure_future(server._serve())
    while not server.started:  # noqa: ASYNC110 - it tells in no other way
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def all_domain_errors() -> list[type[DomainError]]:
    """Every class of them."""
    found: list[type[DomainError]] = [DomainError]
    for kind in found:
        found += kind.__subclasses__()
    return found
