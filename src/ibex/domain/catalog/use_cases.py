"""Keeping the catalogue and the stock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from ibex.domain.catalog.model import Barcode, MovementKind, PriceChange, Product, StockMovement
from ibex.domain.catalog.ports import ProductReader, ProductRepository
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.change import UNSET, Unset, given, must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue, NotFound
from ibex.domain.shared.ids import CategoryId, IdSource, ProductId
from ibex.domain.shared.journal import (
    Added,
    AuditEntry,
    Changed,
    Changes,
    Event,
    Journal,
    Posted,
    Removed,
    Reply,
)
from ibex.domain.shared.money import ZERO, Currency, percent, quantity, stock_level, unit_price


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRequest:
    """A new product. ``stock`` is what there is of it now."""

    sku: str
    name: str
    unit_price: Decimal
    id: ProductId | None = None
    tax_rate: Decimal = ZERO
    barcodes: tuple[str, ...] = ()
    category_id: CategoryId | None = None
    cost_price: Decimal | None = None
    unit: str = "EACH"
    track_stock: bool = True
    stock: Decimal = ZERO
    reorder_level: Decimal | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChange:
    """What to change of a product; UNSET leaves a field as it is."""

    sku: str | Unset = UNSET
    name: str | Unset = UNSET
    unit_price: Decimal | Unset = UNSET
    tax_rate: Decimal | Unset = UNSET
    barcodes: tuple[str, ...] | Unset = UNSET
    category_id: CategoryId | Unset | None = UNSET
    cost_price: Decimal | Unset | None = UNSET
    unit: str | Unset = UNSET
    track_stock: bool | Unset = UNSET
    reorder_level: Decimal | Unset | None = UNSET
    active: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementRequest:
    """A change of stock by hand. ``quantity`` is signed for ADJUSTED, else positive; COUNTED gives what is there."""

    kind: MovementKind
    quantity: Decimal
    reason: str = ""
    unit_cost: Decimal | None = None
    id: UUID | None = None


BY_HAND = frozenset({MovementKind.RECEIVED, MovementKind.COUNTED, MovementKind.DAMAGED, MovementKind.ADJUSTED})


class CreateProduct:
    """Adds a product to the catalogue."""

    def __init__(self, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: ProductRequest, reply: Reply) -> Posted:
        """Adds it with its barcodes and opening stock. Raises InvalidValue, AlreadyExists, NotFound (category)."""
        actor.require(Permission.CATALOG_WRITE)
        now = self._clock.now()
        changes = changes_of(actor, now)
        product = new_product(actor, request, self._ids)
        add_product(changes, actor, replace(product, created_at=now, updated_at=now), self._ids)
        return await self._journal.post(changes, reply, replace(product, created_at=now, updated_at=now))


class ChangeProduct:
    """Changes a product. Sales priced from the old one are refused and priced again."""

    def __init__(
        self,
        products: ProductRepository,
        reader: ProductReader,
        journal: Journal,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._products = products
        self._reader = reader
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        product_id: ProductId,
        change: ProductChange,
        reply: Reply,
        *,
        expected_version: int | None,
    ) -> Posted:
        """Writes the change. Raises NotFound, PreconditionFailed, InvalidValue, AlreadyExists, ConcurrentChange."""
        actor.require(Permission.CATALOG_WRITE)
        before = await read_product(self._products, actor, product_id)
        must_have_version("product", before.version, expected_version)
        after = checked(replace(before, **given(change)), actor.store.currency)
        now = self._clock.now()
        changes = changes_of(actor, now)
        changes.add(Changed(thing=after))
        for code in before.barcodes:
            if code not in after.barcodes:
                changes.add(Removed(table="product_barcodes", key={"barcode": code, "product_id": str(before.id)}))
        changes.add(
            *(Added(thing=Barcode(code=c, product_id=after.id)) for c in after.barcodes if c not in before.barcodes)
        )
        written = replace(after, version=before.version + 1, updated_at=now)
        if price_of(before) != price_of(after):
            changes.add(price_change(changes, actor, written, self._ids))
        tell_product(changes, self._ids, "product.changed", written, before=before)
        posted = await self._journal.post(changes, reply, written)
        self._reader.forget(actor.store_id, [product_id])
        return posted


class MoveStock:
    """Changes stock by hand: goods received, counted, damaged, adjusted."""

    def __init__(self, products: ProductRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._products = products
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, product_id: ProductId, request: MovementRequest, reply: Reply) -> Posted:
        """Posts the movement. Raises NotFound, InvalidValue, InsufficientStock."""
        actor.require(Permission.STOCK_WRITE)
        now = self._clock.now()
        changes = changes_of(actor, now)
        movement = movement_of(actor, product_id, request, now, self._ids)
        product = await read_product(self._products, actor, product_id)
        if not product.track_stock:
            raise InvalidValue("The stock of this product is not tracked.", field="product_id")
        changes.add(movement)
        amount = request.quantity
        changes.add(
            AuditEntry(
                action="stock.moved",
                entity="product",
                entity_id=str(product_id),
                after={"kind": request.kind.value, "quantity": f"{amount:f}"},
                reason=request.reason,
            ),
            Event(
                id=self._ids.new(),
                type="stock.moved",
                data={"product_id": str(product_id), "kind": request.kind.value, "quantity": f"{amount:f}"},
            ),
        )
        return await self._journal.post(changes, reply, movement)


def new_product(actor: Actor, request: ProductRequest, ids: IdSource) -> Product:
    """The request as a product of the actor's store. Raises InvalidValue."""
    product = Product(
        id=request.id or ProductId(ids.new()),
        store_id=actor.store_id,
        sku=request.sku,
        name=request.name,
        unit_price=request.unit_price,
        tax_rate=request.tax_rate,
        barcodes=request.barcodes,
        category_id=request.category_id,
        cost_price=request.cost_price,
        unit=request.unit,
        track_stock=request.track_stock,
        stock=stock_level(request.stock),
        reorder_level=request.reorder_level,
        active=request.active,
    )
    if product.stock and not product.track_stock:
        raise InvalidValue("A product whose stock is not tracked has no stock.", field="stock")
    return checked(product, actor.store.currency)


def add_product(changes: Changes, actor: Actor, product: Product, ids: IdSource) -> None:
    """Everything that a new product writes."""
    changes.add(Added(thing=product), *(Added(thing=Barcode(code=c, product_id=product.id)) for c in product.barcodes))
    changes.add(price_change(changes, actor, product, ids))
    if product.track_stock and product.stock:
        changes.add(
            StockMovement(
                id=ids.new(),
                product_id=product.id,
                kind=MovementKind.OPENING,
                quantity=product.stock,
                unit_cost=product.cost_price,
                occurred_at=changes.at,
            )
        )
    tell_product(changes, ids, "product.created", product)


def movement_of(
    actor: Actor, product_id: ProductId, request: MovementRequest, now: datetime, ids: IdSource
) -> StockMovement:
    """The movement that the request means. Raises InvalidValue for one that only a document makes."""
    if request.kind not in BY_HAND:
        raise InvalidValue("By hand stock is RECEIVED, COUNTED, DAMAGED or ADJUSTED.", field="kind")
    counted = None
    amount: Decimal | None
    if request.kind is MovementKind.COUNTED:
        counted, amount = stock_level(request.quantity, field="quantity"), None
    elif request.kind is MovementKind.ADJUSTED:
        amount = quantity(request.quantity, signed=True)
    else:
        amount = quantity(request.quantity)
        amount = -amount if request.kind is MovementKind.DAMAGED else amount
    cost = request.unit_cost
    return StockMovement(
        id=request.id or ids.new(),
        product_id=product_id,
        kind=request.kind,
        quantity=amount,
        counted=counted,
        reason=request.reason,
        unit_cost=None if cost is None else unit_price(cost, actor.store.currency, field="unit_cost"),
        occurred_at=now,
        balance_at=ids.placeholder(),
        quantity_at=ids.placeholder() if counted is not None else None,
    )


async def read_product(products: ProductRepository, actor: Actor, product_id: ProductId) -> Product:
    """The product, or NotFound: the same for one that is another store's."""
    product = await products.get(actor.store_id, product_id)
    if product is None:
        raise NotFound("There is no such product in this store.", field="product_id")
    return product


def checked(product: Product, currency: Currency) -> Product:
    """The product with its numbers at their proper decimals. Raises InvalidValue."""
    cost, level = product.cost_price, product.reorder_level
    return replace(
        product,
        unit_price=unit_price(product.unit_price, currency),
        cost_price=None if cost is None else unit_price(cost, currency, field="cost_price"),
        tax_rate=percent(product.tax_rate),
        reorder_level=None if level is None else stock_level(level, field="reorder_level"),
    )


def price_change(changes: Changes, actor: Actor, product: Product, ids: IdSource) -> Added:
    """The entry of the price history."""
    return Added(
        thing=PriceChange(
            id=ids.new(),
            product_id=product.id,
            product_version=product.version,
            unit_price=product.unit_price,
            cost_price=product.cost_price,
            tax_rate=product.tax_rate,
            operator_id=actor.operator_id,
            changed_at=changes.at,
        )
    )


def tell_product(
    changes: Changes, ids: IdSource, action: str, product: Product, *, before: Product | None = None
) -> None:
    """The audit entry and the event of something that happened to a product."""
    changes.add(
        AuditEntry(
            action=action,
            entity="product",
            entity_id=str(product.id),
            before=None if before is None else facts_of(before),
            after=facts_of(product),
        ),
        Event(id=ids.new(), type=action, data={"product_id": str(product.id), **facts_of(product)}),
    )


def facts_of(product: Product) -> dict[str, object]:
    """What audit and events tell of a product."""
    return {
        "sku": product.sku,
        "name": product.name,
        "unit_price": f"{product.unit_price:f}",
        "tax_rate": f"{product.tax_rate:f}",
        "barcodes": list(product.barcodes),
        "active": product.active,
    }


def price_of(product: Product) -> tuple[Decimal, Decimal | None, Decimal]:
    """What the price history keeps of a product."""
    return product.unit_price, product.cost_price, product.tax_rate
