"""Receipts, payouts and opening balances: the use cases, on fakes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.customers.model import Customer
from ibex.domain.customers.opening import EnterOpeningBalance, OpeningRequest
from ibex.domain.identity.model import Permission, Role
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.payouts import PayOutCredit, PayoutRequest
from ibex.domain.sales.receipts import ATTEMPTS, Receipt, ReceiptRequest, TakeReceipt
from ibex.domain.sales.requests import SaleRequest
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.errors import (
    ConcurrentChange,
    InsufficientAccountCredit,
    InvalidValue,
    NotFound,
    Overpayment,
    PermissionRefused,
    ShiftClosed,
)
from ibex.domain.shared.ids import CustomerId, ShiftId
from tests.fakes.people import STORE_ID, make_actor
from tests.fakes.replies import reply
from tests.fakes.repositories import FakeDebts
from tests.fakes.till import FakeTill, line

CASH = PaymentMethod.CASH


class Counter(FakeTill):
    """A till that also takes receipts."""

    def __init__(self) -> None:
        super().__init__()
        ports = (self.journal, self.clock, self.ids)
        self.receive = TakeReceipt(FakeDebts(self.books), *ports)
        self.pay_out = PayOutCredit(self.customers, *ports)
        self.open_balance = EnterOpeningBalance(self.customers, *ports)

    async def owe(self, customer: Customer, *prices: str) -> list[Invoice]:
        """Open invoices of these totals."""
        made: list[Invoice] = []
        for price in prices:
            sale = SaleRequest(lines=[line(self.product(price))], tenders=(), on_credit=True, customer_id=customer.id)
            await self.sell(self.actor, sale, reply(lambda r: made.append(r.invoice)))
        return [self.books.invoice(invoice.id, STORE_ID) for invoice in made]

    async def take(self, customer: Customer, *tenders: Tender, **fields: Any) -> Receipt:
        """A receipt from the customer."""
        taken: list[Receipt] = []
        request = ReceiptRequest(tenders=tenders, **fields)
        await self.receive(self.actor, customer.id, request, reply(taken.append))
        return taken[-1]

    def must_add_up(self) -> None:
        """balance = ledger = open invoices + opening debt - account credit, for every customer."""
        for (_, customer_id), customer in self.books.of(Customer).items():
            owed = sum(
                (i.outstanding for i in self.books.of(Invoice).values() if i.customer_id == customer_id), Decimal(0)
            )
            assert customer.balance == owed + customer.opening_due - customer.account_credit
            booked = sum((e.debit - e.credit for e in self.books.entries() if e.customer_id == customer_id), Decimal(0))
            assert customer.balance == booked


def cash(amount: str | None = None, *, method: PaymentMethod = CASH) -> Tender:
    return Tender(method=method, amount=None if amount is None else Decimal(amount))


async def test_a_receipt_settles_many_invoices_in_one_posting() -> None:
    till = Counter()
    customer = till.customer()
    await till.owe(customer, "10.00", "20.00", "30.00")
    posted = len(till.journal.posted)
    receipt = await till.take(customer, cash("35.00"))
    assert len(till.journal.posted) == posted + 1
    assert [(part.invoice.number, int(part.amount)) for part in receipt.settled] == [(1, 10), (2, 20), (3, 5)]
    assert {p.receipt_number for p in till.books.payments} == {1}
    assert till.books.customer(customer).balance == 25
    till.must_add_up()


async def test_another_cashiers_receipt_in_the_same_moment_is_no_error() -> None:
    till = Counter()
    customer = till.customer()
    await till.owe(customer, "10.00")
    till.journal.fail_with = [ConcurrentChange("first"), InsufficientAccountCredit("second")]
    await till.take(customer, cash("4.00"))
    assert till.books.customer(customer).balance == 6
    till.journal.fail_with = [ConcurrentChange("again") for _ in range(ATTEMPTS)]
    with pytest.raises(ConcurrentChange):
        await till.take(customer, cash("4.00"))
    assert till.books.customer(customer).balance == 6


async def test_the_opening_debt_comes_first_and_the_rest_stays_on_account() -> None:
    till = Counter()
    customer = till.customer()
    await till.owe(customer, "10.00")
    await till.open_balance(till.actor, customer.id, OpeningRequest(debit=Decimal("5.00")), reply())
    with pytest.raises(Overpayment):
        await till.take(customer, cash("16.00"))
    receipt = await till.take(customer, cash("16.00"), keep_overpayment=True)
    assert [(p.for_opening, p.invoice_id is not None, p.applied.amount) for p in receipt.payments] == [
        (True, False, Decimal(5)),
        (False, True, Decimal(10)),
        (False, False, Decimal(1)),
    ]
    now = till.books.customer(customer)
    assert (now.opening_due, now.account_credit, now.balance) == (Decimal(0), Decimal(1), Decimal(-1))
    till.must_add_up()


async def test_account_credit_is_used_and_paid_back() -> None:
    till = Counter()
    customer = till.customer()
    await till.take(customer, cash("12.00"), keep_overpayment=True)
    await till.owe(customer, "10.00")
    entries = len(till.books.ledger)
    await till.take(customer, cash(method=PaymentMethod.ACCOUNT))
    assert len(till.books.ledger) == entries, "money that is there already is no new receipt"
    await till.pay_out(till.actor, customer.id, PayoutRequest(method=CASH), reply())
    assert till.books.customer(customer).account_credit == 0
    assert [e.debit for e in till.books.entries("REFUND")] == [2]
    with pytest.raises(InsufficientAccountCredit):
        await till.pay_out(till.actor, customer.id, PayoutRequest(method=CASH, amount=Decimal(1)), reply())
    till.must_add_up()


async def test_who_may_do_what() -> None:
    till = Counter()
    customer = till.customer()
    await till.owe(customer, "10.00")
    auditor, cashier = make_actor(Role.AUDITOR), make_actor(Role.CASHIER)
    with pytest.raises(PermissionRefused):
        await till.receive(auditor, customer.id, ReceiptRequest(tenders=[cash()]), reply())
    with pytest.raises(PermissionRefused):
        await till.pay_out(auditor, customer.id, PayoutRequest(method=CASH), reply())
    with pytest.raises(PermissionRefused):
        await till.open_balance(cashier, customer.id, OpeningRequest(debit=Decimal(1)), reply())
    narrow = make_actor(Role.OWNER, scopes=frozenset({Permission.SALES_READ}))
    with pytest.raises(PermissionRefused):
        await till.receive(narrow, customer.id, ReceiptRequest(tenders=[cash()]), reply())
    assert till.books.customer(customer).balance == 10


async def test_what_does_not_exist_or_is_closed() -> None:
    till = Counter()
    customer = till.customer()
    await till.owe(customer, "10.00")
    stranger = CustomerId(till.ids.new())
    for act in (
        till.receive(till.actor, stranger, ReceiptRequest(tenders=[cash()]), reply()),
        till.pay_out(till.actor, stranger, PayoutRequest(method=CASH), reply()),
        till.open_balance(till.actor, stranger, OpeningRequest(debit=Decimal(1)), reply()),
    ):
        with pytest.raises(NotFound):
            await act
    with pytest.raises(ShiftClosed):
        await till.take(customer, cash("1.00"), shift_id=ShiftId(till.ids.new()))


async def test_opening_balances_are_written_as_they_were() -> None:
    till = Counter()
    customer = till.customer(limit="1.00")
    day = date(2025, 12, 31)
    await till.open_balance(till.actor, customer.id, OpeningRequest(debit=Decimal("9.50"), as_of=day), reply())
    await till.open_balance(till.actor, customer.id, OpeningRequest(credit=Decimal("2.00")), reply())
    first, second = till.books.entries("OPENING")
    assert (first.debit, first.business_date, second.credit) == (Decimal("9.50"), day, Decimal("2.00"))
    now = till.books.customer(customer)
    assert (now.opening_due, now.account_credit, now.balance) == (Decimal("9.50"), Decimal(2), Decimal("7.50"))
    till.must_add_up()
    for wrong in (
        OpeningRequest(debit=Decimal(0)),
        OpeningRequest(credit=Decimal("0.001")),
        OpeningRequest(debit=Decimal(1), as_of=date(2999, 1, 1)),
    ):
        with pytest.raises(InvalidValue):
            await till.open_balance(till.actor, customer.id, wrong, reply())
