"""A shop whose clock a test can turn, on the real database: what the API can only do today, done on other days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from ibex.adapters.postgres.catalog import FreshProducts, PostgresProducts
from ibex.adapters.postgres.customers import PostgresCustomers
from ibex.adapters.postgres.debts import PostgresDebts
from ibex.adapters.postgres.invoices import PostgresInvoices
from ibex.adapters.postgres.journal import PostgresJournal
from ibex.adapters.postgres.tokens import PostgresTokens
from ibex.adapters.system import Uuid7Source
from ibex.domain.catalog.model import ProductRef
from ibex.domain.customers.opening import EnterOpeningBalance, OpeningRequest
from ibex.domain.identity.model import Actor
from ibex.domain.identity.secrets import hash_secret
from ibex.domain.sales.credit_notes import Refund, ReturnedLine, ReturnRequest
from ibex.domain.sales.payouts import PayOutCredit, PayoutRequest
from ibex.domain.sales.receipts import ReceiptRequest, TakeReceipt
from ibex.domain.sales.requests import LineRequest, SaleRequest
from ibex.domain.sales.returns import CreditInvoice
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.ids import CustomerId, InvoiceId, ProductId
from tests.api.client import Json, Shop
from tests.fakes.replies import reply
from tests.fakes.system import FakeClock

CASH, ACCOUNT = PaymentMethod.CASH, PaymentMethod.ACCOUNT


class PastShop:
    """The use cases of a shop with a clock of the test's."""

    def __init__(self, shop: Shop, actor: Actor, on: date) -> None:
        database = shop.service.database
        journal, ids = PostgresJournal(database), Uuid7Source()
        customers, invoices = PostgresCustomers(database), PostgresInvoices(database)
        self.shop, self.actor = shop, actor
        self.clock = clock = FakeClock()
        self.go_to(on)
        self._sell = RecordSale(FreshProducts(PostgresProducts(database)), journal, clock, ids)
        self._receive = TakeReceipt(PostgresDebts(database), journal, clock, ids)
        self._pay_out = PayOutCredit(customers, journal, clock, ids)
        self._open = EnterOpeningBalance(customers, journal, clock, ids)
        self._credit = CreditInvoice(invoices, journal, clock, ids)

    @classmethod
    async def of(cls, shop: Shop, on: date) -> PastShop:
        """The shop in the name of its owner, at noon of that day."""
        assert shop.api.token is not None
        actor = await PostgresTokens(shop.service.database).find_actor(hash_secret(shop.api.token))
        assert actor is not None
        return cls(shop, actor, on)

    def go_to(self, day: date) -> None:
        """Noon of that day."""
        self.clock.time = datetime.combine(day, time(12), UTC)

    async def sell(self, customer: Json, product: Json, quantity: int, *, due: date | None = None) -> UUID:
        """A sale on credit. Returns the invoice's id."""
        invoice_id = Uuid7Source().new()
        sale = SaleRequest(
            id=InvoiceId(invoice_id),
            lines=[LineRequest(product=ProductRef(id=ProductId(UUID(product["id"]))), quantity=Decimal(quantity))],
            tenders=[],
            on_credit=True,
            customer_id=CustomerId(UUID(customer["id"])),
            due_date=due,
        )
        await self._sell(self.actor, sale, reply())
        return invoice_id

    async def receive(self, customer: Json, amount: str | None, *, method: PaymentMethod = CASH) -> None:
        """Money for what is owed, and what is beyond that on account."""
        tender = Tender(method=method, amount=None if amount is None else Decimal(amount))
        request = ReceiptRequest(tenders=[tender], keep_overpayment=True)
        await self._receive(self.actor, CustomerId(UUID(customer["id"])), request, reply())

    async def pay_out(self, customer: Json, amount: str) -> None:
        """Money from the account."""
        request = PayoutRequest(method=CASH, amount=Decimal(amount))
        await self._pay_out(self.actor, CustomerId(UUID(customer["id"])), request, reply())

    async def open_balance(self, customer: Json, as_of: date, **side: str) -> None:
        """What was owed (``debit``) or on account (``credit``) before."""
        amounts: dict[str, Any] = {name: Decimal(amount) for name, amount in side.items()}
        request = OpeningRequest(as_of=as_of, **amounts)
        await self._open(self.actor, CustomerId(UUID(customer["id"])), request, reply())

    async def take_back(self, invoice_id: UUID, quantity: int, *, method: PaymentMethod = CASH) -> None:
        """A return of so many pieces of the invoice's first line."""
        request = ReturnRequest(
            lines=[ReturnedLine(line_no=1, quantity=Decimal(quantity))], refunds=[Refund(method=method)], reason="x"
        )
        await self._credit(self.actor, InvoiceId(invoice_id), request, reply())
