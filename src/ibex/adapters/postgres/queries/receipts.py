"""Receipts: payments, folded by the receipt that they belong to."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.debts import ROW, receivables_of
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.sales.receipt_queries import ReceiptFilter, ReceiptRow
from ibex.domain.sales.receipts import Receipt, SettledPart
from ibex.domain.sales.tender import Applied, Payment, PaymentKind, PaymentMethod
from ibex.domain.shared.ids import InvoiceId, ReceiptId, StoreId
from ibex.domain.shared.paging import Page, PageRequest

RECEIPT: Final = f"""
SELECT p.*, (SELECT json_agg({ROW} ORDER BY x.business_date, x.number)
             FROM ibex.invoices x WHERE x.store_id = p.store_id AND x.id IN (
               SELECT q.invoice_id FROM ibex.payments q
               WHERE q.store_id = p.store_id AND q.receipt_id = p.receipt_id AND q.kind = 'RECEIPT')) AS invoices
FROM ibex.payments p WHERE p.store_id = $1 AND p.receipt_id = $2 ORDER BY p.id
"""


class PostgresReceiptQueries:
    """Implements ReceiptQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, store_id: StoreId, where: ReceiptFilter, page: PageRequest) -> Page[ReceiptRow]:
        """See the port."""
        conditions = Conditions("p.store_id", store_id)
        conditions.add("p.kind = {}", None if where.kind is None else where.kind.value)
        conditions.add("p.customer_id = {}", where.customer_id)
        conditions.add("p.shift_id = {}", where.shift_id)
        conditions.add("p.business_date >= {}", where.date_from)
        conditions.add("p.business_date <= {}", where.date_to)
        conditions.after("p.receipt_number", ("bigint",), page, descending=True)
        limit = conditions.limit(page)
        # All rows of a receipt agree in everything but the money, so that one of them speaks for it.
        rows = await self._database.read(
            f"""
            SELECT p.receipt_id AS id, p.receipt_number AS number, min(p.kind) AS kind,
              (array_agg(p.customer_id))[1] AS customer_id, (array_agg(p.operator_id))[1] AS operator_id,
              (array_agg(p.shift_id))[1] AS shift_id, array_agg(DISTINCT p.method ORDER BY p.method) AS methods,
              sum(p.amount) AS amount, sum(p.change_due) AS change_due, min(p.business_date) AS business_date,
              min(p.occurred_at) AS occurred_at
            FROM ibex.payments p WHERE {conditions}
            GROUP BY p.receipt_number, p.receipt_id ORDER BY p.receipt_number DESC {limit}
            """,
            *conditions.arguments,
        )
        receipts = [ReceiptRow(**dict(row)) for row in rows]
        return page_of(receipts, [(str(r.number),) for r in receipts], page)

    async def receipt(self, store_id: StoreId, receipt_id: ReceiptId) -> Receipt | None:
        """See the port."""
        rows = await self._database.read(RECEIPT, store_id, receipt_id)
        if not rows:
            return None
        first = rows[0]
        payments = [_payment(row) for row in rows]
        paid: dict[InvoiceId | None, Decimal] = {}
        for payment in payments:
            paid[payment.invoice_id] = paid.get(payment.invoice_id, Decimal(0)) + payment.applied.amount
        return Receipt(
            id=receipt_id,
            number=first["receipt_number"],
            kind=PaymentKind(first["kind"]),
            customer_id=first["customer_id"],
            operator_id=first["operator_id"],
            shift_id=first["shift_id"],
            business_date=first["business_date"],
            occurred_at=first["occurred_at"],
            payments=payments,
            settled=[
                SettledPart(amount=paid[invoice.id], invoice=invoice) for invoice in receivables_of(first["invoices"])
            ],
        )


def _payment(row: Record) -> Payment:
    return Payment(
        id=row["id"],
        receipt_id=row["receipt_id"],
        receipt_number=row["receipt_number"],
        kind=PaymentKind(row["kind"]),
        applied=Applied(
            method=PaymentMethod(row["method"]),
            amount=row["amount"],
            tendered=row["tendered"],
            change_due=row["change_due"],
            reference=row["reference"],
        ),
        business_date=row["business_date"],
        occurred_at=row["occurred_at"],
        invoice_id=row["invoice_id"],
        credit_note_id=row["credit_note_id"],
        customer_id=row["customer_id"],
        for_opening=row["for_opening"],
        shift_id=row["shift_id"],
    )
