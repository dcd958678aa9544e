"""What customers owe: their open invoices, and the debts that they brought along when the shop moved in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Protocol

from ibex.domain.sales.model import InvoiceStatus
from ibex.domain.shared.errors import InvalidTransition
from ibex.domain.shared.ids import CustomerId, InvoiceId, StoreId
from ibex.domain.shared.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivable:
    """An invoice as its settlement sees it: without its lines."""

    id: InvoiceId
    customer_id: CustomerId | None
    number: int | None
    status: InvoiceStatus
    total: Decimal
    paid: Decimal
    credited: Decimal
    business_date: date
    due_date: date | None
    version: int

    @property
    def outstanding(self) -> Decimal:
        """What is still to be paid; nothing of a draft or a cancelled one."""
        if self.status is not InvoiceStatus.UNPAID:
            return ZERO
        return self.total - self.paid - self.credited

    def settled_by(self, amount: Decimal) -> Receivable:
        """After a payment of ``amount`` for it. Raises InvalidTransition if nothing is owed."""
        self.must_be_owed()
        paid = self.paid + amount
        status = InvoiceStatus.PAID if paid + self.credited == self.total else InvoiceStatus.UNPAID
        return replace(self, paid=paid, status=status)

    def must_be_owed(self) -> None:
        """Raises InvalidTransition unless it is issued and not settled."""
        if self.status is not InvoiceStatus.UNPAID:
            raise InvalidTransition(
                f"Nothing is owed for an invoice that is {self.status.value}.",
                current=self.status.value,
                asked=InvoiceStatus.PAID.value,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDebts:
    """What a customer owes, and has on account, as of one moment."""

    customer_id: CustomerId
    account_credit: Decimal
    opening_due: Decimal
    owed: Decimal
    """All of it: the opening debt and every open invoice, those not listed included."""
    invoices: Sequence[Receivable]
    """The oldest open invoices, oldest first, and those that were asked for by id, whatever their status."""


class DebtReader(Protocol):
    """Reads what customers owe."""

    async def debts(
        self, store_id: StoreId, customer_id: CustomerId, *, limit: int, also: Sequence[InvoiceId] = ()
    ) -> CustomerDebts | None:
        """The customer's debts with the ``limit`` oldest open invoices, and those of ``also`` that are the customer's.

        None if the store has no such customer.
        """
        ...
