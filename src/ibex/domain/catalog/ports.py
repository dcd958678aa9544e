"""What the core needs to know of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ibex.domain.catalog.model import Category, Product, ProductRef
from ibex.domain.shared.ids import CategoryId, ProductId, StoreId


class ProductReader(Protocol):
    """Finds products to sell.

    Prices may come from a cache: whoever sells from them names the product's version, and the journal refuses a sale
    priced from an old one (StaleProducts).
    """

    async def find(self, store_id: StoreId, refs: Sequence[ProductRef]) -> Mapping[ProductRef, Product]:
        """The products named, those that exist; a missing one is left out."""
        ...

    def forget(self, store_id: StoreId, product_ids: Sequence[ProductId]) -> None:
        """What is known of these products is old."""
        ...


class ProductRepository(Protocol):
    """The products as they are now."""

    async def get(self, store_id: StoreId, product_id: ProductId) -> Product | None:
        """The product, or None if the store has none of that id."""
        ...


class CatalogueRepository(Protocol):
    """Many products at once, and the categories, as they are now (never remembered)."""

    async def named(self, store_id: StoreId, refs: Sequence[ProductRef]) -> Sequence[Product]:
        """The products that the references name, each once; a missing one is left out."""
        ...

    async def categories(self, store_id: StoreId) -> Sequence[Category]:
        """All the categories, archived ones too."""
        ...

    async def category(self, store_id: StoreId, category_id: CategoryId) -> Category | None:
        """The category, or None if the store has none of that id."""
        ...
