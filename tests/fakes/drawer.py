"""What should be in a drawer, by the books."""

from __future__ import annotations

from decimal import Decimal

from ibex.domain.drawer.model import CashMovementKind, Shift, ShiftMovement
from ibex.domain.sales.tender import PaymentKind, PaymentMethod
from tests.fakes.books import Books


def expected_cash(books: Books, shift: Shift) -> Decimal:
    """Float, cash taken and given back, paid in and paid out."""
    expected = shift.opening_float
    for payment in books.payments:
        if payment.shift_id == shift.id and payment.applied.method is PaymentMethod.CASH:
            amount = payment.applied.amount
            expected += amount if payment.kind is PaymentKind.RECEIPT else -amount
    for thing in books.records:
        if isinstance(thing, ShiftMovement) and thing.shift_id == shift.id:
            expected += thing.amount if thing.kind is CashMovementKind.PAID_IN else -thing.amount
    return expected
