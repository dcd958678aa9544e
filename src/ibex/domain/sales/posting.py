"""What issuing and settling write: stock, ledger, payments, audit and events, in one set of changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from ibex.domain.catalog.model import MovementKind, StockMovement
from ibex.domain.customers.model import AccountCredit
from ibex.domain.ledger.model import EntryType, LedgerEntry
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.tender import Applied, Payment, PaymentKind, PaymentMethod
from ibex.domain.shared.ids import CustomerId, IdSource, InvoiceId, PaymentId, ProductId, ReceiptId, ShiftId
from ibex.domain.shared.journal import AuditEntry, Changes, Counter, Event


def receipts_for(
    changes: Changes,
    applied: Sequence[Applied],
    ids: IdSource,
    *,
    invoice_id: InvoiceId | None,
    customer_id: CustomerId | None,
    business_date: date,
    occurred_at: datetime,
    shift_id: ShiftId | None = None,
    receipt: tuple[ReceiptId, int] | None = None,
) -> list[Payment]:
    """The payments of one receipt for one invoice (or on account): one row a tender, one number for all of them."""
    if not applied:
        return []
    receipt_id, number = receipt or (ReceiptId(ids.new()), changes.number(Counter.RECEIPT, ids))
    return [
        Payment(
            id=PaymentId(ids.new()),
            receipt_id=receipt_id,
            receipt_number=number,
            kind=PaymentKind.RECEIPT,
            applied=one,
            business_date=business_date,
            occurred_at=occurred_at,
            invoice_id=invoice_id,
            customer_id=customer_id,
            shift_id=shift_id,
        )
        for one in applied
    ]


def post_stock_of(
    changes: Changes,
    invoice: Invoice,
    ids: IdSource,
    *,
    versions: Mapping[ProductId, int] | None = None,
    may_oversell: bool = False,
) -> None:
    """The goods leave: one movement a product, lines of the same product taken together."""
    for product_id, quantity in invoice.quantities().items():
        changes.add(
            StockMovement(
                id=ids.new(),
                product_id=product_id,
                kind=MovementKind.SOLD,
                quantity=-quantity,
                invoice_id=invoice.id,
                occurred_at=invoice.occurred_at,
                expected_version=versions[product_id] if versions else None,
                may_oversell=may_oversell,
                must_be_active=not may_oversell,
            )
        )


def post_sale(changes: Changes, invoice: Invoice, ids: IdSource) -> None:
    """The SALE entry of an invoice that is being issued."""
    changes.add(
        LedgerEntry(
            id=ids.new(),
            type=EntryType.SALE,
            currency=invoice.currency,
            debit=invoice.totals.total,
            customer_id=invoice.customer_id,
            document_number=invoice.number,
            invoice_id=invoice.id,
            business_date=invoice.business_date,
            occurred_at=invoice.occurred_at,
        )
    )


def post_receipts(changes: Changes, payments: Iterable[Payment], invoice: Invoice, ids: IdSource) -> None:
    """The payments and their RECEIPT entries; money taken from the account is no new receipt."""
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
                currency=invoice.currency,
                credit=payment.applied.amount,
                customer_id=payment.customer_id,
                document_number=payment.receipt_number,
                invoice_id=payment.invoice_id,
                payment_id=payment.id,
                business_date=payment.business_date,
                occurred_at=payment.occurred_at,
            )
        )


def tell(changes: Changes, ids: IdSource, action: str, invoice: Invoice, *, reason: str = "") -> None:
    """The audit entry and the event of something that happened to an invoice."""
    after = {
        "number": invoice.number,
        "status": invoice.status.value,
        "total": f"{invoice.totals.total:f}",
        "paid": f"{invoice.paid:f}",
        "customer_id": None if invoice.customer_id is None else str(invoice.customer_id),
    }
    changes.add(
        AuditEntry(action=action, entity="invoice", entity_id=str(invoice.id), after=after, reason=reason),
        Event(id=ids.new(), type=action, data={"invoice_id": str(invoice.id), **after}),
    )
