"""Customers read from PostgreSQL."""

from __future__ import annotations

from typing import Final

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.customers.model import Customer
from ibex.domain.customers.queries import CustomerFilter
from ibex.domain.shared.ids import CustomerId, StoreId
from ibex.domain.shared.paging import Page, PageRequest

COLUMNS: Final = """
c.id, c.store_id, c.name, c.phone, c.email, c.address, c.credit_limit, c.balance, c.account_credit, c.opening_due,
c.active, c.version, c.created_at, c.updated_at
"""
GET: Final = f"SELECT {COLUMNS} FROM ibex.customers c WHERE c.store_id = $1 AND c.id = $2"


def customer_of(row: Record) -> Customer:
    """A row of COLUMNS as a customer."""
    return Customer(**dict(row))


class PostgresCustomers:
    """Implements CustomerRepository and CustomerQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, store_id: StoreId, customer_id: CustomerId) -> Customer | None:
        """See the port."""
        row = await self._database.read_one(GET, store_id, customer_id)
        return None if row is None else customer_of(row)

    async def list(self, store_id: StoreId, where: CustomerFilter, page: PageRequest) -> Page[Customer]:
        """See the port."""
        conditions = Conditions("c.store_id", store_id)
        conditions.add("(strpos(lower(c.name), lower({})) > 0 OR starts_with(c.phone, {}))", where.search)
        conditions.add("c.phone = {}", where.phone)
        conditions.add("c.active = {}", where.active)
        conditions.after("c.name, c.id", ("text", "uuid"), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {COLUMNS} FROM ibex.customers c WHERE {conditions} ORDER BY c.name, c.id {limit}",
            *conditions.arguments,
        )
        customers = [customer_of(row) for row in rows]
        return page_of(customers, [(c.name, str(c.id)) for c in customers], page)
