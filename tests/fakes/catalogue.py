"""The catalogue as it is now, on the same Books that the fake journal writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ibex.domain.catalog.model import Category, Product, ProductRef
from ibex.domain.shared.ids import CategoryId, StoreId
from tests.fakes.books import Books


class FakeCatalogue:
    """Implements CatalogueRepository."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def named(self, store_id: StoreId, refs: Sequence[ProductRef]) -> Sequence[Product]:
        """See the port."""
        found = []
        for (owner, _), product in self._books.of(Product).items():
            codes = sorted(c for (s, c), p in self._books.barcodes.items() if s == owner and p == product.id)
            names = {product.id, product.sku, *codes}
            if owner == store_id and any(names & {ref.id, ref.sku, ref.barcode} for ref in refs):
                found.append(replace(product, barcodes=tuple(codes)))
        return found

    async def categories(self, store_id: StoreId) -> Sequence[Category]:
        """See the port."""
        return [category for (owner, _), category in self._books.of(Category).items() if owner == store_id]

    async def category(self, store_id: StoreId, category_id: CategoryId) -> Category | None:
        """See the port."""
        return self._books.of(Category).get((store_id, category_id))
