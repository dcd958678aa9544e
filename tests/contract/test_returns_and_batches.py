"""What the journal and the batch journal promise of returns and offline sales, whatever they are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.identity.acting import changes_of
from ibex.domain.sales.credit_notes import (
    IssuedCreditNote,
    LineReturned,
    Refund,
    ReturnedLine,
    ReturnRequest,
    VoidRequest,
)
from ibex.domain.sales.model import Invoice, InvoiceStatus
from ibex.domain.sales.offline import BatchResult, ItemReport, RecordOfflineSales
from ibex.domain.sales.requests import LineRequest, SaleRequest
from ibex.domain.sales.returns import CreditInvoice, VoidInvoice
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.errors import AlreadyExists, InvalidTransition, ReturnExceedsSale
from ibex.domain.shared.ids import CustomerId, InvoiceId
from tests.contract.conftest import World
from tests.contract.test_journal import add_product
from tests.fakes.replies import reply

CASH = (Tender(method=PaymentMethod.CASH),)
BACK_IN_CASH = (Refund(method=PaymentMethod.CASH),)


def sale_of(world: World, product: Product, quantity: str = "3", **fields: Any) -> SaleRequest:
    """A sale of the product, in cash."""
    line = LineRequest(product=ProductRef(id=product.id), quantity=Decimal(quantity), unit_price=product.unit_price)
    given: dict[str, Any] = {"lines": [line], "tenders": CASH, "on_credit": False, "id": InvoiceId(world.ids.new())}
    return SaleRequest(**(given | fields))


async def sold(world: World, product: Product) -> Invoice:
    """Three of the product, sold."""
    request = sale_of(world, product)
    await RecordSale(world.reader, world.journal, world.clock, world.ids)(world.actor, request, reply())
    assert request.id is not None
    return await read(world, request.id)


async def read(world: World, invoice_id: InvoiceId) -> Invoice:
    """The invoice as it is now."""
    invoice = await world.invoices.get(world.actor.store_id, invoice_id)
    assert invoice is not None
    return invoice


async def test_a_return_lowers_what_is_paid_and_raises_the_stock(world: World) -> None:
    product = await add_product(world)
    invoice = await sold(world, product)
    credit = CreditInvoice(world.invoices, world.journal, world.clock, world.ids)
    request = ReturnRequest(lines=[ReturnedLine(line_no=1, quantity=Decimal("0.5"))], refunds=BACK_IN_CASH)
    made: list[IssuedCreditNote] = []
    posted = await credit(world.actor, invoice.id, request, reply(made.append))
    (issued,) = made
    assert sorted(posted.numbers.values()) == [1, 2]  # credit note 1, receipt 2
    after = await read(world, invoice.id)
    assert (after.paid, after.credited) == (Decimal("6.25"), Decimal("1.25"))
    assert (after.status, after.lines[0].returned) == (InvoiceStatus.PAID, Decimal("0.5"))
    now = await world.products.get(world.actor.store_id, product.id)
    assert now is not None
    assert now.stock == Decimal("7.5")
    again = replace(request, id=issued.note.id)
    with pytest.raises(AlreadyExists):
        await credit(world.actor, invoice.id, again, reply())
    assert (await read(world, invoice.id)).credited == Decimal("1.25")


async def test_nothing_comes_back_twice(world: World) -> None:
    invoice = await sold(world, await add_product(world))
    void = VoidInvoice(world.invoices, world.journal, world.clock, world.ids)
    await void(world.actor, invoice.id, VoidRequest(refunds=BACK_IN_CASH), reply())
    with pytest.raises(InvalidTransition):
        await void(world.actor, invoice.id, VoidRequest(refunds=BACK_IN_CASH), reply())
    # Even a use case that forgot to look could not: the journal adds up what comes back.
    changes = changes_of(world.actor, world.clock.now())
    changes.add(LineReturned(invoice_id=invoice.id, line_no=1, quantity=Decimal("0.001")))
    with pytest.raises(ReturnExceedsSale):
        await world.journal.post(changes, reply(), None)
    assert (await read(world, invoice.id)).lines[0].returned == 3


async def send(world: World, *sales: SaleRequest, key: str | None = None) -> list[ItemReport]:
    """What became of each."""
    seen: list[ItemReport] = []
    record = RecordOfflineSales(world.reader, world.batches, world.clock, world.ids)
    moment = world.clock.now() - timedelta(minutes=5)
    dated = [replace(sale, occurred_at=sale.occurred_at or moment) for sale in sales]
    await record(world.actor, dated, reply(seen.extend, key=key))
    return seen


async def test_each_sale_of_a_batch_stands_for_itself(world: World) -> None:
    product = await add_product(world)
    good, other = sale_of(world, product), sale_of(world, product, "9")
    stranger = sale_of(world, product, customer_id=CustomerId(world.ids.new()))
    reports = await send(world, good, stranger, other)
    assert [report.result for report in reports] == [BatchResult.CREATED, BatchResult.INVALID, BatchResult.CREATED]
    problem = reports[1].problem
    assert problem is not None
    assert (problem.code, problem.field) == ("not_found", "customer_id")
    # What was refused took no number.
    assert sorted(report.number for report in reports if report.number is not None) == [1, 2]
    now = await world.products.get(world.actor.store_id, product.id)
    assert now is not None
    assert (now.stock, now.oversold) == (Decimal(-2), True)


async def test_what_was_sent_is_known_by_its_content(world: World) -> None:
    product = await add_product(world)
    sale = sale_of(world, product)
    (first,) = await send(world, sale)
    changed = replace(sale, note="another")
    (again, conflict) = await send(world, sale, changed)
    assert (again.result, again.number, again.total) == (BatchResult.EXISTS, first.number, first.total)
    assert (conflict.result, conflict.number) == (BatchResult.CONFLICT, first.number)
    old = replace(sale, id=InvoiceId(world.ids.new()), occurred_at=world.clock.now() - timedelta(days=1000))
    (unknown,) = await send(world, old)
    assert unknown.result is BatchResult.INVALID
