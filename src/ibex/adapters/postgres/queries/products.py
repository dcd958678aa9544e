"""Lists of products and their movements."""

from __future__ import annotations

from collections.abc import Sequence

from ibex.adapters.postgres.catalog import COLUMNS, product_of
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.catalog.model import Product
from ibex.domain.catalog.queries import MovementRow, PriceRow, ProductFilter
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import ProductId, StoreId
from ibex.domain.shared.paging import Page, PageRequest


class PostgresProductQueries:
    """Implements ProductQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, store_id: StoreId, where: ProductFilter, page: PageRequest) -> Page[Product]:
        """See the port."""
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
            "p.id IN (SELECT b.product_id FROM ibex.product_barcodes b "
            "WHERE b.store_id = p.store_id AND b.barcode = {})",
            where.barcode,
        )
        conditions.add("p.category_id = {}", where.category_id)
        conditions.add("p.active = {}", where.active)
        conditions.add("p.oversold = {}", where.oversold)
        conditions.add("(p.track_stock AND p.stock <= p.reorder_level) = {}", where.low_stock or None)
        conditions.after("p.name, p.id", ("text", "uuid"), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {COLUMNS} FROM ibex.products p WHERE {conditions} ORDER BY p.name, p.id {limit}",
            *conditions.arguments,
        )
        products = [product_of(row) for row in rows]
        return page_of(products, [(p.name, str(p.id)) for p in products], page)

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
        return [PriceRow(**dict(row)) for row in rows]
