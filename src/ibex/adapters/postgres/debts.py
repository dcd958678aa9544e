"""What customers owe, read from PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from ibex.adapters.postgres.database import Database
from ibex.domain.sales.model import InvoiceStatus
from ibex.domain.sales.receivables import CustomerDebts, Receivable
from ibex.domain.shared.ids import CustomerId, InvoiceId, StoreId

ROW: Final = """json_build_array(x.id, x.customer_id, x.number, x.status, x.total::text, x.paid::text, x.credited::text,
  x.business_date, x.due_date, x.version)"""
"""An invoice ``x`` as `receivables_of` reads it."""
DEBTS: Final = f"""
SELECT c.id, c.account_credit, c.opening_due,
  c.opening_due + coalesce((SELECT sum(i.total - i.paid - i.credited) FROM ibex.invoices i
    WHERE i.store_id = c.store_id AND i.customer_id = c.id AND i.status = 'UNPAID'), 0) AS owed,
  (SELECT json_agg({ROW} ORDER BY x.business_date, x.number) FROM (
     SELECT * FROM ibex.invoices i
     WHERE i.store_id = c.store_id AND i.customer_id = c.id AND (i.id = ANY ($4::uuid[]) OR i.id IN (
       SELECT o.id FROM ibex.invoices o
       WHERE o.store_id = c.store_id AND o.customer_id = c.id AND o.status = 'UNPAID'
       ORDER BY o.business_date, o.number LIMIT $3))
   ) x) AS invoices
FROM ibex.customers c WHERE c.store_id = $1 AND c.id = $2
"""


class _Receivable(msgspec.Struct, array_like=True):
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

    def as_receivable(self) -> Receivable:
        return Receivable(
            id=self.id,
            customer_id=self.customer_id,
            number=self.number,
            status=self.status,
            total=self.total,
            paid=self.paid,
            credited=self.credited,
            business_date=self.business_date,
            due_date=self.due_date,
            version=self.version,
        )


_DECODE: Final = msgspec.json.Decoder(list[_Receivable]).decode


def receivables_of(text: str | None) -> list[Receivable]:
    """A JSON array of ROWs."""
    return [one.as_receivable() for one in _DECODE(text)] if text else []


class PostgresDebts:
    """Implements DebtReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def debts(
        self, store_id: StoreId, customer_id: CustomerId, *, limit: int, also: Sequence[InvoiceId] = ()
    ) -> CustomerDebts | None:
        """See the port. One round trip."""
        row = await self._database.read_one(DEBTS, store_id, customer_id, limit, list(also))
        if row is None:
            return None
        return CustomerDebts(
            customer_id=row["id"],
            account_credit=row["account_credit"],
            opening_due=row["opening_due"],
            owed=row["owed"],
            invoices=receivables_of(row["invoices"]),
        )
