"""Reads of the core, on the same Books that the fake journal writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.customers.model import Customer
from ibex.domain.drawer.model import Shift
from ibex.domain.sales.model import Invoice, InvoiceStatus
from ibex.domain.sales.receivables import CustomerDebts, Receivable
from ibex.domain.shared.ids import CustomerId, InvoiceId, ProductId, ShiftId, StoreId
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


class FakeDebts:
    """Implements DebtReader."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def debts(
        self, store_id: StoreId, customer_id: CustomerId, *, limit: int, also: Sequence[InvoiceId] = ()
    ) -> CustomerDebts | None:
        """See the port."""
        customer = self._books.of(Customer).get((store_id, customer_id))
        if customer is None:
            return None
        theirs = [i for (s, _), i in self._books.of(Invoice).items() if s == store_id and i.customer_id == customer_id]
        theirs.sort(key=lambda i: (i.business_date, i.number or 0))
        unpaid = [i for i in theirs if i.status is InvoiceStatus.UNPAID]
        shown = {i.id for i in unpaid[:limit]} | set(also)
        return CustomerDebts(
            customer_id=customer_id,
            account_credit=customer.account_credit,
            opening_due=customer.opening_due,
            owed=customer.opening_due + sum((i.outstanding for i in unpaid), Decimal(0)),
            invoices=[_receivable(i) for i in theirs if i.id in shown],
        )


class FakeShifts:
    """Implements ShiftRepository."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def get(self, store_id: StoreId, shift_id: ShiftId) -> Shift | None:
        """See the port."""
        return self._books.of(Shift).get((store_id, shift_id))


def _receivable(invoice: Invoice) -> Receivable:
    return Receivable(
        id=invoice.id,
        customer_id=invoice.customer_id,
        number=invoice.number,
        status=invoice.status,
        total=invoice.totals.total,
        paid=invoice.paid,
        credited=invoice.credited,
        business_date=invoice.business_date,
        due_date=invoice.due_date,
        version=invoice.version,
    )
