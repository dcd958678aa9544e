"""What the service really sends to the database for a sale, taken from the service's own code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from ibex.adapters.postgres.catalog import PostgresProducts, RememberedProducts
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.journal import PostgresJournal
from ibex.adapters.postgres.tokens import PostgresTokens
from ibex.adapters.system import SystemClock, Uuid7Source
from ibex.bootstrap import open_database
from ibex.domain.catalog.model import ProductRef
from ibex.domain.identity.secrets import hash_secret
from ibex.domain.sales.requests import LineRequest, SaleRequest
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.ids import ProductId
from ibex.domain.shared.journal import Reply
from ibex.entrypoints.http.invoice_schemas import invoice_view
from ibex.entrypoints.http.types import encode
from ibex.settings import Settings
from ibex_devtools.bench.world import Shop

KEY = "bench-key-0000000000"


@dataclass(frozen=True, slots=True)
class Payload:
    """One call of the database: the statement, its arguments as text, and the ids that are new in each sale."""

    statement: str
    arguments: list[str]
    new_ids: list[str]
    key: str = KEY


class _Ids(Uuid7Source):
    """Remembers what it made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def new(self) -> UUID:
        made = super().new()
        self.made.append(str(made))
        return made


class _Listener:
    """In the database's place for the journal: keeps the call, and answers as the database would."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []

    async def write(self, statement: str, *arguments: Any, repeatable: bool) -> list[tuple[str]]:
        """Keeps it."""
        del repeatable
        self.calls.append((statement, list(arguments)))
        return [(msgspec.json.encode({"numbers": {}, "moved": []}).decode(),)]


def capture_sales(environment: dict[str, str], baskets: list[tuple[Shop, list[str]]]) -> list[Payload]:
    """The calls that sales of these products make, one for each (store, products)."""
    return asyncio.run(_capture(environment, baskets))


async def _capture(environment: dict[str, str], baskets: list[tuple[Shop, list[str]]]) -> list[Payload]:
    settings = Settings.from_environ(environment, cwd=Path.cwd())
    payloads = []
    async with open_database(settings) as database:
        for shop, products in baskets:
            payloads.append(await _capture_one(database, shop, products))
    return payloads


async def _capture_one(database: Database, shop: Shop, products: list[str]) -> Payload:
    ids, listener = _Ids(), _Listener()
    journal: Any = PostgresJournal(listener)  # type: ignore[arg-type] # it only writes
    sell = RecordSale(RememberedProducts(PostgresProducts(database)), journal, SystemClock(), ids)
    actor = await PostgresTokens(database).find_actor(hash_secret(shop.tokens[0]))
    assert actor is not None, "the token was just made"
    sale = SaleRequest(
        lines=[
            LineRequest(product=ProductRef(id=ProductId(UUID(product))), quantity=Decimal(1 + n % 3))
            for n, product in enumerate(products)
        ],
        tenders=[Tender(method=PaymentMethod.CASH)],
        on_credit=False,
    )
    reply = Reply(present=lambda result: encode(invoice_view(result)), status=201, key=KEY, fingerprint=bytes(32))
    await sell(actor.seen_from(request_id="0123456789abcdef01234567", address="127.0.0.1"), sale, reply)
    statement, arguments = listener.calls[0]
    return Payload(statement, arguments, ids.made)
