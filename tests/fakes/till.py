"""The use cases of selling, put together on the fakes: what most unit tests begin with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.customers.model import Customer
from ibex.domain.identity.model import Actor
from ibex.domain.sales.drafts import CancelDraft, ChangeDraft, DraftInvoice
from ibex.domain.sales.offline import RecordOfflineSales
from ibex.domain.sales.requests import LineRequest
from ibex.domain.sales.returns import CreditInvoice, CreditWithoutInvoice, VoidInvoice
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.settle import IssueInvoice, PayInvoice
from ibex.domain.shared.ids import CustomerId, ProductId
from tests.fakes.batches import FakeBatches
from tests.fakes.books import Books
from tests.fakes.journal import FakeJournal
from tests.fakes.people import STORE_ID, make_actor
from tests.fakes.repositories import FakeCustomers, FakeInvoices, FakeProducts
from tests.fakes.system import FakeClock, FakeIds


class FakeTill:
    """A store with an owner, and everything that can be done at its till."""

    def __init__(self, actor: Actor | None = None) -> None:
        self.actor = actor or make_actor()
        self.books = Books()
        self.clock, self.ids = FakeClock(), FakeIds()
        self.journal = FakeJournal(self.books)
        self.products, self.invoices, self.customers = (
            FakeProducts(self.books),
            FakeInvoices(self.books),
            FakeCustomers(self.books),
        )
        self.sell = RecordSale(self.products, self.journal, self.clock, self.ids)
        self.draft = DraftInvoice(self.products, self.journal, self.clock, self.ids)
        self.change = ChangeDraft(self.invoices, self.products, self.journal, self.clock, self.ids)
        self.cancel = CancelDraft(self.invoices, self.journal, self.clock, self.ids)
        self.issue = IssueInvoice(self.invoices, self.journal, self.clock, self.ids)
        self.pay = PayInvoice(self.invoices, self.journal, self.clock, self.ids)
        self.credit = CreditInvoice(self.invoices, self.journal, self.clock, self.ids)
        self.void = VoidInvoice(self.invoices, self.journal, self.clock, self.ids)
        self.credit_loose = CreditWithoutInvoice(self.products, self.journal, self.clock, self.ids)
        self.batches = FakeBatches(self.journal)
        self.record_offline = RecordOfflineSales(self.products, self.batches, self.clock, self.ids)

    def product(self, price: str = "10.00", stock: str = "100", **fields: Any) -> Product:
        """A product that is there."""
        number = len(self.books.of(Product)) + 1
        given: dict[str, Any] = {
            "id": ProductId(self.ids.new()),
            "store_id": STORE_ID,
            "sku": f"SKU-{number}",
            "name": f"Product {number}",
            "unit_price": Decimal(price),
            "stock": Decimal(stock),
        }
        product = Product(**(given | fields))
        self.books.put(product)
        return product

    def customer(self, limit: str | None = None, **fields: Any) -> Customer:
        """A customer who is there."""
        given: dict[str, Any] = {
            "id": CustomerId(self.ids.new()),
            "store_id": STORE_ID,
            "name": "Carla",
            "credit_limit": None if limit is None else Decimal(limit),
        }
        customer = Customer(**(given | fields))
        self.books.put(customer)
        return customer


def line(product: Product, quantity: str = "1", **fields: Any) -> LineRequest:
    """So much of the product."""
    return LineRequest(product=ProductRef(id=product.id), quantity=Decimal(quantity), **fields)
