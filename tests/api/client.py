"""A till's view of the service: requests in an operator's name, and what a test expects of the answers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.stores import PostgresStores
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.domain.identity.model import Permission, Role
from ibex.domain.identity.opening import IssueToken, OpenStore
from ibex.domain.shared.ids import StoreId

Json = dict[str, Any]
_serial = itertools.count(1)
_TABLES = """
SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'ibex' AND c.column_name = 'store_id' AND t.table_type = 'BASE TABLE' ORDER BY 1
"""
_DIGEST = """
SELECT '{table}' AS name, count(*) || ' ' || coalesce(md5(string_agg(x::text, ',' ORDER BY x::text)), '') AS digest
FROM ibex.{table} x WHERE x.store_id = $1
"""
_DIGESTS: list[str] = []
FOREIGN = "FOREIGN"
"""Stands in the names of everything that `furnish` makes, so that a test can see it leak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service as it runs for the tests of one process: over a real socket, on a real database."""

    base_url: str
    http: httpx.AsyncClient
    database: Database
    stores: PostgresStores
    database_url: str


class Api:
    """Requests with one token, or with none."""

    def __init__(self, http: httpx.AsyncClient, token: str | None) -> None:
        self.http = http
        self.token = token

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        """The raw answer. ``key`` is the Idempotency-Key; ``content`` a body byte for byte (as JSON by its header)."""
        sent = {"authorization": f"Bearer {self.token}"} if self.token else {}
        if content is not None:
            sent["content-type"] = "application/json"
        if key is not None:
            sent["idempotency-key"] = key
        sent |= dict(headers or {})
        body: dict[str, Any] = {} if json is None else {"json": json}
        if content is not None:
            body = {"content": content}
        return await self.http.request(method, path, params=params, headers=sent, **body)

    async def get(self, path: str, expect: int = 200, **options: Any) -> Any:
        """The JSON that a GET answers; the status must be ``expect``."""
        return body_of(await self.request("GET", path, **options), expect)

    async def post(self, path: str, json: Any = None, *, expect: int = 201, **options: Any) -> Any:
        """The same for a POST."""
        return body_of(await self.request("POST", path, json=json, **options), expect)

    async def patch(self, path: str, json: Any, *, expect: int = 200, **options: Any) -> Any:
        """The same for a PATCH."""
        return body_of(await self.request("PATCH", path, json=json, **options), expect)

    async def all(self, path: str, **params: Any) -> list[Json]:
        """Every item of a list, page by page."""
        items: list[Json] = []
        cursor: str | None = None
        while True:
            page = await self.get(path, params={"limit": 200, **params} | ({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items


@dataclass(slots=True, kw_only=True)
class Shop:
    """A store of its own, seen by its owner; other roles get their tokens when they are asked for."""

    service: Service
    store_id: StoreId
    owner_id: UUID
    api: Api
    _roles: dict[Role, Api] = field(default_factory=dict)

    async def as_role(self, role: Role) -> Api:
        """An operator of that role."""
        if role is Role.OWNER:
            return self.api
        if role not in self._roles:
            self._roles[role] = await self.with_token(role, operator=f"{role.value} {self.store_id}")
        return self._roles[role]

    async def with_token(
        self, role: Role, *, operator: str = "Somebody", scopes: frozenset[Permission] | None = None
    ) -> Api:
        """A new token, of a new operator where there is none of that name."""
        issue = IssueToken(self.service.stores, SystemSecrets(), SystemClock(), Uuid7Source())
        _, _, secret = await issue(self.store_id, operator=operator, role=role, scopes=scopes)
        return Api(self.service.http, secret.text)

    async def make_product(self, **fields: Any) -> Json:
        """A product with 100 in stock, at 10.00 without tax unless told otherwise."""
        n = next(_serial)
        given = {"sku": f"SKU-{n}", "name": f"Product {n}", "unit_price": "10.00", "stock": "100"}
        made: Json = await self.api.post("/v1/products", given | fields)
        return made

    async def make_customer(self, **fields: Any) -> Json:
        """A customer without a credit limit."""
        made: Json = await self.api.post("/v1/customers", {"name": f"Customer {next(_serial)}"} | fields)
        return made

    async def sell(
        self,
        lines: Sequence[tuple[Json, str]] | Json,
        *,
        method: str = "CASH",
        expect: int = 201,
        by: Api | None = None,
        key: str | None = None,
        **fields: Any,
    ) -> Json:
        """A sale of one product (one of it), or of ``(product, quantity)`` lines."""
        items = [(lines, "1")] if isinstance(lines, dict) else lines
        body = {
            "lines": [{"product_id": product["id"], "quantity": quantity} for product, quantity in items],
            "payment_method": method,
        }
        made: Json = await (by or self.api).post("/v1/sales", body | fields, expect=expect, key=key)
        return made

    async def draft(self, lines: Sequence[tuple[Json, str]] | Json, **fields: Any) -> Json:
        """A draft invoice."""
        items = [(lines, "1")] if isinstance(lines, dict) else lines
        body = {"lines": [{"product_id": p["id"], "quantity": quantity} for p, quantity in items]}
        made: Json = await self.api.post("/v1/invoices", body | fields)
        return made

    async def stock_of(self, product: Json) -> Decimal:
        """How much of the product there is now."""
        return Decimal((await self.api.get(f"/v1/products/{product['id']}"))["stock"])

    async def balance_of(self, customer: Json) -> Decimal:
        """What the customer owes now."""
        return Decimal((await self.api.get(f"/v1/customers/{customer['id']}"))["balance"])

    async def ledger(self, **params: Any) -> list[Json]:
        """The whole ledger, or what the filters leave of it."""
        return await self.api.all("/v1/ledger", **params)

    async def rows(self, statement: str, *arguments: Any) -> list[Json]:
        """Rows of the database, for what the API does not show. ``$1`` is the store."""
        return [dict(row) for row in await self.service.database.read(statement, self.store_id, *arguments)]

    async def everything(self) -> dict[str, str]:
        """A digest of all that the database holds of the store, by table: the same while nothing changes."""
        if not _DIGESTS:
            tables = await self.service.database.read(_TABLES)
            _DIGESTS.append(" UNION ALL ".join(_DIGEST.format(table=row["table_name"]) for row in tables))
        return {row["name"]: row["digest"] for row in await self.rows(_DIGESTS[0])}

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Runs a statement on the database itself, for what the API would never do."""
        async with self.service.database.connection() as connection:
            await connection.execute(statement, *arguments)


async def open_shop(service: Service, **fields: Any) -> Shop:
    """A new store, through the use case that the command line calls."""
    open_store = OpenStore(service.stores, SystemSecrets(), SystemClock(), Uuid7Source())
    given = {"name": "Corner shop", "currency": "EUR", "time_zone": "Europe/Rome", "owner": "Ada"}
    opened = await open_store(**(given | fields))
    return Shop(
        service=service,
        store_id=opened.store.id,
        owner_id=opened.owner.id,
        api=Api(service.http, opened.secret.text),
    )


class Foreign:
    """A store with one of each thing. Whatever ``shop`` does, nothing here may be seen or changed."""

    def __init__(self, shop: Shop, ids: dict[str, str], things: dict[str, Json]) -> None:
        self.shop = shop
        self.ids = ids
        """By the name of the path parameter that takes them: ``product_id``, ``invoice_id`` and so on."""
        self.things = things


async def furnish(shop: Shop) -> Foreign:
    """Puts one of each thing into the store. A new kind of thing with a route of its own gets its line here."""
    api, name = shop.api, f"{FOREIGN} {next(_serial)}"
    category = await api.post("/v1/categories", {"name": name})
    product = await shop.make_product(sku=name, name=name, barcode=name, category_id=category["id"])
    customer = await shop.make_customer(name=name, phone=f"+39 {next(_serial)}")
    invoice = await shop.sell([(product, "5")], method="CREDIT", customer_id=customer["id"])
    paid = await shop.sell([(product, "2")])
    returned = {"lines": [{"line_no": 1, "quantity": "1"}], "reason": name, "refund_method": "CASH"}
    things = {
        "category": category,
        "product": product,
        "customer": customer,
        "invoice": invoice,
        "credit_note": await api.post(f"/v1/invoices/{paid['id']}/credit-notes", returned),
        "shift": await api.post("/v1/shifts", {"drawer": name, "opening_float": "0.00"}),
        "operator": await api.post("/v1/operators", {"name": name, "role": "CASHIER"}),
        "webhook": await api.post("/v1/webhooks", {"url": "https://hooks.example.com/x", "description": name}),
    }
    hook = f"/v1/webhooks/{things['webhook']['id']}"
    things["secret"] = (await api.get(f"{hook}/secrets"))["items"][0]
    things["replay"] = await api.post(f"{hook}/replay", {"from_seq": 1}, expect=202)
    things["token"] = await api.post(f"/v1/operators/{things['operator']['id']}/tokens", {"label": name})
    things["draft"] = await shop.draft([(product, "1")], customer_id=customer["id"])
    ids = {f"{thing}_id": found["id"] for thing, found in things.items()}
    ids |= {"receipt_id": paid["payments"][0]["receipt_id"], "event_seq": "1"}
    return Foreign(shop, ids, things)


def body_of(response: httpx.Response, expect: int) -> Any:
    """The JSON of an answer that must have the status ``expect``."""
    assert response.status_code == expect, f"{response.request.method} {response.request.url}: {response.text}"
    return response.json() if response.content else None


def problem(response: httpx.Response, status: int, code: str, *, field: str | None = None) -> Json:
    """The problem that an answer must be: its status, its code, and (where given) the field that it names."""
    assert response.status_code == status, f"{response.request.method} {response.request.url}: {response.text}"
    assert response.headers["content-type"] == "application/problem+json", response.headers
    found: Json = response.json()
    assert found["code"] == code, found
    assert found["status"] == status, found
    assert found["request_id"] == response.headers["x-request-id"], found
    if field is not None:
        assert field in [error["field"] for error in found.get("errors", [])], found
    return found
