"""Customers, and how much they may owe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ibex.domain.shared.ids import CustomerId, StoreId
from ibex.domain.shared.money import ZERO
from ibex.domain.shared.text import label, note


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Somebody who buys on account."""

    id: CustomerId
    store_id: StoreId
    name: str
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    credit_limit: Decimal | None = None
    """The most that the customer may owe; None: no limit."""
    balance: Decimal = ZERO
    """What the customer owes now; below zero: what the store owes. Changed by the journal alone."""
    account_credit: Decimal = ZERO
    """What of the balance is money that no invoice has used yet (overpaid, or given back on account)."""
    opening_due: Decimal = ZERO
    """What is left of debts from before the shop moved in. Changed by the journal alone."""
    active: bool = True
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def __post_init__(self) -> None:
        label(self.name, field="name")
        if self.phone is not None:
            label(self.phone, field="phone", max_length=40)
        if self.email is not None:
            label(self.email, field="email", max_length=254)
        if self.address is not None:
            note(self.address, field="address", max_length=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCredit:
    """Money put on a customer's account (or, below zero, taken from it) by a posting."""

    customer_id: CustomerId
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningDue:
    """A debt from before the shop moved in, added to a customer's or (below zero) paid off.

    ``expected`` is what was left of such debts when it was decided: if it is another by now, the journal raises
    ConcurrentChange.
    """

    customer_id: CustomerId
    amount: Decimal
    expected: Decimal | None = None
