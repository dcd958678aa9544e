"""The life cycle of an invoice: its table, and that nothing goes around it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.catalog.model import ProductRef
from ibex.domain.identity.model import Role
from ibex.domain.sales.model import MAX_LINES, TRANSITIONS, Invoice, InvoiceStatus
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.requests import DraftChange, DraftRequest, IssueRequest, LineRequest, SaleRequest
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.errors import (
    DomainError,
    InsufficientTender,
    InvalidTransition,
    InvalidValue,
    LimitExceeded,
    NotFound,
    Overpayment,
    PermissionRefused,
    PreconditionFailed,
    ProductInactive,
    StaleProducts,
)
from ibex.domain.shared.ids import InvoiceId
from tests.fakes.people import make_actor, make_store
from tests.fakes.replies import reply
from tests.fakes.till import FakeTill, line

DRAFT, UNPAID, PAID, CANCELLED = InvoiceStatus
ALLOWED = {(DRAFT, UNPAID), (DRAFT, PAID), (DRAFT, CANCELLED), (UNPAID, PAID)}
CASH = (Tender(method=PaymentMethod.CASH),)


async def draft_of(till: FakeTill, *lines: LineRequest, **fields: Any) -> Invoice:
    kept: list[Invoice] = []
    asked = lines or (line(till.product()),)
    await till.draft(till.actor, DraftRequest(lines=asked, **fields), reply(lambda r: kept.append(r.invoice)))
    return kept[0]


async def sold(till: FakeTill, *lines: LineRequest, **fields: Any) -> Invoice:
    kept: list[Invoice] = []
    given: dict[str, Any] = {"lines": lines, "tenders": CASH, "on_credit": False}
    await till.sell(till.actor, SaleRequest(**(given | fields)), reply(lambda r: kept.append(r.invoice)))
    return till.books.invoice(kept[0].id, till.actor.store_id)


def now(till: FakeTill, invoice: Invoice) -> Invoice:
    return till.books.invoice(invoice.id, till.actor.store_id)


def test_the_table_says_what_the_shop_says() -> None:
    assert {(a, b) for a in TRANSITIONS for b in TRANSITIONS[a]} == ALLOWED
    assert set(TRANSITIONS) == set(InvoiceStatus)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(InvoiceStatus, InvoiceStatus)))
async def test_a_transition_that_is_not_listed_is_refused(before: InvoiceStatus, after: InvoiceStatus) -> None:
    invoice = replace(await draft_of(FakeTill()), status=before)
    if (before, after) in ALLOWED:
        assert invoice.becoming(after).status is after
    else:
        with pytest.raises(InvalidTransition):
            invoice.becoming(after)


async def test_a_draft_takes_no_number_no_stock_and_no_money() -> None:
    till = FakeTill()
    product = till.product(stock="5")
    draft = await draft_of(till, line(product, "2"))
    assert (draft.status, draft.number, str(draft.outstanding)) == (DRAFT, None, "0.00")
    assert till.books.product(product).stock == 5
    assert till.books.entries() == []


@pytest.mark.parametrize(
    ("tenders", "on_credit", "status", "entries"),
    [
        (CASH, False, PAID, ["SALE", "RECEIPT"]),
        ((), True, UNPAID, ["SALE"]),
        ((Tender(method=PaymentMethod.CARD, amount=Decimal(3)),), True, UNPAID, ["SALE", "RECEIPT"]),
        ((Tender(method=PaymentMethod.CARD, amount=Decimal(20)),), True, PAID, ["SALE", "RECEIPT"]),
    ],
)
async def test_issuing_a_draft_is_selling_it(
    tenders: tuple[Tender, ...], on_credit: bool, status: InvoiceStatus, entries: list[str]
) -> None:
    till = FakeTill()
    product, customer = till.product("10.00"), till.customer()
    draft = await draft_of(till, line(product, "2"), customer_id=customer.id)
    till.clock.advance(days=1)
    await till.issue(till.actor, draft.id, IssueRequest(tenders=tenders, on_credit=on_credit), reply())
    issued = now(till, draft)
    assert (issued.status, issued.number, issued.issued_at) == (status, 1, till.clock.now())
    assert issued.business_date == draft.business_date.replace(day=draft.business_date.day + 1)
    assert [entry.type.value for entry in till.books.entries()] == entries
    assert till.books.product(product).stock == 98
    assert till.books.customer(customer).balance == issued.outstanding
    assert [entry.action for entry in till.books.audit] == ["invoice.drafted", "invoice.issued"]
    assert [event.type for event in till.books.events] == ["invoice.drafted", "invoice.issued"]


async def test_payments_settle_what_is_owed_part_by_part() -> None:
    till = FakeTill()
    customer = till.customer()
    invoice = await sold(till, line(till.product("10.00")), tenders=(), on_credit=True, customer_id=customer.id)
    for amount, status, left in (("4.00", UNPAID, 6), ("5.99", UNPAID, Decimal("0.01")), ("0.01", PAID, 0)):
        tender = Tender(method=PaymentMethod.TRANSFER, amount=Decimal(amount))
        await till.pay(till.actor, invoice.id, [tender], reply())
        assert (now(till, invoice).status, now(till, invoice).outstanding) == (status, left)
    assert till.books.customer(customer).balance == 0
    assert [payment.receipt_number for payment in till.books.payments] == [1, 2, 3]
    assert [event.type for event in till.books.events][1:] == ["payment.received", "payment.received", "invoice.paid"]


async def refusal(action: Any) -> str:
    with pytest.raises(DomainError) as error:
        await action
    return error.value.code


@pytest.mark.parametrize("status", [UNPAID, PAID, CANCELLED])
async def test_what_was_issued_or_given_up_is_not_changed_issued_or_cancelled(status: InvoiceStatus) -> None:
    till = FakeTill()
    customer = till.customer()
    draft = await draft_of(till, customer_id=customer.id)
    till.books.put(replace(draft, status=status, number=None if status is CANCELLED else 1))
    request = IssueRequest(tenders=CASH, on_credit=False)
    change = till.change(till.actor, draft.id, DraftChange(note="x"), reply(), expected_version=None)
    assert await refusal(till.issue(till.actor, draft.id, request, reply())) == "invalid_transition"
    assert await refusal(till.cancel(till.actor, draft.id, reply())) == "invalid_transition"
    assert await refusal(change) == "invalid_transition"


@pytest.mark.parametrize("status", [DRAFT, PAID, CANCELLED])
async def test_only_what_is_owed_is_paid(status: InvoiceStatus) -> None:
    till = FakeTill()
    draft = await draft_of(till)
    till.books.put(replace(draft, status=status))
    with pytest.raises(InvalidTransition):
        await till.pay(till.actor, draft.id, CASH, reply())


async def test_a_version_that_is_not_the_current_one_is_refused() -> None:
    till = FakeTill()
    draft = await draft_of(till)
    await till.change(till.actor, draft.id, DraftChange(note="x"), reply(), expected_version=1)
    for action in (
        till.change(till.actor, draft.id, DraftChange(note="y"), reply(), expected_version=1),
        till.cancel(till.actor, draft.id, reply(), expected_version=1),
        till.issue(till.actor, draft.id, IssueRequest(tenders=CASH, on_credit=False), reply(), expected_version=1),
    ):
        with pytest.raises(PreconditionFailed):
            await action
    assert now(till, draft).note == "x"


async def test_a_changed_discount_prices_the_lines_that_are_there_again() -> None:
    till = FakeTill()
    product = till.product("10.00")
    draft = await draft_of(till, line(product, "2", discount=Discount(percent=Decimal(10))))
    till.books.put(replace(product, unit_price=Decimal(99)))
    change = DraftChange(discount=Discount(amount=Decimal("3.00")))
    await till.change(till.actor, draft.id, change, reply(), expected_version=None)
    changed = now(till, draft)
    sums = changed.totals
    assert [str(one) for one in (sums.subtotal, sums.discount, sums.total)] == ["20.00", "5.00", "15.00"]


async def test_credit_needs_a_customer_and_money_must_do() -> None:
    till = FakeTill()
    product = till.product("10.00")
    with pytest.raises(InvalidValue):
        await sold(till, line(product), tenders=(), on_credit=True)
    with pytest.raises(InsufficientTender):
        await sold(till, line(product), tenders=(Tender(method=PaymentMethod.CASH, tendered=Decimal(9)),))
    for tender in (
        Tender(method=PaymentMethod.CARD, amount=Decimal(11)),
        Tender(method=PaymentMethod.CARD, tendered=Decimal(20)),
    ):
        with pytest.raises(Overpayment):
            await sold(till, line(product), tenders=(tender,))
    assert till.books.entries() == []


async def test_change_is_what_cash_is_too_much() -> None:
    till = FakeTill()
    invoice = await sold(
        till, line(till.product("7.30")), tenders=(Tender(method=PaymentMethod.CASH, tendered=Decimal(10)),)
    )
    [payment] = till.books.payments
    assert (payment.applied.amount, payment.applied.change_due) == (Decimal("7.30"), Decimal("2.70"))
    assert invoice.status is PAID


@pytest.mark.parametrize(
    ("tenders", "rounding", "total"),
    [
        (CASH, "0.02", "7.45"),
        ((Tender(method=PaymentMethod.CARD),), "0.00", "7.43"),
        ((Tender(method=PaymentMethod.CARD, amount=Decimal(1)), *CASH), "0.00", "7.43"),
    ],
)
async def test_only_what_is_all_cash_is_rounded_to_the_coin(
    tenders: tuple[Tender, ...], rounding: str, total: str
) -> None:
    till = FakeTill(make_actor(store=make_store(currency="CHF", cash_rounding=Decimal("0.05"))))
    invoice = await sold(till, line(till.product("7.43")), tenders=tenders)
    assert (str(invoice.totals.rounding), str(invoice.totals.total)) == (rounding, total)
    assert till.books.entries("SALE")[0].debit == Decimal(total)


async def test_a_price_by_hand_needs_a_manager_and_a_cashier_may_repeat_the_catalogues() -> None:
    till = FakeTill()
    product, cashier = till.product("10.00"), make_actor(Role.CASHIER)

    def at(price: str) -> SaleRequest:
        return SaleRequest(lines=[line(product, unit_price=Decimal(price))], tenders=CASH, on_credit=False)

    await till.sell(cashier, at("10.00"), reply())
    with pytest.raises(PermissionRefused):
        await till.sell(cashier, at("9.99"), reply())
    await till.sell(make_actor(Role.MANAGER), at("9.99"), reply())


async def test_an_auditor_sells_nothing() -> None:
    till = FakeTill(make_actor(Role.AUDITOR))
    with pytest.raises(PermissionRefused):
        await sold(till, line(till.product()))
    with pytest.raises(PermissionRefused):
        await draft_of(till)


async def test_products_that_are_not_there_or_not_for_sale() -> None:
    till = FakeTill()
    nothing = LineRequest(product=ProductRef(sku="NOTHING"), quantity=Decimal(1))
    with pytest.raises(NotFound) as missing:
        await sold(till, line(till.product()), nothing)
    assert missing.value.details["field"] == "lines[1]"
    with pytest.raises(ProductInactive):
        await sold(till, line(till.product(active=False)))


@pytest.mark.parametrize(("count", "error"), [(0, InvalidValue), (MAX_LINES + 1, LimitExceeded)])
async def test_an_invoice_has_lines_but_not_too_many(count: int, error: type[DomainError]) -> None:
    till = FakeTill()
    product = till.product()
    with pytest.raises(error):
        await sold(till, *([line(product, "0.001")] * count))


async def test_lines_of_one_product_leave_as_one_movement() -> None:
    till = FakeTill()
    product = till.product(stock="10")
    await sold(till, line(product, "2"), line(product, "1.5"))
    [(movement, balance)] = till.books.movements
    assert (movement.quantity, balance) == (Decimal("-3.5"), Decimal("6.5"))


async def test_a_price_that_changed_meanwhile_is_read_again_three_times_at_most() -> None:
    till = FakeTill()
    product = till.product("10.00")
    till.journal.fail_with = [StaleProducts("changed"), StaleProducts("changed")]
    assert (await sold(till, line(product))).number == 1
    assert till.products.forgotten == [product.id, product.id]
    till.journal.fail_with = [StaleProducts("changed")] * 3
    with pytest.raises(StaleProducts):
        await sold(till, line(product))


async def test_an_invoice_that_nobody_has_is_not_found() -> None:
    till = FakeTill()
    with pytest.raises(NotFound):
        await till.cancel(till.actor, InvoiceId(till.ids.new()), reply())
