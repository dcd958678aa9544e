"""Invoices read from PostgreSQL: one statement, the lines folded into the row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from ibex.adapters.postgres.database import Database, Record
from ibex.domain.sales.model import Invoice, InvoiceLine, InvoiceStatus
from ibex.domain.sales.pricing import Discount, Priced, Totals
from ibex.domain.shared.ids import InvoiceId, ProductId, StoreId
from ibex.domain.shared.money import Currency

COLUMNS: Final = """
i.store_id, i.id, i.number, i.status, i.customer_id, i.operator_id, i.currency, i.prices_include_tax, i.subtotal,
i.discount_total, i.net_total, i.tax_total, i.rounding, i.total, i.paid, i.credited, i.discount, i.note, i.offline,
i.oversold, i.due_date, i.shift_id, i.business_date, i.occurred_at, i.created_at, i.issued_at, i.cancelled_at,
i.version,
(SELECT json_agg(json_build_array(l.line_no, l.product_id, l.sku, l.name, l.unit_price::text, l.quantity::text,
          l.tax_rate::text, l.cost_price::text, l.gross::text, l.discount::text, l.order_discount::text, l.net::text,
          l.tax::text, l.total::text, l.returned::text) ORDER BY l.line_no)
 FROM ibex.invoice_lines l WHERE l.store_id = i.store_id AND l.invoice_id = i.id) AS lines
"""
GET: Final = f"SELECT {COLUMNS} FROM ibex.invoices i WHERE i.store_id = $1 AND i.id = $2"


class _Line(msgspec.Struct, array_like=True):
    line_no: int
    product_id: ProductId
    sku: str
    name: str
    unit_price: Decimal
    quantity: Decimal
    tax_rate: Decimal
    cost_price: Decimal | None
    gross: Decimal
    discount: Decimal
    order_discount: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal
    returned: Decimal

    def as_line(self) -> InvoiceLine:
        return InvoiceLine(
            line_no=self.line_no,
            product_id=self.product_id,
            sku=self.sku,
            name=self.name,
            unit_price=self.unit_price,
            quantity=self.quantity,
            tax_rate=self.tax_rate,
            cost_price=self.cost_price,
            amounts=Priced(
                gross=self.gross,
                discount=self.discount,
                order_discount=self.order_discount,
                net=self.net,
                tax=self.tax,
                total=self.total,
            ),
            returned=self.returned,
        )


_DECODE: Final = msgspec.json.Decoder(list[_Line]).decode


def discount_of(text: str | None) -> Discount | None:
    """A discount from its JSON."""
    if text is None:
        return None
    parts: dict[str, Any] = msgspec.json.decode(text)
    return Discount(**{name: Decimal(value) for name, value in parts.items()})


def invoice_of(row: Record) -> Invoice:
    """A row of GET as an invoice with its lines."""
    currency = Currency(row["currency"])
    return Invoice(
        id=row["id"],
        store_id=row["store_id"],
        number=row["number"],
        status=InvoiceStatus(row["status"]),
        customer_id=row["customer_id"],
        operator_id=row["operator_id"],
        currency=currency,
        prices_include_tax=row["prices_include_tax"],
        lines=tuple(line.as_line() for line in _DECODE(row["lines"])),
        totals=Totals(
            subtotal=row["subtotal"],
            discount=row["discount_total"],
            net=row["net_total"],
            tax=row["tax_total"],
            rounding=row["rounding"],
            total=row["total"],
        ),
        paid=row["paid"],
        credited=row["credited"],
        discount=discount_of(row["discount"]),
        note=row["note"],
        offline=row["offline"],
        oversold=row["oversold"],
        due_date=row["due_date"],
        shift_id=row["shift_id"],
        business_date=row["business_date"],
        occurred_at=row["occurred_at"],
        created_at=row["created_at"],
        issued_at=row["issued_at"],
        cancelled_at=row["cancelled_at"],
        version=row["version"],
    )


class PostgresInvoices:
    """Implements InvoiceRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, store_id: StoreId, invoice_id: InvoiceId) -> Invoice | None:
        """See the port. One round trip."""
        row = await self._database.read_one(GET, store_id, invoice_id)
        return None if row is None else invoice_of(row)
