"""The journal in memory. It keeps the promises of the port: all or nothing, one key one answer, versions, stock and
limits checked on what is there now, gapless numbers. tests/contract holds it and the real one to the same cases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from functools import singledispatchmethod
from typing import Any, TypeVar
from uuid import UUID

from ibex.domain.catalog.model import Barcode, MovementKind, Product, StockMovement
from ibex.domain.customers.model import AccountCredit, Customer, OpeningDue
from ibex.domain.drawer.model import DrawerClosing, Shift, ShiftStatus
from ibex.domain.ledger.model import EntryType, LedgerEntry
from ibex.domain.sales.credit_notes import LineReturned
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.receivables import Receivable
from ibex.domain.sales.tender import Payment
from ibex.domain.shared.errors import (
    AlreadyExists,
    ConcurrentChange,
    CreditLimitExceeded,
    CustomerInactive,
    IdempotencyKeyReused,
    InsufficientAccountCredit,
    InsufficientStock,
    NotFound,
    ProductInactive,
    ReturnExceedsSale,
    ShiftClosed,
    StaleProducts,
)
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.journal import (
    Added,
    AuditEntry,
    BalanceTouch,
    Changed,
    Changes,
    Event,
    Posted,
    Removed,
    Reply,
    Unchanged,
)
from tests.fakes.books import Books
from tests.fakes.drawer import expected_cash

T = TypeVar("T")


class FakeJournal:
    """Implements ibex.domain.shared.journal.Journal on Books."""

    def __init__(self, books: Books | None = None) -> None:
        self.books = books or Books()
        self.posted: list[Changes] = []
        """What was posted, in order."""
        self.fail_with: list[Exception] = []
        """Errors to raise in turn instead of posting, as a database would."""
        self._answers: dict[tuple[StoreId, str], tuple[bytes, Posted]] = {}
        self._changes: Changes
        self._numbers: dict[int, int | str] = {}
        self._moved: list[Mapping[str, Any]] = []

    async def post(self, changes: Changes, reply: Reply, result: object) -> Posted:
        """See the port."""
        first = await self.recall(changes.store_id, reply)
        if first is not None:
            return first
        if self.fail_with:
            raise self.fail_with.pop(0)
        before = self.books.snapshot()
        self._changes, self._numbers, self._moved = changes, {}, []
        try:
            self._check()
            self._take_numbers()
            for fact in changes.facts:
                self.take(fact)
        except BaseException:
            self.books.become(before)
            raise
        self.posted.append(changes)
        document = reply.present(result)
        for placeholder, value in self._numbers.items():
            document = document.replace(str(placeholder).encode(), str(value).encode())
        numbers = {place: value for place, value in self._numbers.items() if isinstance(value, int)}
        posted = Posted(document=document, status=reply.status, numbers=numbers, moved=self._moved)
        if reply.key is not None:
            self._answers[changes.store_id, reply.key] = (reply.fingerprint, posted)
        return posted

    async def recall(self, store_id: StoreId, reply: Reply) -> Posted | None:
        """See the port."""
        if reply.key is None or (store_id, reply.key) not in self._answers:
            return None
        fingerprint, posted = self._answers[store_id, reply.key]
        if fingerprint != reply.fingerprint:
            raise IdempotencyKeyReused("This key was used for another request.")
        return replace(posted, replayed=True)

    def _check(self) -> None:
        """What the real one checks under its locks, in the order in which it takes them."""
        facts = self._changes.facts
        for fact in facts:
            if isinstance(fact, Unchanged):
                self._guard(fact.invoice_id, fact.version)
            elif isinstance(fact, Changed) and isinstance(fact.thing, Invoice | Receivable):
                self._guard(fact.thing.id, fact.thing.version)
        movements = [f for f in facts if isinstance(f, StockMovement) and f.kind is not MovementKind.OPENING]
        if movements:
            self._check_stock(movements)
        self._check_balances()
        if self._changes.shift_id is not None and self._changes.shift_id not in self.books.open_shifts:
            raise ShiftClosed("No such shift is open.", field="shift_id")
        for fact in facts:
            if isinstance(fact, DrawerClosing) and fact.shift_id not in self.books.open_shifts:
                raise ShiftClosed("No such shift is open.", field="shift_id")

    def _guard(self, invoice_id: UUID, version: int) -> None:
        found = self.books.of(Invoice).get((self._changes.store_id, invoice_id))
        if found is None or found.version != version:
            raise ConcurrentChange("Somebody else changed the document.")

    def _check_stock(self, movements: list[StockMovement]) -> None:
        short, stale, inactive = [], [], []
        for movement in movements:
            product = self._existing(Product, movement.product_id, "product_id")
            if movement.expected_version not in (None, product.version):
                stale.append(str(product.id))
            if movement.must_be_active and not product.active:
                inactive.append(str(product.id))
            quantity = movement.quantity or Decimal(0)
            if product.track_stock and not movement.may_oversell and quantity < 0 and product.stock + quantity < 0:
                short.append({"product_id": str(product.id), "asked": str(-quantity), "in_stock": str(product.stock)})
        if short:
            raise InsufficientStock("Less in stock.", products=short)
        if stale:
            raise StaleProducts("A product was changed.", products=stale)
        if inactive:
            raise ProductInactive("A product is archived.")

    def _check_balances(self) -> None:
        owed: dict[UUID, Decimal] = {}
        used: dict[UUID, Decimal] = {}
        active: set[UUID] = set()
        for fact in self._changes.facts:
            if isinstance(fact, LedgerEntry) and fact.customer_id is not None:
                owed[fact.customer_id] = owed.get(fact.customer_id, Decimal(0)) + fact.debit - fact.credit
                if fact.type is EntryType.SALE:
                    active.add(fact.customer_id)
            elif isinstance(fact, AccountCredit):
                used[fact.customer_id] = used.get(fact.customer_id, Decimal(0)) + fact.amount
            elif isinstance(fact, OpeningDue):
                customer = self._existing(Customer, fact.customer_id, "customer_id")
                if fact.expected not in (None, customer.opening_due):
                    raise ConcurrentChange("Somebody else changed it.")
            elif isinstance(fact, BalanceTouch):
                owed.setdefault(fact.customer_id, Decimal(0))
                if fact.must_be_active:
                    active.add(fact.customer_id)
        for customer_id in sorted({*owed, *used}):
            customer = self._existing(Customer, customer_id, "customer_id")
            delta = owed.get(customer_id, Decimal(0))
            limit = None if self._changes.may_exceed_credit_limit else customer.credit_limit
            if limit is not None and delta > 0 and customer.balance + delta > limit:
                raise CreditLimitExceeded("Above the credit limit.", field="customer_id")
            if customer.account_credit + used.get(customer_id, Decimal(0)) < 0:
                raise InsufficientAccountCredit("Less on the account.", field="customer_id")
            if customer_id in active and not customer.active:
                raise CustomerInactive("The customer is archived.", field="customer_id")

    def _take_numbers(self) -> None:
        for counter, placeholder in self._changes.numbers:
            key = (self._changes.store_id, counter.value)
            self.books.counters[key] = self.books.counters.get(key, 0) + 1
            self._numbers[placeholder] = self.books.counters[key]

    def _existing(self, kind: type[T], thing_id: UUID, field: str) -> T:
        found = self.books.of(kind).get((self._changes.store_id, thing_id))
        if found is None:
            raise NotFound(f"There is no such {kind.__name__.lower()} in this store.", field=field)
        return found

    def _unique(self, kind: type[Any], thing: Any, field: str) -> None:
        value = getattr(thing, field)
        others = [o for (s, _), o in self.books.of(kind).items() if s == thing.store_id and o.id != thing.id]
        if value is not None and any(getattr(other, field) == value for other in others):
            raise AlreadyExists(f"Another one has this {field}.", field=field)

    def _numbered(self, value: Any) -> Any:
        """The value with numbers where its placeholders were."""
        if isinstance(value, int) and value in self._numbers:
            return self._numbers[value]
        if isinstance(value, dict):
            return {name: self._numbered(inner) for name, inner in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            found = {f.name: getattr(value, f.name) for f in fields(value)}
            changed = {name: self._numbered(inner) for name, inner in found.items() if type(inner) in (int, dict)}
            return replace(value, **changed)
        return value

    @singledispatchmethod
    def take(self, fact: object) -> None:
        """Writes one fact. Raises TypeError for one that it does not know."""
        raise TypeError(f"the journal cannot write a {type(fact).__name__}")

    @take.register
    def _(self, fact: Added) -> None:
        thing: Any = self._numbered(fact.thing)
        if isinstance(thing, tuple):
            return  # the lines of a changed draft: Changed has them
        if isinstance(thing, Barcode):
            key = (self._changes.store_id, thing.code)
            if key in self.books.barcodes:
                raise AlreadyExists("Another product has this barcode.", field="barcodes")
            self.books.barcodes[key] = thing.product_id
            return
        if not hasattr(thing, "store_id"):
            self.books.records.append(thing)
            return
        assert thing.store_id == self._changes.store_id, "a thing of another store"
        if (thing.store_id, thing.id) in self.books.of(type(thing)):
            raise AlreadyExists("There is one with this id already.", field="id")
        self._must_be_unique(thing)
        self.books.put(thing)
        if isinstance(thing, Shift):
            self.books.open_shifts.add(thing.id)

    @take.register
    def _(self, fact: Changed) -> None:
        thing: Any = self._numbered(fact.thing)
        if isinstance(thing, Receivable):
            invoice = self.books.invoice(thing.id, self._changes.store_id)
            settled = replace(invoice, status=thing.status, paid=thing.paid, credited=thing.credited)
            self.books.put(replace(settled, version=invoice.version + 1))
            return
        before: Any = self.books.of(type(thing)).get((thing.store_id, thing.id))
        if before is None or before.version != thing.version:
            raise ConcurrentChange("Somebody else changed it.")
        self._must_be_unique(thing)
        # Stock and balances are the movements' and the ledger's to change.
        theirs = ("stock", "oversold", "balance", "account_credit", "opening_due")
        kept = {name: getattr(before, name) for name in theirs if hasattr(before, name)}
        if isinstance(before, Invoice) and before.number is not None:
            kept["lines"] = before.lines  # an issued invoice's lines stay; what came back is LineReturned's to say
        self.books.put(replace(thing, version=before.version + 1, **kept))

    def _must_be_unique(self, thing: Any) -> None:
        if isinstance(thing, Product):
            self._unique(Product, thing, "sku")
        elif isinstance(thing, Customer):
            self._unique(Customer, thing, "phone")
        elif isinstance(thing, Shift):
            shifts = self.books.of(Shift).values()
            if any(s.drawer == thing.drawer and s.id in self.books.open_shifts for s in shifts):
                raise AlreadyExists("A shift is open on this drawer already.", field="drawer")

    @take.register
    def _(self, fact: Removed) -> None:
        if fact.table == "product_barcodes":
            self.books.barcodes.pop((self._changes.store_id, str(fact.key["barcode"])), None)

    @take.register(Unchanged)
    @take.register(BalanceTouch)
    def _(self, fact: object) -> None:
        """Checked before anything was written."""

    @take.register
    def _(self, fact: LineReturned) -> None:
        invoice = self.books.invoice(fact.invoice_id, self._changes.store_id)
        lines = tuple(
            replace(line, returned=line.returned + (fact.quantity if line.line_no == fact.line_no else 0))
            for line in invoice.lines
        )
        if any(line.returned > line.quantity for line in lines):
            raise ReturnExceedsSale("More would come back than was sold.", field="lines")
        self.books.put(replace(invoice, lines=lines))

    @take.register
    def _(self, fact: StockMovement) -> None:
        product = self._existing(Product, fact.product_id, "product_id")
        if fact.kind is MovementKind.OPENING:
            self.books.movements.append((fact, product.stock))
            return
        if not product.track_stock:
            return
        change = fact.counted - product.stock if fact.counted is not None else fact.quantity
        assert change is not None, "a movement has a quantity, or what was counted"
        after = product.stock + change
        oversold = fact.counted is None and after < 0
        self.books.put(replace(product, stock=after, oversold=oversold))
        self.books.movements.append((replace(fact, quantity=change), after))
        moved = {"product_id": str(product.id), "quantity": change, "balance": after, "oversold": oversold}
        self._moved.append(moved)
        for placeholder, value in ((fact.balance_at, after), (fact.quantity_at, change)):
            if placeholder is not None:
                self._numbers[placeholder] = f"{value:f}"

    @take.register
    def _(self, fact: Payment) -> None:
        self.books.payments.append(self._numbered(fact))

    @take.register
    def _(self, fact: LedgerEntry) -> None:
        balance = None
        if fact.customer_id is not None:
            customer = self._existing(Customer, fact.customer_id, "customer_id")
            balance = customer.balance + fact.debit - fact.credit
            self.books.put(replace(customer, balance=balance))
        self.books.ledger.append((self._numbered(fact), balance))

    @take.register
    def _(self, fact: AccountCredit) -> None:
        customer = self._existing(Customer, fact.customer_id, "customer_id")
        self.books.put(replace(customer, account_credit=customer.account_credit + fact.amount))

    @take.register
    def _(self, fact: OpeningDue) -> None:
        customer = self._existing(Customer, fact.customer_id, "customer_id")
        self.books.put(replace(customer, opening_due=customer.opening_due + fact.amount))

    @take.register
    def _(self, fact: DrawerClosing) -> None:
        shift = self._existing(Shift, fact.shift_id, "shift_id")
        expected = expected_cash(self.books, shift)
        difference = fact.counted_cash - expected
        self.books.open_shifts.discard(shift.id)
        self.books.put(replace(shift, status=ShiftStatus.CLOSED, version=shift.version + 1))
        self._numbers[fact.expected_at] = f"{expected:f}"
        self._numbers[fact.difference_at] = f"{difference:f}"
        self._numbers[fact.report_at] = json.dumps({"expected_cash": f"{expected:f}", "difference": f"{difference:f}"})

    @take.register
    def _(self, fact: AuditEntry) -> None:
        self.books.audit.append(self._numbered(fact))

    @take.register
    def _(self, fact: Event) -> None:
        self.books.events.append(self._numbered(fact))
