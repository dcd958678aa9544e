"""What the core needs to know of customers."""

from __future__ import annotations

from typing import Protocol

from ibex.domain.customers.model import Customer
from ibex.domain.shared.ids import CustomerId, StoreId


class CustomerRepository(Protocol):
    """The customers as they are now."""

    async def get(self, store_id: StoreId, customer_id: CustomerId) -> Customer | None:
        """The customer, or None if the store has none of that id."""
        ...
