"""Lists of customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ibex.domain.customers.model import Customer
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerFilter:
    """Which customers. ``search`` looks into names and at the beginning of phone numbers."""

    search: str | None = None
    phone: str | None = None
    active: bool | None = None


class CustomerQueries(Protocol):
    """Reads lists of customers."""

    async def list(self, store_id: StoreId, where: CustomerFilter, page: PageRequest) -> Page[Customer]:
        """Customers by name."""
        ...
