"""What the core needs to know of invoices."""

from __future__ import annotations

from typing import Protocol

from ibex.domain.sales.model import Invoice
from ibex.domain.shared.ids import InvoiceId, StoreId


class InvoiceRepository(Protocol):
    """The invoices as they are now."""

    async def get(self, store_id: StoreId, invoice_id: InvoiceId) -> Invoice | None:
        """The invoice with its lines, or None if the store has none of that id."""
        ...
