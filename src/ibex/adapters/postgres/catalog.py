"""Products on PostgreSQL, and the prices that a process remembers."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ibex.adapters.postgres.database import Database, Record
from ibex.domain.catalog.model import Category, Product, ProductRef
from ibex.domain.shared.ids import CategoryId, ProductId, StoreId

COLUMNS: Final = """
p.id, p.store_id, p.sku, p.name, p.category_id, p.unit, p.unit_price, p.cost_price, p.tax_rate, p.track_stock, p.stock,
p.oversold, p.reorder_level, p.active, p.version, p.created_at, p.updated_at,
ARRAY(SELECT b.barcode FROM ibex.product_barcodes b
      WHERE b.store_id = p.store_id AND b.product_id = p.id ORDER BY b.barcode) AS barcodes
"""
GET: Final = f"SELECT {COLUMNS} FROM ibex.products p WHERE p.store_id = $1 AND p.id = $2"
FIND: Final = f"""
WITH named AS (
  SELECT unnest($2::uuid[]) AS id
  UNION SELECT x.id FROM ibex.products x WHERE x.store_id = $1 AND x.sku = ANY($3::text[])
  UNION SELECT b.product_id FROM ibex.product_barcodes b WHERE b.store_id = $1 AND b.barcode = ANY($4::text[])
)
SELECT {COLUMNS} FROM named n JOIN ibex.products p ON p.store_id = $1 AND p.id = n.id
"""
REMEMBERED: Final = 50_000
REMEMBERED_SECONDS: Final = 300.0


CATEGORY_COLUMNS: Final = "c.id, c.store_id, c.name, c.active, c.version, c.created_at, c.updated_at"
CATEGORIES: Final = f"SELECT {CATEGORY_COLUMNS} FROM ibex.categories c WHERE c.store_id = $1"


def category_of(row: Record) -> Category:
    """A row of CATEGORY_COLUMNS as a category."""
    return Category(**dict(row))


def product_of(row: Record | dict[str, Any]) -> Product:
    """A row of COLUMNS as a product."""
    values = dict(row)
    values["barcodes"] = tuple(values["barcodes"])
    return Product(**values)


class PostgresProducts:
    """Implements ProductRepository, and finds products by any of their names in one round trip."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, store_id: StoreId, product_id: ProductId) -> Product | None:
        """See the port."""
        row = await self._database.read_one(GET, store_id, product_id)
        return None if row is None else product_of(row)

    async def find(self, store_id: StoreId, refs: Iterable[ProductRef]) -> list[Product]:
        """The products that the references name."""
        wanted = list(refs)
        rows = await self._database.read(
            FIND,
            store_id,
            [ref.id for ref in wanted if ref.id is not None],
            [ref.sku for ref in wanted if ref.sku is not None],
            [ref.barcode for ref in wanted if ref.barcode is not None],
        )
        return [product_of(row) for row in rows]


class PostgresCatalogue:
    """Implements CatalogueRepository. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._products = PostgresProducts(database)

    async def named(self, store_id: StoreId, refs: Sequence[ProductRef]) -> Sequence[Product]:
        """See the port."""
        return await self._products.find(store_id, refs)

    async def categories(self, store_id: StoreId) -> Sequence[Category]:
        """See the port."""
        return [category_of(row) for row in await self._database.read(CATEGORIES, store_id)]

    async def category(self, store_id: StoreId, category_id: CategoryId) -> Category | None:
        """See the port."""
        row = await self._database.read_one(f"{CATEGORIES} AND c.id = $2", store_id, category_id)
        return None if row is None else category_of(row)


class FreshProducts:
    """Implements ProductReader without remembering anything: for what names no version, and so must read anew."""

    def __init__(self, products: PostgresProducts) -> None:
        self._products = products

    async def find(self, store_id: StoreId, refs: Sequence[ProductRef]) -> Mapping[ProductRef, Product]:
        """See the port. One round trip."""
        return by_name(refs, await self._products.find(store_id, refs))

    def forget(self, store_id: StoreId, product_ids: Sequence[ProductId]) -> None:
        """Nothing is known that could be old."""


class RememberedProducts:
    """Implements ProductReader: what was read once is remembered.

    It may be old: a sale names the version that it was priced from, ``ibex.post`` refuses an old one, and the use case
    then forgets and reads again. So memory saves the round trip of reading prices and is never trusted.
    """

    def __init__(self, products: PostgresProducts, *, limit: int = REMEMBERED) -> None:
        self._products = products
        self._limit = limit
        self._known: OrderedDict[tuple[StoreId, ProductRef], tuple[float, Product]] = OrderedDict()

    async def find(self, store_id: StoreId, refs: Sequence[ProductRef]) -> Mapping[ProductRef, Product]:
        """See the port. No round trip where all are remembered, else one."""
        now = time.monotonic()
        found: dict[ProductRef, Product] = {}
        missing: list[ProductRef] = []
        for ref in refs:
            known = self._known.get((store_id, ref))
            if known is not None and known[0] > now:
                found[ref] = known[1]
            else:
                missing.append(ref)
        if missing:
            for product in await self._products.find(store_id, missing):
                self._remember(store_id, product, now + REMEMBERED_SECONDS)
                for ref in missing:
                    if names(ref, product):
                        found[ref] = product
        return found

    def forget(self, store_id: StoreId, product_ids: Sequence[ProductId]) -> None:
        """See the port."""
        old = set(product_ids)
        stale = [key for key, (_, product) in self._known.items() if key[0] == store_id and product.id in old]
        for key in stale:
            del self._known[key]

    def _remember(self, store_id: StoreId, product: Product, until: float) -> None:
        refs = [ProductRef(id=product.id), ProductRef(sku=product.sku)]
        refs.extend(ProductRef(barcode=code) for code in product.barcodes)
        for ref in refs:
            self._known[store_id, ref] = (until, product)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)


def by_name(refs: Iterable[ProductRef], products: Iterable[Product]) -> dict[ProductRef, Product]:
    """The products under the references that name them; a reference to none of them is left out."""
    known: dict[tuple[str, object], Product] = {}
    for product in products:
        known["id", product.id] = known["sku", product.sku] = product
        for code in product.barcodes:
            known["barcode", code] = product
    found = ((ref, known.get(_name_of(ref))) for ref in refs)
    return {ref: product for ref, product in found if product is not None}


def _name_of(ref: ProductRef) -> tuple[str, object]:
    if ref.id is not None:
        return "id", ref.id
    return ("sku", ref.sku) if ref.sku is not None else ("barcode", ref.barcode)


def names(ref: ProductRef, product: Product) -> bool:
    """Whether the reference is one of the product's names."""
    if ref.id is not None:
        return ref.id == product.id
    if ref.sku is not None:
        return ref.sku == product.sku
    return ref.barcode in product.barcodes
