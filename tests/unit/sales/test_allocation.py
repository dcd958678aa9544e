"""Which debts a sum of money pays: never more than is owed, the oldest first, and to the last cent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.sales.allocation import MAX_SETTLED, Portion, Wanted, money_given, share_out, slices
from ibex.domain.sales.model import InvoiceStatus
from ibex.domain.sales.receivables import CustomerDebts, Receivable
from ibex.domain.sales.tender import Applied, PaymentMethod, Tender
from ibex.domain.shared.errors import (
    DomainError,
    InsufficientAccountCredit,
    InvalidTransition,
    LimitExceeded,
    NotFound,
    Overpayment,
)
from ibex.domain.shared.ids import CustomerId, InvoiceId
from ibex.domain.shared.money import Currency

EUR = Currency("EUR")
CUSTOMER = CustomerId(UUID(int=9))
ZERO = Decimal(0)
cents = st.integers(1, 10_000).map(lambda n: Decimal(n) / 100)
debt_lists = st.lists(cents, max_size=8)
MONEY = (PaymentMethod.CASH, PaymentMethod.CARD, PaymentMethod.TRANSFER)


def debts_of(owed: Sequence[Decimal], *, opening: Decimal = ZERO, credit: Decimal = ZERO) -> CustomerDebts:
    """A customer with these open invoices, oldest first."""
    invoices = [
        Receivable(
            id=InvoiceId(UUID(int=100 + n)),
            customer_id=CUSTOMER,
            number=n + 1,
            status=InvoiceStatus.UNPAID,
            total=amount + 5,
            paid=Decimal(3),
            credited=Decimal(2),
            business_date=date(2026, 1, 1) + timedelta(days=n),
            due_date=None,
            version=1,
        )
        for n, amount in enumerate(owed)
    ]
    total = opening + sum(owed, ZERO)
    return CustomerDebts(
        customer_id=CUSTOMER, account_credit=credit, opening_due=opening, owed=total, invoices=invoices
    )


@given(owed=debt_lists, opening=st.one_of(st.just(ZERO), cents), amount=cents)
def test_the_oldest_debt_is_paid_first_and_none_too_much(
    owed: list[Decimal], opening: Decimal, amount: Decimal
) -> None:
    debts = debts_of(owed, opening=opening)
    portions = share_out(amount, debts, (), EUR)
    assert sum((p.amount for p in portions), ZERO) == amount
    assert all(p.amount > 0 for p in portions)
    left = amount
    expected: list[tuple[object, Decimal]] = []
    for key, due in [("opening", opening), *((i.id, i.outstanding) for i in debts.invoices), ("kept", left)]:
        part = min(left, due)
        left -= part
        if part > 0:
            expected.append((key, part))
    assert [(_key(p), p.amount) for p in portions] == expected


@given(data=st.data(), owed=st.lists(cents, min_size=1, max_size=8), opening=st.one_of(st.just(ZERO), cents))
def test_wanted_invoices_come_first_whatever_their_age(
    data: st.DataObject, owed: list[Decimal], opening: Decimal
) -> None:
    debts = debts_of(owed, opening=opening)
    chosen = data.draw(st.lists(st.sampled_from(debts.invoices), unique_by=lambda i: i.id))
    wanted = [
        Wanted(invoice_id=i.id, amount=data.draw(st.none() | st.integers(1, int(i.outstanding * 100)).map(_cent)))
        for i in chosen
    ]
    asked = [w.amount if w.amount is not None else i.outstanding for w, i in zip(wanted, chosen, strict=True)]
    named = sum(asked, ZERO)
    amount = named + data.draw(st.one_of(st.just(ZERO), cents))
    if amount == 0:
        return
    portions = share_out(amount, debts, wanted, EUR)
    paid = {_key(p): p.amount for p in portions}
    assert sum(paid.values(), ZERO) == amount
    for want, share in zip(wanted, asked, strict=True):
        assert paid[want.invoice_id] >= share
    for invoice in debts.invoices:
        assert paid.get(invoice.id, ZERO) <= invoice.outstanding
    assert paid.get("opening", ZERO) <= opening
    if "kept" in paid:
        assert amount - paid["kept"] == debts.owed


@given(amounts=st.lists(cents, min_size=1, max_size=6), cuts=st.lists(cents, max_size=6), change=cents)
def test_slices_keep_every_tender_and_every_portion_whole(
    amounts: list[Decimal], cuts: list[Decimal], change: Decimal
) -> None:
    given_ = [
        Applied(method=MONEY[n % 3], amount=a, tendered=a + change, change_due=change, reference=str(n))
        for n, a in enumerate(amounts)
    ]
    total = sum(amounts, ZERO)
    portions, left = [], total
    for cut in cuts:
        part = min(cut, left)
        if part > 0:
            portions.append(Portion(part, opening=True))
            left -= part
    portions = [*portions, Portion(left)] if left else portions
    pieces = slices(given_, portions)
    for n, one in enumerate(given_):
        own = [p.applied for p in pieces if p.applied.reference == str(n)]
        assert sum((p.amount for p in own), ZERO) == one.amount
        assert sum((p.change_due for p in own), ZERO) == one.change_due
        assert all(p.tendered == p.amount + p.change_due and p.amount > 0 for p in own)
        assert {p.method for p in own} == {one.method}
    for portion in portions:
        assert sum((p.applied.amount for p in pieces if p.portion is portion), ZERO) == portion.amount
    assert len(pieces) <= len(given_) + len(portions) - 1


@given(
    owed=debt_lists,
    credit=st.one_of(st.just(ZERO), cents),
    tenders=st.lists(
        st.builds(Tender, method=st.sampled_from(PaymentMethod), amount=st.none() | cents), min_size=1, max_size=4
    ),
    keep=st.booleans(),
)
def test_money_is_taken_as_named_or_refused(
    owed: list[Decimal], credit: Decimal, tenders: list[Tender], keep: bool
) -> None:
    debts = debts_of(owed, credit=credit)
    try:
        taken = money_given(debts, tenders, EUR, keep_overpayment=keep)
    except DomainError:
        return
    total = sum((one.amount for one in taken), ZERO)
    accounts = sum((one.amount for one in taken if one.method is PaymentMethod.ACCOUNT), ZERO)
    assert total > 0
    assert keep or total <= debts.owed
    assert accounts <= debts.owed, "credit is never bought with credit"
    named = sorted(t.amount for t in tenders if t.amount is not None)
    assert all(amount in [one.amount for one in taken] for amount in named)
    methods = [one.method for one in taken]
    assert methods == sorted(methods, key=lambda method: method is not PaymentMethod.ACCOUNT)


def test_what_cannot_be_allocated_is_refused() -> None:
    debts = debts_of([Decimal(10), Decimal(20)])
    first = debts.invoices[0].id
    with pytest.raises(NotFound):
        share_out(Decimal(5), debts, [Wanted(invoice_id=InvoiceId(UUID(int=7)))], EUR)
    with pytest.raises(Overpayment):
        share_out(Decimal(30), debts, [Wanted(invoice_id=first, amount=Decimal("10.01"))], EUR)
    with pytest.raises(LimitExceeded):
        share_out(Decimal(30), debts, [Wanted(invoice_id=first)] * (MAX_SETTLED + 1), EUR)
    settled = debts.invoices[0].settled_by(Decimal(10))
    assert (settled.status, settled.outstanding) == (InvoiceStatus.PAID, ZERO)
    with pytest.raises(InvalidTransition):
        settled.settled_by(Decimal(1))


def test_debts_that_were_not_read_are_not_overpaid() -> None:
    debts = debts_of([Decimal(10)])
    more = CustomerDebts(
        customer_id=CUSTOMER,
        account_credit=ZERO,
        opening_due=ZERO,
        owed=Decimal(99),
        invoices=debts.invoices,
    )
    assert [p.amount for p in share_out(Decimal(10), more, (), EUR)] == [Decimal(10)]
    with pytest.raises(LimitExceeded):
        share_out(Decimal(11), more, (), EUR)


def test_an_empty_account_pays_nothing() -> None:
    account = [Tender(method=PaymentMethod.ACCOUNT)]
    with pytest.raises(InsufficientAccountCredit):
        money_given(debts_of([Decimal(1)]), account, EUR, keep_overpayment=False)
    with pytest.raises(Overpayment):
        money_given(debts_of([], credit=Decimal(5)), account, EUR, keep_overpayment=True)


def _cent(number: int) -> Decimal:
    return Decimal(number) / 100


def _key(portion: Portion) -> object:
    if portion.invoice is not None:
        return portion.invoice.id
    return "opening" if portion.opening else "kept"
