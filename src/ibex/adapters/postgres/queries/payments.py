"""The payments of a document, folded into its row as JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from ibex.domain.sales.tender import Applied, Payment, PaymentKind, PaymentMethod
from ibex.domain.shared.ids import CreditNoteId, CustomerId, InvoiceId, PaymentId, ReceiptId, ShiftId

FOLDED: Final = """
json_agg(json_build_array(p.id, p.receipt_id, p.receipt_number, p.kind, p.method, p.amount::text,
  p.tendered::text, p.change_due::text, p.reference, p.business_date, p.occurred_at, p.invoice_id, p.credit_note_id,
  p.customer_id, p.shift_id) ORDER BY p.receipt_number, p.id)
"""
"""An aggregate over ``ibex.payments p``, for `payments_of`."""


class _Payment(msgspec.Struct, array_like=True):
    id: PaymentId
    receipt_id: ReceiptId
    receipt_number: int
    kind: PaymentKind
    method: PaymentMethod
    amount: Decimal
    tendered: Decimal
    change_due: Decimal
    reference: str
    business_date: date
    occurred_at: datetime
    invoice_id: InvoiceId | None
    credit_note_id: CreditNoteId | None
    customer_id: CustomerId | None
    shift_id: ShiftId | None

    def as_payment(self) -> Payment:
        return Payment(
            id=self.id,
            receipt_id=self.receipt_id,
            receipt_number=self.receipt_number,
            kind=self.kind,
            applied=Applied(
                method=self.method,
                amount=self.amount,
                tendered=self.tendered,
                change_due=self.change_due,
                reference=self.reference,
            ),
            business_date=self.business_date,
            occurred_at=self.occurred_at.astimezone(UTC),
            invoice_id=self.invoice_id,
            credit_note_id=self.credit_note_id,
            customer_id=self.customer_id,
            shift_id=self.shift_id,
        )


_DECODE: Final = msgspec.json.Decoder(list[_Payment]).decode


def payments_of(folded: str | None) -> list[Payment]:
    """The payments in a column made by FOLDED."""
    return [one.as_payment() for one in _DECODE(folded)] if folded else []
