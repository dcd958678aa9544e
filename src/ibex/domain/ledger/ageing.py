"""How old debts are: by customer and for the store, as of any day.

A debt ages from its due date, or from the day of its invoice where it has none; a debt from before the shop moved in
from the day that it was entered for. What is true as of a day is what payments and credit notes up to that day have
left: a later receipt changes nothing of it. Money on account pays no debt by itself, so that it is shown apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CustomerId, StoreId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Debts by days past due. ``balance`` is the ledger's: ``total`` - ``account_credit``."""

    not_due: Decimal
    days_1_30: Decimal
    days_31_60: Decimal
    days_61_90: Decimal
    over_90: Decimal
    account_credit: Decimal
    balance: Decimal

    @property
    def total(self) -> Decimal:
        """All debts, of whatever age."""
        return self.not_due + self.days_1_30 + self.days_31_60 + self.days_61_90 + self.over_90


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAges:
    """A customer's debts by age."""

    customer_id: CustomerId
    name: str
    ages: Ages


@dataclass(frozen=True, slots=True, kw_only=True)
class AgedCustomer:
    """The same with its day."""

    as_of: date
    customer: CustomerAges


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivables:
    """A page of the customers who owe or have something, and the sums over all of them."""

    as_of: date
    totals: Ages
    page: Page[CustomerAges]


class AgeingQueries(Protocol):
    """Reads debts by age."""

    async def customer(self, store_id: StoreId, customer_id: CustomerId, as_of: date) -> CustomerAges | None:
        """The customer's debts as of that day; None if the store has no such customer."""
        ...

    async def store(self, store_id: StoreId, as_of: date, page: PageRequest) -> Receivables:
        """The customers with debts or account credit as of that day, by name."""
        ...


class ReadAgeing:
    """Ages of debts as of a day, which is today where none is given."""

    def __init__(self, queries: AgeingQueries, clock: Clock) -> None:
        self._queries = queries
        self._clock = clock

    async def customer(self, actor: Actor, customer_id: CustomerId, as_of: date | None) -> AgedCustomer:
        """One customer's. Raises NotFound."""
        actor.require(Permission.LEDGER_READ)
        day = as_of or self._today(actor)
        found = await self._queries.customer(actor.store_id, customer_id, day)
        if found is None:
            raise NotFound("There is no such customer in this store.", field="customer_id")
        return AgedCustomer(as_of=day, customer=found)

    async def store(self, actor: Actor, as_of: date | None, page: PageRequest) -> Receivables:
        """The whole store's."""
        actor.require(Permission.LEDGER_READ)
        return await self._queries.store(actor.store_id, as_of or self._today(actor), page)

    def now(self) -> datetime:
        """The moment of reading, to be printed on what is made of it."""
        return self._clock.now()

    def _today(self, actor: Actor) -> date:
        return actor.store.business_date(self._clock.now())
