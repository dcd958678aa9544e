"""Reads of the core, on the same Books that the fake journal writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.customers.model import Customer
from ibex.domain.sales.model import Invoice
from ibex.domain.shared.ids import CustomerId, InvoiceId, ProductId, StoreId
from tests.fakes.books import Books


class FakeProducts:
    """Implements ProductRepository, and ProductReader with a memory as long as the test: until it is told to forget."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._known: dict[tuple[StoreId, ProductRef], Product] = {}
        self.forgotten: list[UUID] = []

    async def get(self, store_id: StoreId, product_id: ProductId) -> Product | None:
        """See the port."""
        return self._books.of(Product).get((store_id, product_id))

    async def find(self, store_id: StoreId, refs: Sequence[ProductRef]) -> Mapping[ProductRef, Product]:
        """See the port."""
        for ref in refs:
            if (store_id, ref) not in self._known and (product := self._look_up(store_id, ref)) is not None:
                self._known[store_id, ref] = product
        return {ref: self._known[store_id, ref] for ref in refs if (store_id, ref) in self._known}

    def forget(self, store_id: StoreId, product_ids: Sequence[ProductId]) -> None:
        """See the port."""
        self.forgotten += product_ids
        self._known = {
            key: product for key, product in self._known.items() if key[0] != store_id or product.id not in product_ids
        }

    def _look_up(self, store_id: StoreId, ref: ProductRef) -> Product | None:
        for (owner, _), product in self._books.of(Product).items():
            if owner == store_id and (
                product.id == ref.id or product.sku == ref.sku or (ref.barcode and ref.barcode in product.barcodes)
            ):
                return product
        return None


class FakeInvoices:
    """Implements InvoiceRepository."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def get(self, store_id: StoreId, invoice_id: InvoiceId) -> Invoice | None:
        """See the port."""
        return self._books.of(Invoice).get((store_id, invoice_id))


class FakeCustomers:
    """Implements CustomerRepository."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def get(self, store_id: StoreId, customer_id: CustomerId) -> Customer | None:
        """See the port."""
        return self._books.of(Customer).get((store_id, customer_id))
