"""Money that goes back: how it is given, and what crediting writes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ibex.domain.catalog.model import MovementKind, StockMovement
from ibex.domain.customers.model import AccountCredit
from ibex.domain.identity.model import Store
from ibex.domain.ledger.model import EntryType, LedgerEntry
from ibex.domain.sales.credit_notes import CreditNote, LineReturned, Refund
from ibex.domain.sales.tender import MAX_TENDERS, Applied, Payment, PaymentKind, PaymentMethod
from ibex.domain.shared.errors import InsufficientTender, InvalidValue, Overpayment
from ibex.domain.shared.ids import IdSource, PaymentId, ReceiptId, ShiftId
from ibex.domain.shared.journal import Added, AuditEntry, Changes, Counter, Event
from ibex.domain.shared.money import ZERO, Currency, money


def cash_step(store: Store, refunds: Sequence[Refund]) -> Decimal:
    """What is given back is rounded to this: the store's cash step where all of it goes back in cash, else 0."""
    all_cash = bool(refunds) and all(one.method is PaymentMethod.CASH for one in refunds)
    return store.cash_rounding if all_cash else ZERO


def apply_refunds(due: Decimal, refunds: Sequence[Refund], currency: Currency) -> list[Applied]:
    """The refunds as applied to ``due``, which they must give back exactly.

    Raises InvalidValue if it is not said how, Overpayment and InsufficientTender for more or less than is due.
    """
    if len(refunds) > MAX_TENDERS:
        raise InvalidValue(f"Give at most {MAX_TENDERS} refunds.", field="refunds")
    if due > 0 and not refunds:
        raise InvalidValue(
            f"Say how {due:f} goes back: give refund_method (or refunds).", field="refund_method", due=f"{due:f}"
        )
    left = due
    applied: list[Applied] = []
    for i, one in enumerate(refunds):
        amount = left if one.amount is None else money(one.amount, currency, field=f"refunds[{i}].amount")
        if amount > left:
            raise Overpayment("More would be given back than is due.", field=f"refunds[{i}].amount", due=f"{left:f}")
        left -= amount
        if amount > 0:
            applied.append(
                Applied(
                    method=one.method,
                    amount=amount,
                    tendered=amount,
                    change_due=currency.zero(),
                    reference=one.reference,
                )
            )
    if left > 0:
        raise InsufficientTender(
            "The refunds are less than what goes back to the customer.",
            field="refunds",
            due=f"{due:f}",
            given=f"{due - left:f}",
        )
    return applied


def refunds_for(
    changes: Changes, note: CreditNote, applied: Sequence[Applied], ids: IdSource, *, shift_id: ShiftId | None
) -> list[Payment]:
    """The payments that go back with a credit note: one receipt. Raises InvalidValue for an account of nobody's."""
    if not applied:
        return []
    if note.customer_id is None and any(one.method is PaymentMethod.ACCOUNT for one in applied):
        raise InvalidValue("Only a customer has an account to put it on.", field="refund_method")
    receipt_id, number = ReceiptId(ids.new()), changes.number(Counter.RECEIPT, ids)
    return [
        Payment(
            id=PaymentId(ids.new()),
            receipt_id=receipt_id,
            receipt_number=number,
            kind=PaymentKind.REFUND,
            applied=one,
            business_date=note.business_date,
            occurred_at=note.occurred_at,
            invoice_id=note.invoice_id,
            credit_note_id=note.id,
            customer_id=note.customer_id,
            shift_id=shift_id,
        )
        for one in applied
    ]


def post_credit_note(changes: Changes, note: CreditNote, payments: Sequence[Payment], ids: IdSource) -> None:
    """The note, the goods on their shelves, the CREDIT_NOTE entry, and the money that goes back."""
    changes.add(Added(thing=note))
    if note.invoice_id is not None:
        pieces: dict[int, Decimal] = {}
        for line in note.lines:
            assert line.invoice_line_no is not None, "a credit note for an invoice names its lines"
            pieces[line.invoice_line_no] = pieces.get(line.invoice_line_no, ZERO) + line.quantity
        for line_no, quantity in pieces.items():
            changes.add(LineReturned(invoice_id=note.invoice_id, line_no=line_no, quantity=quantity))
    for product_id, quantity in note.restocked().items():
        changes.add(
            StockMovement(
                id=ids.new(),
                product_id=product_id,
                kind=MovementKind.RETURNED,
                quantity=quantity,
                credit_note_id=note.id,
                occurred_at=note.occurred_at,
            )
        )
    changes.add(
        LedgerEntry(
            id=ids.new(),
            type=EntryType.CREDIT_NOTE,
            currency=note.currency,
            credit=note.total,
            customer_id=note.customer_id,
            document_number=note.number,
            invoice_id=note.invoice_id,
            credit_note_id=note.id,
            business_date=note.business_date,
            occurred_at=note.occurred_at,
        )
    )
    for payment in payments:
        _post_refund(changes, payment, note, ids)


def _post_refund(changes: Changes, payment: Payment, note: CreditNote, ids: IdSource) -> None:
    changes.add(payment)
    amount = payment.applied.amount
    if payment.applied.method is PaymentMethod.ACCOUNT:
        # No money moves: the CREDIT_NOTE entry has lowered the balance, and this says that it may be used.
        assert payment.customer_id is not None, "the account is a customer's"
        changes.add(AccountCredit(customer_id=payment.customer_id, amount=amount))
        return
    changes.add(
        LedgerEntry(
            id=ids.new(),
            type=EntryType.REFUND,
            currency=note.currency,
            debit=amount,
            customer_id=payment.customer_id,
            document_number=payment.receipt_number,
            invoice_id=payment.invoice_id,
            credit_note_id=note.id,
            payment_id=payment.id,
            business_date=payment.business_date,
            occurred_at=payment.occurred_at,
        )
    )


def tell_credit(changes: Changes, ids: IdSource, note: CreditNote) -> None:
    """The audit entry and the event of a credit note."""
    after = {
        "number": note.number,
        "invoice_id": None if note.invoice_id is None else str(note.invoice_id),
        "customer_id": None if note.customer_id is None else str(note.customer_id),
        "total": f"{note.total:f}",
        "refunded": f"{note.refunded:f}",
    }
    changes.add(
        AuditEntry(
            action="credit_note.issued",
            entity="credit_note",
            entity_id=str(note.id),
            after=after,
            reason=note.reason,
        ),
        Event(id=ids.new(), type="credit_note.issued", data={"credit_note_id": str(note.id), **after}),
    )
