"""What the shop has written, in memory: the state behind the fakes."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from ibex.domain.catalog.model import Product, StockMovement
from ibex.domain.customers.model import Customer
from ibex.domain.ledger.model import LedgerEntry
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.tender import Payment
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.journal import AuditEntry, Event

T = TypeVar("T")
Key = tuple[StoreId, UUID]


@dataclass(slots=True)
class Books:
    """Everything, by store and id; frozen values in plain containers, so that a copy of these is a snapshot."""

    things: dict[type, dict[Key, Any]] = field(default_factory=dict)
    barcodes: dict[tuple[StoreId, str], UUID] = field(default_factory=dict)
    records: list[object] = field(default_factory=list)
    """Added things without an id of their own to be found by (price changes)."""
    movements: list[tuple[StockMovement, Decimal]] = field(default_factory=list)
    """Each with the stock after it."""
    payments: list[Payment] = field(default_factory=list)
    ledger: list[tuple[LedgerEntry, Decimal | None]] = field(default_factory=list)
    """Each with the customer's balance after it."""
    audit: list[AuditEntry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counters: dict[tuple[StoreId, str], int] = field(default_factory=dict)
    open_shifts: set[UUID] = field(default_factory=set)

    def of(self, kind: type[T]) -> dict[Key, T]:
        """The things of a type."""
        return self.things.setdefault(kind, {})

    def put(self, thing: Any) -> None:
        """A thing that is there before the test begins, or its new state."""
        self.of(type(thing))[thing.store_id, thing.id] = thing

    def product(self, product: Product) -> Product:
        """The product as it is now."""
        return self.of(Product)[product.store_id, product.id]

    def customer(self, customer: Customer) -> Customer:
        """The customer as it is now."""
        return self.of(Customer)[customer.store_id, customer.id]

    def invoice(self, invoice_id: UUID, store_id: StoreId) -> Invoice:
        """The invoice as it is now."""
        return next(i for key, i in self.of(Invoice).items() if key == (store_id, invoice_id))

    def entries(self, kind: str | None = None) -> list[LedgerEntry]:
        """The ledger, or its entries of one type."""
        return [entry for entry, _ in self.ledger if kind in (None, entry.type.value)]

    def snapshot(self) -> Books:
        """A copy that later changes do not reach."""
        return Books(
            things={kind: dict(found) for kind, found in self.things.items()},
            barcodes=dict(self.barcodes),
            records=list(self.records),
            movements=list(self.movements),
            payments=list(self.payments),
            ledger=list(self.ledger),
            audit=list(self.audit),
            events=list(self.events),
            counters=dict(self.counters),
            open_shifts=set(self.open_shifts),
        )

    def become(self, other: Books) -> None:
        """Takes over the state of a snapshot."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(other, name))
