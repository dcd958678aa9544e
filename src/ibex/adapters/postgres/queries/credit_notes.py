"""Credit notes with their lines and refunds, and lists of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.adapters.postgres.queries.payments import FOLDED, payments_of
from ibex.domain.sales.credit_notes import CreditNote, CreditNoteLine, Disposition, IssuedCreditNote
from ibex.domain.sales.queries import CreditNoteFilter, CreditNoteRow
from ibex.domain.shared.ids import CreditNoteId, ProductId, StoreId
from ibex.domain.shared.money import Currency
from ibex.domain.shared.paging import Page, PageRequest

DOCUMENT: Final = f"""
SELECT c.*,
  (SELECT json_agg(json_build_array(l.line_no, l.invoice_line_no, l.product_id, l.sku, l.name, l.unit_price::text,
            l.quantity::text, l.tax_rate::text, l.cost_price::text, l.net::text, l.tax::text, l.disposition)
            ORDER BY l.line_no)
   FROM ibex.credit_note_lines l WHERE l.store_id = c.store_id AND l.credit_note_id = c.id) AS lines,
  (SELECT {FOLDED} FROM ibex.payments p WHERE p.store_id = c.store_id AND p.credit_note_id = c.id) AS payments
FROM ibex.credit_notes c WHERE c.store_id = $1 AND c.id = $2
"""


class _Line(msgspec.Struct, array_like=True):
    line_no: int
    invoice_line_no: int | None
    product_id: ProductId
    sku: str
    name: str
    unit_price: Decimal
    quantity: Decimal
    tax_rate: Decimal
    cost_price: Decimal | None
    net: Decimal
    tax: Decimal
    disposition: Disposition

    def as_line(self) -> CreditNoteLine:
        return CreditNoteLine(
            line_no=self.line_no,
            invoice_line_no=self.invoice_line_no,
            product_id=self.product_id,
            sku=self.sku,
            name=self.name,
            unit_price=self.unit_price,
            quantity=self.quantity,
            tax_rate=self.tax_rate,
            cost_price=self.cost_price,
            net=self.net,
            tax=self.tax,
            disposition=self.disposition,
        )


_DECODE: Final = msgspec.json.Decoder(list[_Line]).decode


def credit_note_of(row: Record) -> CreditNote:
    """A row of DOCUMENT as a credit note with its lines."""
    return CreditNote(
        id=row["id"],
        store_id=row["store_id"],
        number=row["number"],
        operator_id=row["operator_id"],
        currency=Currency(row["currency"]),
        prices_include_tax=row["prices_include_tax"],
        lines=tuple(line.as_line() for line in _DECODE(row["lines"])),
        rounding=row["rounding"],
        refunded=row["refunded"],
        business_date=row["business_date"],
        occurred_at=row["occurred_at"],
        issued_at=row["issued_at"],
        invoice_id=row["invoice_id"],
        customer_id=row["customer_id"],
        reason=row["reason"],
    )


class PostgresCreditNoteQueries:
    """Implements CreditNoteQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def document(self, store_id: StoreId, credit_note_id: CreditNoteId) -> IssuedCreditNote | None:
        """See the port."""
        row = await self._database.read_one(DOCUMENT, store_id, credit_note_id)
        if row is None:
            return None
        return IssuedCreditNote(note=credit_note_of(row), payments=payments_of(row["payments"]))

    async def list(self, store_id: StoreId, where: CreditNoteFilter, page: PageRequest) -> Page[CreditNoteRow]:
        """See the port."""
        conditions = Conditions("c.store_id", store_id)
        conditions.add("c.invoice_id = {}", where.invoice_id)
        conditions.add("c.customer_id = {}", where.customer_id)
        conditions.add("c.number = {}", where.number)
        conditions.add("c.business_date >= {}", where.date_from)
        conditions.add("c.business_date <= {}", where.date_to)
        newest_first = not where.oldest_first
        conditions.after("c.number", ("bigint",), page, descending=newest_first)
        limit = conditions.limit(page)
        way = "DESC" if newest_first else "ASC"
        rows = await self._database.read(
            f"""
            SELECT c.id, c.number, c.invoice_id, c.customer_id, c.operator_id, c.currency, c.reason, c.line_count,
              c.net_total, c.tax_total, c.total, c.refunded, c.business_date, c.issued_at
            FROM ibex.credit_notes c WHERE {conditions} ORDER BY c.number {way} {limit}
            """,
            *conditions.arguments,
        )
        notes = [CreditNoteRow(**dict(row)) for row in rows]
        return page_of(notes, [(str(note.number),) for note in notes], page)
