"""What customers owe, or have on account, when a shop moves in.

Each call adds one OPENING entry to the ledger. A debit is a debt without an invoice: it is kept in the customer's
``opening_due``, ages from the day that is given, and receipts settle it before any invoice. A credit goes on the
customer's account. A mistake is corrected by an opening entry on the other side (and, for a debt, by paying it from
the account): like all of the ledger, an opening is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from ibex.domain.customers.model import AccountCredit, OpeningDue
from ibex.domain.customers.ports import CustomerRepository
from ibex.domain.customers.use_cases import read_customer
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.ledger.model import EntryType, LedgerEntry
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.ids import CustomerId, IdSource
from ibex.domain.shared.journal import AuditEntry, Event, Journal, Posted, Reply
from ibex.domain.shared.money import ZERO, money
from ibex.domain.shared.text import note


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningRequest:
    """What the customer owed (``debit``) or had on account (``credit``): one of the two, more than zero."""

    debit: Decimal | None = None
    credit: Decimal | None = None
    as_of: date | None = None
    """The day that it dates from; None: today. It ages from there."""
    note: str = ""

    def __post_init__(self) -> None:
        if (self.debit is None) == (self.credit is None):
            raise InvalidValue("Give exactly one of debit and credit.", field="debit")
        note(self.note, field="note")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningBalance:
    """An opening as it was entered."""

    id: UUID
    customer_id: CustomerId
    debit: Decimal
    credit: Decimal
    business_date: date
    note: str


class EnterOpeningBalance:
    """Enters what a customer brings along."""

    def __init__(self, customers: CustomerRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._customers = customers
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, customer_id: CustomerId, request: OpeningRequest, reply: Reply) -> Posted:
        """Writes the entry. Raises NotFound, InvalidValue."""
        actor.require(Permission.LEDGER_WRITE)
        customer = await read_customer(self._customers, actor, customer_id)
        now = self._clock.now()
        today = actor.store.business_date(now)
        day = request.as_of or today
        if day > today:
            raise InvalidValue("An opening balance cannot date from the future.", field="as_of")
        side = "debit" if request.debit is not None else "credit"
        currency = actor.store.currency
        amount = money(getattr(request, side), currency, field=side)
        if amount == 0:
            raise InvalidValue("An amount must be more than zero.", field=side)
        opening = OpeningBalance(
            id=self._ids.new(),
            customer_id=customer.id,
            debit=amount if side == "debit" else currency.zero(),
            credit=amount if side == "credit" else currency.zero(),
            business_date=day,
            note=request.note,
        )
        changes = changes_of(actor, now)
        # It is a fact already: no limit can undo it.
        changes.may_exceed_credit_limit = True
        changes.add(
            OpeningDue(customer_id=customer.id, amount=amount)
            if side == "debit"
            else AccountCredit(customer_id=customer.id, amount=amount),
            LedgerEntry(
                id=opening.id,
                type=EntryType.OPENING,
                currency=currency,
                debit=opening.debit or ZERO,
                credit=opening.credit or ZERO,
                customer_id=customer.id,
                note=request.note,
                business_date=day,
                occurred_at=now,
            ),
        )
        facts = {side: f"{amount:f}", "as_of": day.isoformat(), "note": request.note}
        changes.add(
            AuditEntry(action="customer.opening_balance", entity="customer", entity_id=str(customer.id), after=facts),
            Event(
                id=self._ids.new(),
                type="customer.opening_balance",
                data={"customer_id": str(customer.id), side: facts[side], "as_of": facts["as_of"]},
            ),
        )
        return await self._journal.post(changes, reply, opening)
