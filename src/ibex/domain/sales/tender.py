"""Money given for a document: tenders, change, and what is left on credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from ibex.domain.shared.errors import InsufficientTender, InvalidValue, Overpayment
from ibex.domain.shared.ids import (
    CreditNoteId,
    CustomerId,
    InvoiceId,
    PaymentId,
    ReceiptId,
    ShiftId,
)
from ibex.domain.shared.money import ZERO, Currency, money
from ibex.domain.shared.text import note

MAX_TENDERS: Final = 20


class PaymentMethod(StrEnum):
    """How money was given. ACCOUNT uses up what the store owes the customer."""

    CASH = "CASH"
    CARD = "CARD"
    TRANSFER = "TRANSFER"
    ACCOUNT = "ACCOUNT"


class PaymentKind(StrEnum):
    """Which way the money went."""

    RECEIPT = "RECEIPT"
    REFUND = "REFUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tender:
    """What the caller says was given. Without ``amount``: as much as is due (of ``tendered``, where that is given)."""

    method: PaymentMethod
    amount: Decimal | None = None
    tendered: Decimal | None = None
    reference: str = ""

    def __post_init__(self) -> None:
        note(self.reference, field="reference", max_length=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A tender as applied: ``tendered`` = ``amount`` + ``change_due``."""

    method: PaymentMethod
    amount: Decimal
    tendered: Decimal
    change_due: Decimal
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that came in for a document, or went out as a refund. Rows of one receipt share its id and number."""

    id: PaymentId
    receipt_id: ReceiptId
    receipt_number: int
    kind: PaymentKind
    applied: Applied
    business_date: date
    occurred_at: datetime
    invoice_id: InvoiceId | None = None
    credit_note_id: CreditNoteId | None = None
    customer_id: CustomerId | None = None
    for_opening: bool = False
    """For a debt from before the shop moved in. A customer's payment for no document and no such debt is money on
    account."""
    shift_id: ShiftId | None = None


def apply_tenders(due: Decimal, tenders: Sequence[Tender], currency: Currency) -> list[Applied]:
    """The tenders applied to ``due`` in their order; what they leave unpaid is the caller's business.

    Raises Overpayment where money other than cash is more than what is due, InvalidValue for a tender of nothing.
    """
    if len(tenders) > MAX_TENDERS:
        raise InvalidValue(f"Give at most {MAX_TENDERS} payments.", field="payments")
    left = due
    applied: list[Applied] = []
    for i, tender in enumerate(tenders):
        one = apply_tender(left, tender, currency, field=f"payments[{i}]")
        if one is not None:
            applied.append(one)
            left -= one.amount
    return applied


def must_cover(due: Decimal, applied: Sequence[Applied]) -> None:
    """Raises InsufficientTender if the tenders do not cover what is due."""
    paid = sum((one.amount for one in applied), ZERO)
    if paid < due:
        raise InsufficientTender(
            "The money given is less than the total. Give the rest, or add CREDIT for a customer.",
            due=f"{due:f}",
            paid=f"{paid:f}",
        )


def apply_tender(left: Decimal, tender: Tender, currency: Currency, *, field: str) -> Applied | None:
    """One tender applied to what is left to pay; None if there is nothing left, so that cash comes back whole.

    Raises what apply_tenders raises.
    """
    amount = None if tender.amount is None else money(tender.amount, currency, field=f"{field}.amount")
    tendered = None if tender.tendered is None else money(tender.tendered, currency, field=f"{field}.tendered")
    if amount is None:
        amount = left if tendered is None else min(left, tendered)
    if amount > left:
        raise Overpayment("A payment cannot be more than what is due.", field=f"{field}.amount", due=f"{left:f}")
    if tendered is None:
        tendered = amount
    if tendered < amount:
        raise InsufficientTender("What is tendered must be at least the amount.", field=f"{field}.tendered")
    if tendered != amount and tender.method is not PaymentMethod.CASH:
        raise Overpayment("Change is given for cash only.", field=f"{field}.tendered", due=f"{left:f}")
    if amount == 0:
        if left > 0 or (tendered > 0 and tender.method is not PaymentMethod.CASH):
            raise InvalidValue("A payment must be more than zero.", field=f"{field}.amount")
        return None
    return Applied(
        method=tender.method,
        amount=amount,
        tendered=tendered,
        change_due=tendered - amount,
        reference=tender.reference,
    )
