"""Which debts a sum of money pays: the ones that the caller names, then the oldest first. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from ibex.domain.sales.receivables import CustomerDebts, Receivable
from ibex.domain.sales.tender import MAX_TENDERS, Applied, PaymentMethod, Tender, apply_tender
from ibex.domain.shared.errors import (
    InsufficientAccountCredit,
    InsufficientTender,
    InvalidValue,
    LimitExceeded,
    NotFound,
    Overpayment,
)
from ibex.domain.shared.ids import InvoiceId
from ibex.domain.shared.money import ZERO, Currency, money

MAX_SETTLED: Final = 100
"""How many invoices one receipt may settle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Money that the caller wants on one invoice; without ``amount`` as much as is owed for it."""

    invoice_id: InvoiceId
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """Part of the money: for an invoice, for the opening debt (``opening``), or (neither) to keep on account."""

    amount: Decimal
    invoice: Receivable | None = None
    opening: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of one tender that goes to one portion."""

    applied: Applied
    portion: Portion


def money_given(
    debts: CustomerDebts, tenders: Sequence[Tender], currency: Currency, *, keep_overpayment: bool
) -> list[Applied]:
    """The tenders as applied to all that the customer owes: account credit first, then in the caller's order.

    Money beyond the debts is taken where ``keep_overpayment`` says so and its amount is named; account credit never
    is. Raises InvalidValue, Overpayment, InsufficientTender, InsufficientAccountCredit.
    """
    if len(tenders) > MAX_TENDERS:
        raise InvalidValue(f"Give at most {MAX_TENDERS} payments.", field="payments")
    left, credit = debts.owed, debts.account_credit
    given: list[Applied] = []
    numbered = sorted(enumerate(tenders), key=lambda pair: pair[1].method is not PaymentMethod.ACCOUNT)
    for i, asked in numbered:
        field = f"payments[{i}]"
        tender, due = asked, left
        if tender.method is PaymentMethod.ACCOUNT:
            tender = _from_account(asked, left, credit, field)
        elif keep_overpayment and tender.amount is not None:
            due = max(left, money(tender.amount, currency, field=f"{field}.amount"))
        one = apply_tender(due, tender, currency, field=field)
        if one is None:
            continue
        given.append(one)
        left = max(left - one.amount, ZERO)
        if one.method is PaymentMethod.ACCOUNT:
            credit -= one.amount
    if not given:
        if debts.owed == 0:
            raise Overpayment("The customer owes nothing. Name an amount, and keep_overpayment, to put it on account.")
        raise InvalidValue("Give at least one payment of more than zero.", field="payments")
    return given


def share_out(amount: Decimal, debts: CustomerDebts, wanted: Sequence[Wanted], currency: Currency) -> list[Portion]:
    """Which debts ``amount`` pays: the wanted ones, then the opening debt, then invoices, oldest first; the rest is
    kept on account.

    Never more on a debt than is owed, and the portions add up to ``amount``. Raises NotFound, InvalidTransition,
    InvalidValue, Overpayment, InsufficientTender, LimitExceeded.
    """
    if len(wanted) > MAX_SETTLED:
        raise LimitExceeded(
            f"A receipt settles at most {MAX_SETTLED} invoices.", field="allocations", limit=MAX_SETTLED
        )
    pays, left = _pay_wanted(amount, debts, wanted, currency)
    opening = min(left, debts.opening_due)
    left -= opening
    for invoice in debts.invoices:
        more = min(left, invoice.outstanding - pays.get(invoice.id, ZERO))
        if more > 0:
            pays[invoice.id] = pays.get(invoice.id, ZERO) + more
            left -= more
    portions = [Portion(opening, opening=True)] if opening else []
    portions += [Portion(pays[i.id], invoice=i) for i in debts.invoices if i.id in pays]
    listed = debts.opening_due + sum((i.outstanding for i in debts.invoices), ZERO)
    if len(pays) > MAX_SETTLED or (left > 0 and listed < debts.owed):
        raise LimitExceeded(
            f"A receipt settles at most {MAX_SETTLED} invoices; take the money in several receipts.",
            field="payments",
            limit=MAX_SETTLED,
        )
    return [*portions, Portion(left)] if left else portions


def slices(given: Sequence[Applied], portions: Sequence[Portion]) -> list[Slice]:
    """Each tender cut along the portions that it pays, in order; its change is given with the last piece of it."""
    pieces: list[Slice] = []
    ahead = iter(portions)
    portion = next(ahead)
    room = portion.amount
    for one in given:
        left = one.amount
        while left > 0:
            if room == 0:
                portion = next(ahead)
                room = portion.amount
            part = min(left, room)
            left -= part
            room -= part
            change = one.change_due if left == 0 else ZERO
            pieces.append(Slice(replace(one, amount=part, tendered=part + change, change_due=change), portion))
    return pieces


def _from_account(tender: Tender, left: Decimal, credit: Decimal, field: str) -> Tender:
    if tender.amount is not None:
        return tender
    if credit == 0 and left > 0:
        raise InsufficientAccountCredit(
            "There is nothing on the customer's account to pay with.", field=field, account_credit="0"
        )
    return replace(tender, amount=min(left, credit))


def _pay_wanted(
    amount: Decimal, debts: CustomerDebts, wanted: Sequence[Wanted], currency: Currency
) -> tuple[dict[InvoiceId, Decimal], Decimal]:
    known = {invoice.id: invoice for invoice in debts.invoices}
    pays: dict[InvoiceId, Decimal] = {}
    left = amount
    for i, one in enumerate(wanted):
        field = f"allocations[{i}]"
        invoice = known.get(one.invoice_id)
        if invoice is None:
            raise NotFound("The customer has no such invoice.", field=f"{field}.invoice_id")
        invoice.must_be_owed()
        if one.invoice_id in pays:
            raise InvalidValue("Name each invoice once.", field=f"{field}.invoice_id")
        share = min(invoice.outstanding, left) if one.amount is None else one.amount
        share = money(share, currency, field=f"{field}.amount")
        if share > invoice.outstanding:
            raise Overpayment(
                "More than is owed for the invoice.", field=f"{field}.amount", due=f"{invoice.outstanding:f}"
            )
        if share > left:
            raise InsufficientTender("The payments do not cover the allocations.", field=f"{field}.amount")
        if share == 0:
            raise InvalidValue("An allocation must be more than zero.", field=f"{field}.amount")
        pays[one.invoice_id] = share
        left -= share
    return pays, left
