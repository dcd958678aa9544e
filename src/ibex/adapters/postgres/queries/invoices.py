"""Invoices with their payments, and lists of them."""

from __future__ import annotations

from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.invoices import COLUMNS, invoice_of
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.adapters.postgres.queries.payments import FOLDED, payments_of
from ibex.domain.sales.queries import InvoiceFilter, InvoiceRow
from ibex.domain.sales.requests import SettledInvoice
from ibex.domain.shared.ids import InvoiceId, StoreId
from ibex.domain.shared.paging import Page, PageRequest

DOCUMENT: Final = f"""
SELECT {COLUMNS},
  (SELECT {FOLDED} FROM ibex.payments p WHERE p.store_id = i.store_id AND p.invoice_id = i.id) AS payments
FROM ibex.invoices i WHERE i.store_id = $1 AND i.id = $2
"""


class PostgresInvoiceQueries:
    """Implements InvoiceQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def document(self, store_id: StoreId, invoice_id: InvoiceId) -> SettledInvoice | None:
        """See the port."""
        row = await self._database.read_one(DOCUMENT, store_id, invoice_id)
        if row is None:
            return None
        return SettledInvoice(invoice=invoice_of(row), payments=payments_of(row["payments"]))

    async def list(self, store_id: StoreId, where: InvoiceFilter, page: PageRequest) -> Page[InvoiceRow]:
        """See the port."""
        conditions = Conditions("i.store_id", store_id)
        conditions.add("i.status = {}", None if where.status is None else where.status.value)
        conditions.add("i.customer_id = {}", where.customer_id)
        conditions.add("i.number = {}", where.number)
        conditions.add("i.business_date >= {}", where.date_from)
        conditions.add("i.business_date <= {}", where.date_to)
        newest_first = not where.oldest_first
        conditions.after("i.created_at, i.id", ("timestamptz", "uuid"), page, descending=newest_first)
        limit = conditions.limit(page)
        way = "DESC" if newest_first else "ASC"
        rows = await self._database.read(
            f"""
            SELECT i.id, i.number, i.status, i.customer_id, i.operator_id, i.currency, i.line_count, i.net_total,
              i.tax_total, i.total, i.paid, i.credited, i.oversold, i.due_date, i.business_date, i.occurred_at,
              i.created_at, i.issued_at, i.version
            FROM ibex.invoices i WHERE {conditions} ORDER BY i.created_at {way}, i.id {way} {limit}
            """,
            *conditions.arguments,
        )
        invoices = [InvoiceRow(**dict(row)) for row in rows]
        return page_of(invoices, [(i.created_at.isoformat(), str(i.id)) for i in invoices], page)
