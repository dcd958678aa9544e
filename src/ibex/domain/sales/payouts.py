"""Money on a customer's account, paid back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ibex.domain.customers.model import AccountCredit, Customer
from ibex.domain.customers.ports import CustomerRepository
from ibex.domain.customers.use_cases import read_customer
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.ledger.model import EntryType, LedgerEntry
from ibex.domain.sales.receipts import Receipt
from ibex.domain.sales.sell import overrides_limit
from ibex.domain.sales.tender import Applied, Payment, PaymentKind, PaymentMethod
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InsufficientAccountCredit, InvalidValue
from ibex.domain.shared.ids import CustomerId, IdSource, PaymentId, ReceiptId, ShiftId
from ibex.domain.shared.journal import AuditEntry, Changes, Counter, Event, Journal, Posted, Reply
from ibex.domain.shared.money import money
from ibex.domain.shared.text import note


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRequest:
    """Money on account to pay back; without ``amount`` all of it."""

    method: PaymentMethod
    amount: Decimal | None = None
    reference: str = ""
    reason: str = ""
    override_reason: str = ""
    """Why a manager pays out although the customer then owes more than the credit limit."""
    shift_id: ShiftId | None = None

    def __post_init__(self) -> None:
        if self.method is PaymentMethod.ACCOUNT:
            raise InvalidValue("Money is paid back by CASH, CARD or TRANSFER.", field="method")
        note(self.reference, field="reference", max_length=200)
        note(self.reason, field="reason")


class PayOutCredit:
    """Pays a customer's account credit back."""

    def __init__(self, customers: CustomerRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._customers = customers
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, customer_id: CustomerId, request: PayoutRequest, reply: Reply) -> Posted:
        """Pays the money back. Raises NotFound, InvalidValue, InsufficientAccountCredit, CreditLimitExceeded,
        ShiftClosed.
        """
        actor.require(Permission.REFUNDS_WRITE)
        customer = await read_customer(self._customers, actor, customer_id)
        amount = _amount(actor, customer, request)
        now = self._clock.now()
        changes = changes_of(actor, now)
        changes.shift_id = request.shift_id
        # Whoever owes as much as the limit allows, with credit apart, would owe more of it without that credit.
        changes.may_exceed_credit_limit = overrides_limit(actor, request.override_reason)
        payment = Payment(
            id=PaymentId(self._ids.new()),
            receipt_id=ReceiptId(self._ids.new()),
            receipt_number=changes.number(Counter.RECEIPT, self._ids),
            kind=PaymentKind.REFUND,
            applied=Applied(
                method=request.method,
                amount=amount,
                tendered=amount,
                change_due=actor.store.currency.zero(),
                reference=request.reference,
            ),
            business_date=actor.store.business_date(now),
            occurred_at=now,
            customer_id=customer.id,
            shift_id=request.shift_id,
        )
        self._post(changes, actor, payment, request)
        receipt = Receipt(
            id=payment.receipt_id,
            number=payment.receipt_number,
            kind=payment.kind,
            customer_id=customer.id,
            operator_id=actor.operator_id,
            shift_id=payment.shift_id,
            business_date=payment.business_date,
            occurred_at=now,
            payments=[payment],
        )
        return await self._journal.post(changes, reply, receipt)

    def _post(self, changes: Changes, actor: Actor, payment: Payment, request: PayoutRequest) -> None:
        assert payment.customer_id is not None, "the account is a customer's"
        facts = {
            "number": payment.receipt_number,
            "customer_id": str(payment.customer_id),
            "amount": f"{payment.applied.amount:f}",
            "method": payment.applied.method.value,
        }
        receipt_id = str(payment.receipt_id)
        changes.add(
            payment,
            AccountCredit(customer_id=payment.customer_id, amount=-payment.applied.amount),
            LedgerEntry(
                id=self._ids.new(),
                type=EntryType.REFUND,
                currency=actor.store.currency,
                debit=payment.applied.amount,
                customer_id=payment.customer_id,
                document_number=payment.receipt_number,
                payment_id=payment.id,
                note=request.reason,
                business_date=payment.business_date,
                occurred_at=payment.occurred_at,
            ),
            AuditEntry(
                action="account.paid_out",
                entity="receipt",
                entity_id=receipt_id,
                after=facts,
                reason=request.override_reason or request.reason,
            ),
            Event(id=self._ids.new(), type="account.paid_out", data={"receipt_id": receipt_id, **facts}),
        )


def _amount(actor: Actor, customer: Customer, request: PayoutRequest) -> Decimal:
    currency = actor.store.currency
    credit = currency.round(customer.account_credit)
    amount = credit if request.amount is None else money(request.amount, currency)
    if amount > credit or credit == 0:
        raise InsufficientAccountCredit(
            "There is less on the customer's account than was to be paid back.",
            field="amount",
            account_credit=f"{credit:f}",
        )
    if amount == 0:
        raise InvalidValue("An amount must be more than zero.", field="amount")
    return amount
