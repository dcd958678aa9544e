"""Keeping the customers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from ibex.domain.customers.model import Customer
from ibex.domain.customers.ports import CustomerRepository
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.change import UNSET, Unset, given, must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CustomerId, IdSource
from ibex.domain.shared.journal import Added, AuditEntry, Changed, Changes, Event, Journal, Posted, Reply
from ibex.domain.shared.money import Currency, money


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRequest:
    """A new customer. Without a credit limit the customer may owe any amount."""

    name: str
    id: CustomerId | None = None
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    credit_limit: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChange:
    """What to change of a customer; UNSET leaves a field as it is."""

    name: str | Unset = UNSET
    phone: str | Unset | None = UNSET
    email: str | Unset | None = UNSET
    address: str | Unset | None = UNSET
    credit_limit: Decimal | Unset | None = UNSET
    active: bool | Unset = UNSET


class CreateCustomer:
    """Adds a customer."""

    def __init__(self, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: CustomerRequest, reply: Reply) -> Posted:
        """Adds the customer. Raises InvalidValue, AlreadyExists."""
        actor.require(Permission.CUSTOMERS_WRITE)
        now = self._clock.now()
        customer = Customer(
            id=request.id or CustomerId(self._ids.new()),
            store_id=actor.store_id,
            name=request.name,
            phone=request.phone,
            email=request.email,
            address=request.address,
            credit_limit=checked_limit(request.credit_limit, actor.store.currency),
            created_at=now,
            updated_at=now,
        )
        changes = changes_of(actor, now)
        changes.add(Added(thing=customer))
        tell_customer(changes, self._ids, "customer.created", customer)
        return await self._journal.post(changes, reply, customer)


class ChangeCustomer:
    """Changes a customer."""

    def __init__(self, customers: CustomerRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._customers = customers
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        customer_id: CustomerId,
        change: CustomerChange,
        reply: Reply,
        *,
        expected_version: int | None,
    ) -> Posted:
        """Writes the change. Raises NotFound, PreconditionFailed, InvalidValue, AlreadyExists, ConcurrentChange."""
        actor.require(Permission.CUSTOMERS_WRITE)
        before = await read_customer(self._customers, actor, customer_id)
        must_have_version("customer", before.version, expected_version)
        after = replace(before, **given(change))
        if after.credit_limit != before.credit_limit:
            # How much somebody may owe is for a manager to say.
            actor.require(Permission.SALES_OVERRIDE)
            after = replace(after, credit_limit=checked_limit(after.credit_limit, actor.store.currency))
        now = self._clock.now()
        changes = changes_of(actor, now)
        changes.add(Changed(thing=after))
        written = replace(after, version=before.version + 1, updated_at=now)
        tell_customer(changes, self._ids, "customer.changed", written, before=before)
        return await self._journal.post(changes, reply, written)


async def read_customer(customers: CustomerRepository, actor: Actor, customer_id: CustomerId) -> Customer:
    """The customer, or NotFound: the same for one that is another store's."""
    customer = await customers.get(actor.store_id, customer_id)
    if customer is None:
        raise NotFound("There is no such customer in this store.", field="customer_id")
    return customer


def checked_limit(limit: Decimal | None, currency: Currency) -> Decimal | None:
    """The limit at the currency's decimals. Raises InvalidValue."""
    return None if limit is None else money(limit, currency, field="credit_limit")


def tell_customer(
    changes: Changes, ids: IdSource, action: str, customer: Customer, *, before: Customer | None = None
) -> None:
    """The audit entry and the event of something that happened to a customer."""
    changes.add(
        AuditEntry(
            action=action,
            entity="customer",
            entity_id=str(customer.id),
            before=None if before is None else facts_of(before),
            after=facts_of(customer),
        ),
        Event(id=ids.new(), type=action, data={"customer_id": str(customer.id), "name": customer.name}),
    )


def facts_of(customer: Customer) -> dict[str, object]:
    """What the audit tells of a customer."""
    limit = customer.credit_limit
    return {
        "name": customer.name,
        "phone": customer.phone,
        "credit_limit": None if limit is None else f"{limit:f}",
        "active": customer.active,
    }
