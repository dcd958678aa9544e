"""The shops that the load goes to: stores with tokens, products and customers, made before anything is measured."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ibex.adapters.postgres.stores import open_stores
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.bootstrap import open_database
from ibex.domain.identity.model import Role
from ibex.domain.identity.opening import IssueToken, OpenStore
from ibex.settings import Settings

PRODUCTS: Final = 200
STORES: Final = 50
TILLS: Final = 16
"""Each till of the hot store has a token of its own, as each has in a shop."""

# Enough in stock for any run, and a barcode that a scanner could read.
_PRODUCTS: Final = """
WITH made AS (
  INSERT INTO ibex.products (store_id, id, sku, name, unit_price, cost_price, tax_rate, stock, created_at, updated_at)
  SELECT $1, gen_random_uuid(), 'SKU-' || n, 'Product ' || n, 1 + n % 40 + 0.99, 0.60 + n % 40,
    CASE n % 3 WHEN 0 THEN 4 WHEN 1 THEN 10 ELSE 22 END, 100000000, now(), now()
  FROM generate_series(1, $2::integer) n RETURNING id, sku
), codes AS (
  INSERT INTO ibex.product_barcodes (store_id, barcode, product_id)
  SELECT $1, '20' || lpad(substr(sku, 5), 11, '0'), id FROM made RETURNING product_id, barcode
)
SELECT product_id, barcode FROM codes
"""
_CUSTOMER: Final = """
INSERT INTO ibex.customers (store_id, id, name, created_at, updated_at)
VALUES ($1, gen_random_uuid(), $2, now(), now()) RETURNING id
"""


@dataclass(slots=True)
class Shop:
    """A store as its tills see it."""

    store_id: str
    tokens: list[str]
    products: list[str] = field(default_factory=list)
    barcodes: list[str] = field(default_factory=list)
    customer: str = ""
    """Buys on credit, and never pays."""
    owner: str = ""


@dataclass(slots=True)
class World:
    """One busy store, and many that share the same load."""

    hot: Shop
    many: list[Shop]


def make_world(environment: dict[str, str]) -> World:
    """Opens the stores on a schema that is current."""
    shops = asyncio.run(_make(environment, STORES + 1))
    return World(hot=shops[0], many=shops[1:])


def make_shop(environment: dict[str, str]) -> Shop:
    """One store with all its tills."""
    return asyncio.run(_make(environment, 1))[0]


async def _make(environment: dict[str, str], count: int) -> list[Shop]:
    settings = Settings.from_environ(environment, cwd=Path.cwd())
    ids, clock, secrets = Uuid7Source(), SystemClock(), SystemSecrets()
    async with open_database(settings) as database, open_stores(settings.database) as registry:
        opening = OpenStore(registry, secrets, clock, ids)
        issuing = IssueToken(registry, secrets, clock, ids)
        shops = []
        for number in range(count):
            opened = await opening(
                name=f"Store {number}", currency="EUR", time_zone="Europe/Rome", owner=f"Owner {number}"
            )
            tokens = [opened.secret.text]
            for till in range(TILLS - 1 if number == 0 else 0):
                _, _, secret = await issuing(opened.store.id, operator=f"Till {till}", role=Role.MANAGER)
                tokens.append(secret.text)
            shop = Shop(str(opened.store.id), tokens, owner=str(opened.owner.id))
            rows = await database.write(_PRODUCTS, opened.store.id, PRODUCTS, repeatable=False)
            shop.products = [str(row["product_id"]) for row in rows]
            shop.barcodes = [row["barcode"] for row in rows]
            row = await database.write(_CUSTOMER, opened.store.id, "On credit", repeatable=False)
            shop.customer = str(row[0]["id"])
            shops.append(shop)
        await database.write("ANALYZE", repeatable=False)
    return shops


def headers_of(token: str, *, keyed: bool = False) -> dict[str, str]:
    """What a till sends with each request; with a key for what writes."""
    headers = {"authorization": f"Bearer {token}"}
    return headers | {"idempotency-key": "@KEY@"} if keyed else headers


def sale_requests(shop: Shop, lines: int, *, count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Cash sales of different baskets, the store's tokens in turn."""
    chance = random.Random(seed)
    requests = []
    for number in range(count):
        basket = chance.sample(shop.products, lines)
        body = {
            "lines": [{"product_id": product, "quantity": str(1 + n % 3)} for n, product in enumerate(basket)],
            "payment_method": "CASH",
        }
        token = shop.tokens[number % len(shop.tokens)]
        requests.append(request("POST", "/v1/sales", token, body))
    return requests


def request(method: str, path: str, token: str, body: Any = None) -> dict[str, Any]:
    """A request of the load."""
    return {"method": method, "path": path, "headers": headers_of(token, keyed=method == "POST"), "body": body}


def reads_by_all_tills(shop: Shop, paths: list[str]) -> list[dict[str, Any]]:
    """Reads of the paths, by each till in turn: one alone would be told that it asks too often."""
    return [request("GET", path, shop.tokens[n % len(shop.tokens)]) for n, path in enumerate(paths)]
