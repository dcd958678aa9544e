"""Lists of products and their movements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from ibex.adapters.postgres.catalog import CATEGORY_COLUMNS, COLUMNS, category_of, product_of
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.catalog.model import Category, Product
from ibex.domain.catalog.queries import ListedProduct, MovementFilter, MovementRow, PriceRow, ProductFilter
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import ProductId, StoreId
from ibex.domain.shared.paging import Page, PageRequest

MOVEMENT_COLUMNS: Final = """
m.seq, m.id, m.product_id, m.kind, m.quantity, m.balance, m.reason, m.unit_cost, m.invoice_id, m.credit_note_id,
m.operator_id, m.occurred_at, m.recorded_at
"""


class PostgresProductQueries:
    """Implements ProductQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, store_id: StoreId, where: ProductFilter, page: PageRequest) -> Page[Product]:
        """See the port."""
        conditions = _conditions(store_id, where)
        conditions.after("p.name, p.id", ("text", "uuid"), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {COLUMNS} FROM ibex.products p WHERE {conditions} ORDER BY p.name, p.id {limit}",
            *conditions.arguments,
        )
        products = [product_of(row) for row in rows]
        return page_of(products, [(p.name, str(p.id)) for p in products], page)

    async def stream(self, store_id: StoreId, where: ProductFilter) -> AsyncIterator[Sequence[ListedProduct]]:
        """See the port."""
        conditions = _conditions(store_id, where)
        statement = f"""
            SELECT {COLUMNS}, c.name AS category FROM ibex.products p
            LEFT JOIN ibex.categories c ON c.store_id = p.store_id AND c.id = p.category_id
            WHERE {conditions} ORDER BY p.name, p.id
            """
        async for rows in self._database.stream(statement, *conditions.arguments):
            yield [_listed(dict(row)) for row in rows]

    async def store_movements(self, store_id: StoreId, where: MovementFilter, page: PageRequest) -> Page[MovementRow]:
        """See the port."""
        conditions = Conditions("m.store_id", store_id)
        if where.kind is not None:
            # As text of ours, so that the planner sees that the index of the rarer kinds will do.
            conditions.require(f"m.kind = '{where.kind.value}'")
        conditions.add("m.product_id = {}", where.product_id)
        conditions.add("m.occurred_at >= {}", where.time_from)
        conditions.add("m.occurred_at < {}", where.time_to)
        by_time = where.time_from is not None or where.time_to is not None
        if by_time:
            conditions.after("m.occurred_at, m.seq", ("timestamptz", "bigint"), page)
        else:
            conditions.after("m.seq", ("bigint",), page)
        order = "m.occurred_at, m.seq" if by_time else "m.seq"
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {MOVEMENT_COLUMNS} FROM ibex.stock_movements m WHERE {conditions} ORDER BY {order} {limit}",
            *conditions.arguments,
        )
        movements = [MovementRow(**dict(row)) for row in rows]
        keys = [(m.occurred_at.isoformat(), str(m.seq)) if by_time else (str(m.seq),) for m in movements]
        return page_of(movements, keys, page)

    async def movements(self, store_id: StoreId, product_id: ProductId, page: PageRequest) -> Page[MovementRow]:
        """See the port."""
        conditions = Conditions("p.store_id", store_id)
        conditions.add("p.id = {}", product_id)
        after = int(page.after[0]) if page.after else 0
        rows = await self._database.read(
            """
            SELECT m.seq, m.id, p.id AS product_id, m.kind, m.quantity, m.balance, m.reason, m.unit_cost, m.invoice_id,
              m.credit_note_id, m.operator_id, m.occurred_at, m.recorded_at
            FROM ibex.products p
            LEFT JOIN LATERAL (
              SELECT * FROM ibex.stock_movements x
              WHERE x.store_id = p.store_id AND x.product_id = p.id AND x.seq > $3 ORDER BY x.seq LIMIT $4
            ) m ON true
            WHERE p.store_id = $1 AND p.id = $2 ORDER BY m.seq
            """,
            store_id,
            product_id,
            after,
            page.limit + 1,
        )
        if not rows:
            raise NotFound("There is no such product in this store.", field="product_id")
        movements = [MovementRow(**dict(row)) for row in rows if row["seq"] is not None]
        return page_of(movements, [(str(m.seq),) for m in movements], page)

    async def prices(self, store_id: StoreId, product_id: ProductId) -> Sequence[PriceRow]:
        """See the port."""
        rows = await self._database.read(
            """
            SELECT c.unit_price, c.cost_price, c.tax_rate, c.operator_id, c.changed_at FROM ibex.price_changes c
            WHERE c.store_id = $1 AND c.product_id = $2 ORDER BY c.product_version DESC LIMIT 200
            """,
            store_id,
            product_id,
        )
        if not rows:  # every product has had a price from its first day
            raise NotFound("There is no such product in this store.", field="product_id")
        return [PriceRow(**dict(row)) for row in rows]


class PostgresCategoryQueries:
    """Implements CategoryQueries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, store_id: StoreId, active: bool | None, page: PageRequest) -> Page[Category]:
        """See the port."""
        conditions = Conditions("c.store_id", store_id)
        conditions.add("c.active = {}", active)
        conditions.after("c.name", ("text",), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {CATEGORY_COLUMNS} FROM ibex.categories c WHERE {conditions} ORDER BY c.name {limit}",
            *conditions.arguments,
        )
        categories = [category_of(row) for row in rows]
        return page_of(categories, [(c.name,) for c in categories], page)


def _conditions(store_id: StoreId, where: ProductFilter) -> Conditions:
    conditions = Conditions("p.store_id", store_id)
    # One parameter for all three places: starts-with and equality follow from strpos on folded text.
    conditions.add(
        "(strpos(lower(p.name), lower({})) > 0 OR starts_with(lower(p.sku), lower({})) OR EXISTS ("
        "SELECT 1 FROM ibex.product_barcodes b "
        "WHERE b.store_id = p.store_id AND b.product_id = p.id AND b.barcode = {}))",
        where.search,
    )
    conditions.add("p.sku = {}", where.sku)
    conditions.add(
        "p.id IN (SELECT b.product_id FROM ibex.product_barcodes b WHERE b.store_id = p.store_id AND b.barcode = {})",
        where.barcode,
    )
    conditions.add("p.category_id = {}", where.category_id)
    conditions.add("p.active = {}", where.active)
    # Spelled as the partial indexes are, so that the few are found without reading the many.
    if where.oversold is not None:
        conditions.require("p.oversold" if where.oversold else "NOT p.oversold")
    if where.low_stock:
        conditions.require("p.track_stock AND p.reorder_level IS NOT NULL AND p.stock <= p.reorder_level")
    return conditions


def _listed(row: dict[str, Any]) -> ListedProduct:
    category = row.pop("category")
    return ListedProduct(product=product_of(row), category=category)
