"""What comes back is worth: any split of it adds up, and never more than was charged."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.catalog.model import MovementKind
from ibex.domain.ledger.model import EntryType
from ibex.domain.sales.credit_notes import (
    CreditNote,
    Disposition,
    Refund,
    ReturnedLine,
    ReturnRequest,
    VoidRequest,
    credit_lines,
    credit_total,
    share,
)
from ibex.domain.sales.model import Invoice, InvoiceStatus, LineDraft, priced_lines, totals_of
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.requests import SaleRequest
from ibex.domain.sales.tender import PaymentKind, PaymentMethod, Tender
from ibex.domain.shared.errors import ConcurrentChange, InvalidTransition, PreconditionFailed, ReturnExceedsSale
from ibex.domain.shared.ids import CustomerId, InvoiceId, OperatorId, ProductId
from ibex.domain.shared.money import ZERO, Currency
from tests.fakes.people import STORE_ID
from tests.fakes.replies import reply
from tests.fakes.system import NOON, FakeIds
from tests.fakes.till import FakeTill, line

IDS = FakeIds()
CURRENCIES = [Currency(code) for code in ("EUR", "JPY", "KWD", "CLF")]
PRICES = st.decimals("0", "999", places=4)
QUANTITIES = st.decimals("0.001", "60", places=3)


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    """An issued invoice that is owed, wholly or in part, or paid."""
    currency = draw(st.sampled_from(CURRENCIES))
    drafts = [
        LineDraft(
            product_id=ProductId(IDS.new()),
            sku="S",
            name="P",
            unit_price=draw(PRICES).quantize(min(currency.step, Decimal("0.0001"))),
            quantity=draw(QUANTITIES),
            tax_rate=draw(st.sampled_from([ZERO, Decimal(4), Decimal("8.1"), Decimal(22), Decimal(100)])),
            discount=Discount(percent=Decimal(draw(st.integers(0, 100)))) if draw(st.booleans()) else None,
        )
        for _ in range(draw(st.integers(1, 4)))
    ]
    off = Discount(percent=Decimal(draw(st.integers(0, 60)))) if draw(st.booleans()) else None
    lines = priced_lines(drafts, discount=off, prices_include_tax=draw(st.booleans()), currency=currency)
    step = currency.step * draw(st.sampled_from([0, 5, 10]))
    sums = totals_of(lines, currency, cash_rounding=step)
    paid = draw(st.sampled_from([ZERO, sums.total, share(sums.total, Decimal(1), Decimal(3), currency)]))
    return Invoice(
        id=InvoiceId(IDS.new()),
        store_id=STORE_ID,
        status=InvoiceStatus.PAID if paid == sums.total else InvoiceStatus.UNPAID,
        operator_id=OperatorId(IDS.new()),
        currency=currency,
        prices_include_tax=True,
        lines=lines,
        totals=sums,
        business_date=date(2026, 3, 2),
        occurred_at=NOON,
        created_at=NOON,
        number=1,
        customer_id=CustomerId(IDS.new()),
        paid=paid,
        credited=currency.zero(),
        issued_at=NOON,
    )


def returned(invoice: Invoice, wanted: list[ReturnedLine], step: Decimal) -> tuple[Invoice, Decimal]:
    """The invoice after a return, and what the return was worth."""
    lines = credit_lines(invoice, wanted)
    total = credit_total(invoice, lines, cash_step=step)
    refunded = max(total - invoice.outstanding, invoice.currency.zero())
    after = invoice.credited_by(total, refunded=refunded)
    back = {one.line_no: one.quantity for one in wanted}
    sold = tuple(replace(one, returned=one.returned + back.get(one.line_no, ZERO)) for one in after.lines)
    return replace(after, lines=sold), total


@given(st.data(), invoices())
def test_any_split_of_returns_adds_up_to_the_invoice(data: st.DataObject, invoice: Invoice) -> None:
    step = invoice.currency.step * data.draw(st.sampled_from([0, 5]))
    whole, before = invoice, invoice
    credited = invoice.currency.zero()
    while any(one.returnable for one in invoice.lines):
        wanted = []
        for one in invoice.lines:
            # In a few pieces of any size, the last of which takes the rest.
            thousandths = int(one.returnable * 1000)
            take = data.draw(st.integers(thousandths // 3, thousandths)) if thousandths else 0
            if take or (thousandths and thousandths < 3):
                wanted.append(ReturnedLine(line_no=one.line_no, quantity=Decimal(take or thousandths) / 1000))
        if not wanted:
            continue
        before, (invoice, total) = invoice, returned(invoice, wanted, step)
        credited += total
        assert total >= 0
        # The invoice's invariants, those that the database checks too.
        assert invoice.paid >= 0
        assert invoice.paid + invoice.credited <= invoice.totals.total
        assert (invoice.status is InvoiceStatus.PAID) == (invoice.outstanding == 0)
        # A debt is lowered first, so that money only goes back once nothing is owed.
        assert invoice.paid == before.paid or invoice.outstanding == 0
    assert credited == whole.totals.total == invoice.credited
    assert invoice.paid == 0


@given(st.data(), invoices())
def test_the_pieces_of_a_line_add_up_and_none_is_negative(data: st.DataObject, invoice: Invoice) -> None:
    sold = invoice.lines[0]
    net = tax = invoice.currency.zero()
    current = invoice
    for _ in range(12):
        left = current.lines[0].returnable
        if left == 0:
            break
        thousandths = int(left * 1000)
        piece = Decimal(data.draw(st.integers(1, thousandths))) / 1000
        (part,) = credit_lines(current, [ReturnedLine(line_no=1, quantity=piece)])
        assert part.net >= 0
        assert part.tax >= 0
        # Within a step of its exact share.
        exact = sold.amounts.total * piece / sold.quantity
        assert abs(part.total - exact) <= invoice.currency.step
        net, tax = net + part.net, tax + part.tax
        first = replace(current.lines[0], returned=current.lines[0].returned + piece)
        current = replace(current, lines=(first, *current.lines[1:]))
    if current.lines[0].returnable == 0:
        assert (net, tax) == (sold.amounts.net, sold.amounts.tax)


def paid_sale(till: FakeTill) -> SaleRequest:
    """A sale of three units at 1.00 with 22% in it, paid in cash."""
    product = till.product("1.00", tax_rate=Decimal(22))
    return SaleRequest(lines=[line(product, "3")], tenders=[Tender(method=PaymentMethod.CASH)], on_credit=False)


async def sold(till: FakeTill, request: SaleRequest) -> Invoice:
    """The invoice of a sale."""
    await till.sell(till.actor, request, reply())
    return list(till.books.of(Invoice).values())[-1]


def one_back(quantity: str = "1") -> ReturnRequest:
    """So much of line 1, for cash."""
    refunds = [Refund(method=PaymentMethod.CASH)]
    return ReturnRequest(lines=[ReturnedLine(line_no=1, quantity=Decimal(quantity))], refunds=refunds)


async def test_a_return_writes_note_stock_ledger_refund_audit_and_event() -> None:
    till = FakeTill()
    invoice = await sold(till, paid_sale(till))
    await till.credit(till.actor, invoice.id, one_back(), reply())
    (note,) = till.books.of(CreditNote).values()
    assert (note.number, note.total, note.refunded) == (1, Decimal("1.00"), Decimal("1.00"))
    movement, balance = till.books.movements[-1]
    assert (movement.kind, movement.quantity, balance) == (MovementKind.RETURNED, Decimal(1), Decimal(98))
    kinds = [(entry.type, entry.debit, entry.credit) for entry in till.books.entries()][-2:]
    assert kinds == [(EntryType.CREDIT_NOTE, ZERO, Decimal(1)), (EntryType.REFUND, Decimal(1), ZERO)]
    payment = till.books.payments[-1]
    assert (payment.kind, payment.receipt_number, payment.credit_note_id) == (PaymentKind.REFUND, 2, note.id)
    assert till.books.audit[-1].action == "credit_note.issued"
    assert till.books.events[-1].data["number"] == 1
    after = till.books.invoice(invoice.id, STORE_ID)
    assert (after.paid, after.credited, after.lines[0].returned) == (Decimal(2), Decimal(1), Decimal(1))


async def test_a_return_is_decided_again_when_the_invoice_changed_meanwhile() -> None:
    till = FakeTill()
    invoice = await sold(till, paid_sale(till))
    till.journal.fail_with = [ConcurrentChange("meanwhile")]
    await till.credit(till.actor, invoice.id, one_back(), reply())
    assert len(till.books.of(CreditNote)) == 1
    till.journal.fail_with = [ConcurrentChange("meanwhile")] * 3
    with pytest.raises(ConcurrentChange):
        await till.credit(till.actor, invoice.id, one_back(), reply())
    # Who named a version meant that one: nothing is tried again.
    version = till.books.invoice(invoice.id, STORE_ID).version
    till.journal.fail_with = [ConcurrentChange("meanwhile")]
    with pytest.raises(ConcurrentChange):
        await till.credit(till.actor, invoice.id, one_back(), reply(), expected_version=version)
    with pytest.raises(PreconditionFailed):
        await till.credit(till.actor, invoice.id, one_back(), reply(), expected_version=version + 1)


async def test_a_void_takes_what_is_left_once() -> None:
    till = FakeTill()
    invoice = await sold(till, paid_sale(till))
    await till.credit(till.actor, invoice.id, one_back(), reply())
    request = VoidRequest(refunds=[Refund(method=PaymentMethod.CARD)], disposition=Disposition.WRITTEN_OFF)
    await till.void(till.actor, invoice.id, request, reply())
    notes = list(till.books.of(CreditNote).values())
    assert sum(note.total for note in notes) == invoice.totals.total
    assert till.books.audit[-1].action == "invoice.voided"
    with pytest.raises(InvalidTransition):
        await till.void(till.actor, invoice.id, request, reply())
    with pytest.raises(ReturnExceedsSale):
        await till.credit(till.actor, invoice.id, one_back(), reply())
    assert len(till.books.of(CreditNote)) == 2
