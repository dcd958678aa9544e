"""Lists of the catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from ibex.domain.catalog.model import Category, MovementKind, Product
from ibex.domain.shared.ids import CategoryId, CreditNoteId, InvoiceId, OperatorId, ProductId, StoreId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFilter:
    """Which products. ``search`` looks into names, at the beginning of SKUs, and for a whole barcode."""

    search: str | None = None
    sku: str | None = None
    barcode: str | None = None
    category_id: CategoryId | None = None
    active: bool | None = None
    low_stock: bool = False
    oversold: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRow:
    """A stock movement as it was recorded, with the stock after it."""

    seq: int
    id: UUID
    product_id: ProductId
    kind: str
    quantity: Decimal
    balance: Decimal
    reason: str
    unit_cost: Decimal | None
    invoice_id: InvoiceId | None
    credit_note_id: CreditNoteId | None
    operator_id: OperatorId
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementFilter:
    """Which of the store's movements. Times are when it happened; ``time_to`` is not included."""

    kind: MovementKind | None = None
    product_id: ProductId | None = None
    time_from: datetime | None = None
    time_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProduct:
    """A product with the name of its category."""

    product: Product
    category: str | None


class CategoryQueries(Protocol):
    """Reads lists of categories."""

    async def list(self, store_id: StoreId, active: bool | None, page: PageRequest) -> Page[Category]:
        """Categories by name."""
        ...


class ProductQueries(Protocol):
    """Reads lists of products and movements."""

    async def list(self, store_id: StoreId, where: ProductFilter, page: PageRequest) -> Page[Product]:
        """Products by name."""
        ...

    def stream(self, store_id: StoreId, where: ProductFilter) -> AsyncIterator[Sequence[ListedProduct]]:
        """All the products by name, in portions, in constant memory."""
        ...

    async def store_movements(self, store_id: StoreId, where: MovementFilter, page: PageRequest) -> Page[MovementRow]:
        """The store's movements in the order of their sequence, or of their time where a time is given."""
        ...

    async def movements(self, store_id: StoreId, product_id: ProductId, page: PageRequest) -> Page[MovementRow]:
        """The product's movements, oldest first. Raises NotFound."""
        ...

    async def prices(self, store_id: StoreId, product_id: ProductId) -> Sequence[PriceRow]:
        """The product's prices, newest first, at most 200. Raises NotFound."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """What a product cost from ``changed_at`` on."""

    unit_price: Decimal
    cost_price: Decimal | None
    tax_rate: Decimal
    operator_id: OperatorId
    changed_at: datetime
