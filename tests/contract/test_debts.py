"""What customers owe, as the fakes and PostgreSQL tell it."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from ibex.domain.catalog.model import ProductRef
from ibex.domain.customers.model import Customer
from ibex.domain.customers.opening import EnterOpeningBalance, OpeningRequest
from ibex.domain.customers.use_cases import CreateCustomer, CustomerRequest
from ibex.domain.drawer.model import ShiftStatus
from ibex.domain.drawer.use_cases import CloseShift, CountedCash, OpeningShift, OpenShift
from ibex.domain.sales.model import Invoice, InvoiceStatus
from ibex.domain.sales.receipts import ReceiptRequest, TakeReceipt
from ibex.domain.sales.requests import LineRequest, SaleRequest
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.ids import CustomerId, InvoiceId, ShiftId, StoreId
from tests.contract.conftest import World
from tests.contract.test_journal import add_product
from tests.fakes.replies import reply


async def owing(world: World, *quantities: int) -> tuple[Customer, list[Invoice]]:
    """A customer with open invoices of so many pieces at 2.50."""
    customers: list[Customer] = []
    await CreateCustomer(world.journal, world.clock, world.ids)(
        world.actor, CustomerRequest(name="Carla"), reply(customers.append)
    )
    product = await add_product(world, stock=Decimal(1000))
    made: list[Invoice] = []
    for quantity in quantities:
        line = LineRequest(product=ProductRef(id=product.id), quantity=Decimal(quantity))
        sale = SaleRequest(lines=[line], tenders=(), on_credit=True, customer_id=customers[0].id)
        sell = RecordSale(world.reader, world.journal, world.clock, world.ids)
        await sell(world.actor, sale, reply(lambda r: made.append(r.invoice)))
        world.clock.advance(days=1)
    return customers[0], made


async def test_the_oldest_open_invoices_and_those_asked_for(world: World) -> None:
    customer, (first, second, third) = await owing(world, 1, 2, 4)
    await EnterOpeningBalance(world.customers, world.journal, world.clock, world.ids)(
        world.actor, customer.id, OpeningRequest(debit=Decimal("9.00")), reply()
    )
    debts = await world.debts.debts(world.actor.store_id, customer.id, limit=2, also=[third.id])
    assert debts is not None
    assert (debts.owed, debts.opening_due, debts.account_credit) == (Decimal("26.50"), Decimal("9.00"), Decimal(0))
    assert [(i.id, i.outstanding) for i in debts.invoices] == [
        (first.id, Decimal("2.50")),
        (second.id, Decimal("5.00")),
        (third.id, Decimal("10.00")),
    ]
    take = TakeReceipt(world.debts, world.journal, world.clock, world.ids)
    money = Tender(method=PaymentMethod.CASH, amount=Decimal("12.00"))
    await take(world.actor, customer.id, ReceiptRequest(tenders=[money]), reply())
    debts = await world.debts.debts(world.actor.store_id, customer.id, limit=1, also=[first.id])
    assert debts is not None
    assert (debts.owed, debts.opening_due) == (Decimal("14.50"), Decimal(0))
    assert [(i.id, i.status, i.outstanding, i.version) for i in debts.invoices] == [
        (first.id, InvoiceStatus.PAID, 0, 2),
        (second.id, InvoiceStatus.UNPAID, Decimal("4.50"), 2),
    ]


async def test_strangers_have_no_debts_here(world: World) -> None:
    customer, (invoice,) = await owing(world, 1)
    other = StoreId(UUID(int=77))
    assert await world.debts.debts(world.actor.store_id, CustomerId(world.ids.new()), limit=5) is None
    assert await world.debts.debts(other, customer.id, limit=5) is None
    nobody, _ = await owing(world)
    debts = await world.debts.debts(world.actor.store_id, nobody.id, limit=5, also=[invoice.id, InvoiceId(UUID(int=5))])
    assert debts is not None
    assert debts.owed == 0
    assert not debts.invoices


async def test_a_shift_is_read_as_it_is(world: World) -> None:
    shifts: list[ShiftId] = []
    request = OpeningShift(drawer=f"till {world.ids.new()}", opening_float=Decimal("5.00"))
    await OpenShift(world.journal, world.clock, world.ids)(world.actor, request, reply(lambda s: shifts.append(s.id)))
    found = await world.shifts.get(world.actor.store_id, shifts[0])
    assert found is not None
    assert (found.drawer, found.opening_float, found.status) == (request.drawer, Decimal("5.00"), ShiftStatus.OPEN)
    close = CloseShift(world.shifts, world.journal, world.clock, world.ids)
    await close(world.actor, shifts[0], CountedCash(total=Decimal("5.00")), reply())
    found = await world.shifts.get(world.actor.store_id, shifts[0])
    assert found is not None
    assert (found.status, found.version) == (ShiftStatus.CLOSED, 2)
    assert await world.shifts.get(StoreId(UUID(int=77)), shifts[0]) is None
