"""Money from a customer for all that is owed: one receipt that settles many invoices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from ibex.domain.customers.model import AccountCredit, OpeningDue
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.ledger.model import EntryType, LedgerEntry
from ibex.domain.sales.allocation import MAX_SETTLED, Portion, Slice, Wanted, money_given, share_out, slices
from ibex.domain.sales.model import InvoiceStatus
from ibex.domain.sales.receivables import CustomerDebts, DebtReader, Receivable
from ibex.domain.sales.tender import Payment, PaymentKind, PaymentMethod, Tender
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import ConcurrentChange, InsufficientAccountCredit, NotFound, Overpayment
from ibex.domain.shared.ids import CustomerId, IdSource, OperatorId, PaymentId, ReceiptId, ShiftId
from ibex.domain.shared.journal import AuditEntry, Changed, Changes, Counter, Event, Journal, Posted, Reply
from ibex.domain.shared.money import ZERO, Currency

ATTEMPTS: Final = 3
"""How often the debts are read again when somebody else pays them in the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRequest:
    """Money for what a customer owes."""

    tenders: Sequence[Tender]
    allocations: Sequence[Wanted] = ()
    keep_overpayment: bool = False
    """Money beyond all debts goes on the customer's account; otherwise it is refused."""
    shift_id: ShiftId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledPart:
    """What a receipt has paid of one invoice, and the invoice after it."""

    amount: Decimal
    invoice: Receivable


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One act of money coming in or (a refund) going out, with all its rows."""

    id: ReceiptId
    number: int
    kind: PaymentKind
    customer_id: CustomerId | None
    operator_id: OperatorId
    shift_id: ShiftId | None
    business_date: date
    occurred_at: datetime
    payments: Sequence[Payment]
    settled: Sequence[SettledPart] = ()
    """What it has paid of which invoices."""

    @property
    def amount(self) -> Decimal:
        """All the money, what was taken from the account included."""
        return sum((p.applied.amount for p in self.payments), ZERO)


class TakeReceipt:
    """Takes money from a customer and settles invoices with it, in one posting."""

    def __init__(self, debts: DebtReader, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._debts = debts
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, customer_id: CustomerId, request: ReceiptRequest, reply: Reply) -> Posted:
        """Settles what the money covers. A change in the same moment leads to another look at the debts.

        Raises NotFound, InvalidTransition, InvalidValue, Overpayment, InsufficientTender, InsufficientAccountCredit,
        LimitExceeded, ShiftClosed; ConcurrentChange if the debts change faster than they can be read.
        """
        actor.require(Permission.PAYMENTS_WRITE)
        also = [wanted.invoice_id for wanted in request.allocations]
        for attempt in range(1, ATTEMPTS + 1):
            debts = await self._debts.debts(actor.store_id, customer_id, limit=MAX_SETTLED, also=also)
            if debts is None:
                raise NotFound("There is no such customer in this store.", field="customer_id")
            changes, receipt = prepare_receipt(actor, debts, request, self._clock.now(), self._ids)
            try:
                return await self._journal.post(changes, reply, receipt)
            except (ConcurrentChange, InsufficientAccountCredit):
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")


def prepare_receipt(
    actor: Actor, debts: CustomerDebts, request: ReceiptRequest, now: datetime, ids: IdSource
) -> tuple[Changes, Receipt]:
    """The receipt, decided: who gets what, and everything that is to be written."""
    currency = actor.store.currency
    given = money_given(debts, request.tenders, currency, keep_overpayment=request.keep_overpayment)
    total = sum((one.amount for one in given), ZERO)
    if total > debts.owed and not request.keep_overpayment:
        raise Overpayment("More money than the customer owes.", field="payments", due=f"{debts.owed:f}")
    portions = share_out(total, debts, request.allocations, currency)
    changes = changes_of(actor, now)
    changes.shift_id = request.shift_id
    head = Receipt(
        id=ReceiptId(ids.new()),
        number=changes.number(Counter.RECEIPT, ids),
        kind=PaymentKind.RECEIPT,
        customer_id=debts.customer_id,
        operator_id=actor.operator_id,
        shift_id=request.shift_id,
        business_date=actor.store.business_date(now),
        occurred_at=now,
        payments=(),
    )
    payments = [_payment(head, piece, ids) for piece in slices(given, portions)]
    settled = [
        SettledPart(amount=portion.amount, invoice=portion.invoice.settled_by(portion.amount))
        for portion in portions
        if portion.invoice is not None
    ]
    changes.add(*(Changed(thing=part.invoice) for part in settled))
    _post_money(changes, payments, currency, ids)
    _post_account(changes, debts, portions)
    receipt = replace(head, payments=payments, settled=settled)
    _tell_receipt(changes, ids, receipt, portions)
    return changes, receipt


def _payment(head: Receipt, piece: Slice, ids: IdSource) -> Payment:
    invoice = piece.portion.invoice
    return Payment(
        id=PaymentId(ids.new()),
        receipt_id=head.id,
        receipt_number=head.number,
        kind=head.kind,
        applied=piece.applied,
        business_date=head.business_date,
        occurred_at=head.occurred_at,
        invoice_id=None if invoice is None else invoice.id,
        customer_id=head.customer_id,
        for_opening=piece.portion.opening,
        shift_id=head.shift_id,
    )


def _post_money(changes: Changes, payments: Sequence[Payment], currency: Currency, ids: IdSource) -> None:
    for payment in payments:
        changes.add(payment)
        if payment.applied.method is PaymentMethod.ACCOUNT:
            assert payment.customer_id is not None, "the account is a customer's"
            changes.add(AccountCredit(customer_id=payment.customer_id, amount=-payment.applied.amount))
            continue
        changes.add(
            LedgerEntry(
                id=ids.new(),
                type=EntryType.RECEIPT,
                currency=currency,
                credit=payment.applied.amount,
                customer_id=payment.customer_id,
                document_number=payment.receipt_number,
                invoice_id=payment.invoice_id,
                payment_id=payment.id,
                business_date=payment.business_date,
                occurred_at=payment.occurred_at,
            )
        )


def _post_account(changes: Changes, debts: CustomerDebts, portions: Sequence[Portion]) -> None:
    for portion in portions:
        if portion.opening:
            changes.add(OpeningDue(customer_id=debts.customer_id, amount=-portion.amount, expected=debts.opening_due))
        elif portion.invoice is None:
            changes.add(AccountCredit(customer_id=debts.customer_id, amount=portion.amount))


def _tell_receipt(changes: Changes, ids: IdSource, receipt: Receipt, portions: Sequence[Portion]) -> None:
    for part in receipt.settled:
        invoice = part.invoice
        action = "invoice.paid" if invoice.status is InvoiceStatus.PAID else "payment.received"
        after = {
            "number": invoice.number,
            "status": invoice.status.value,
            "total": f"{invoice.total:f}",
            "paid": f"{invoice.paid:f}",
            "customer_id": str(invoice.customer_id),
        }
        changes.add(
            AuditEntry(action=action, entity="invoice", entity_id=str(invoice.id), after=after),
            Event(id=ids.new(), type=action, data={"invoice_id": str(invoice.id), **after}),
        )
    facts = {
        "number": receipt.number,
        "customer_id": str(receipt.customer_id),
        "amount": f"{receipt.amount:f}",
        "invoices": len(receipt.settled),
        "opening": f"{sum((p.amount for p in portions if p.opening), ZERO):f}",
        "kept_on_account": f"{sum((p.amount for p in portions if p.invoice is None and not p.opening), ZERO):f}",
    }
    changes.add(
        AuditEntry(action="receipt.taken", entity="receipt", entity_id=str(receipt.id), after=facts),
        Event(id=ids.new(), type="receipt.taken", data={"receipt_id": str(receipt.id), **facts}),
    )
