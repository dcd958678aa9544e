"""Products and stock movements as callers send and get them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import UNSET, UnsetType

from ibex.domain.catalog.model import Product, StockMovement
from ibex.domain.catalog.queries import MovementRow, PriceRow
from ibex.entrypoints.http.types import (
    ClientId,
    Label,
    Note,
    PercentText,
    PriceText,
    QuantityText,
    Request,
    SignedQuantityText,
    View,
    text,
    text_or_none,
)


class MovementKindInput(StrEnum):
    """Changes of stock that are made by hand."""

    RECEIVED = "RECEIVED"
    COUNTED = "COUNTED"
    DAMAGED = "DAMAGED"
    ADJUSTED = "ADJUSTED"


class ProductInput(Request):
    """A new product. ``stock`` is what there is of it now."""

    sku: Label
    name: Label
    unit_price: PriceText
    id: ClientId | None = None
    barcode: Label | None = None
    """One barcode; for several give ``barcodes``."""
    barcodes: list[Label] | None = None
    category_id: UUID | None = None
    cost_price: PriceText | None = None
    tax_rate: PercentText = "0"
    unit: Label = "EACH"
    track_stock: bool = True
    stock: QuantityText = "0"
    reorder_level: QuantityText | None = None
    active: bool = True


class ProductPatch(Request):
    """What to change of a product; a field that is left out stays as it is."""

    sku: Label | UnsetType = UNSET
    name: Label | UnsetType = UNSET
    unit_price: PriceText | UnsetType = UNSET
    barcodes: list[Label] | UnsetType = UNSET
    category_id: UUID | UnsetType | None = UNSET
    cost_price: PriceText | UnsetType | None = UNSET
    tax_rate: PercentText | UnsetType = UNSET
    unit: Label | UnsetType = UNSET
    track_stock: bool | UnsetType = UNSET
    reorder_level: QuantityText | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET


class MovementInput(Request):
    """A movement: ``quantity`` is what came or went, for COUNTED what is there, for ADJUSTED a signed difference."""

    kind: MovementKindInput
    quantity: SignedQuantityText
    reason: Note = ""
    unit_cost: PriceText | None = None
    id: ClientId | None = None


class ProductView(View):
    """A product, and how much there is of it."""

    id: UUID
    sku: str
    name: str
    unit_price: str
    cost_price: str | None
    tax_rate: str
    barcodes: list[str]
    category_id: UUID | None
    unit: str
    track_stock: bool
    stock: str
    oversold: bool
    reorder_level: str | None
    active: bool
    created_at: datetime | None
    updated_at: datetime | None
    version: int


class ProductPage(View):
    """A page of products."""

    items: list[ProductView]
    next_cursor: str | None


class MovementView(View):
    """A movement as recorded: ``balance`` is the stock after it."""

    seq: int
    id: UUID
    product_id: UUID
    kind: str
    quantity: str
    balance: str
    reason: str
    unit_cost: str | None
    invoice_id: UUID | None
    credit_note_id: UUID | None
    operator_id: UUID
    occurred_at: datetime
    recorded_at: datetime


class PriceView(View):
    """What a product cost from ``changed_at`` on, until the next change."""

    unit_price: str
    cost_price: str | None
    tax_rate: str
    operator_id: UUID
    changed_at: datetime


class PriceHistory(View):
    """A product's prices, newest first."""

    items: list[PriceView]


class MovementPage(View):
    """A page of movements."""

    items: list[MovementView]
    next_cursor: str | None


class MovedView(View):
    """What was posted: ``quantity`` is the signed change of the stock, ``balance`` the stock after it."""

    id: UUID
    product_id: UUID
    kind: str
    quantity: str
    counted: str | None
    balance: str
    reason: str
    unit_cost: str | None
    occurred_at: datetime


def product_view(product: Product) -> ProductView:
    """A product."""
    return ProductView(
        id=product.id,
        sku=product.sku,
        name=product.name,
        unit_price=text(product.unit_price),
        cost_price=text_or_none(product.cost_price),
        tax_rate=text(product.tax_rate),
        barcodes=sorted(product.barcodes),
        category_id=product.category_id,
        unit=product.unit,
        track_stock=product.track_stock,
        stock=text(product.stock),
        oversold=product.oversold,
        reorder_level=text_or_none(product.reorder_level),
        active=product.active,
        created_at=product.created_at,
        updated_at=product.updated_at,
        version=product.version,
    )


def price_view(row: PriceRow) -> PriceView:
    """A price of the history."""
    return PriceView(
        unit_price=text(row.unit_price),
        cost_price=text_or_none(row.cost_price),
        tax_rate=text(row.tax_rate),
        operator_id=row.operator_id,
        changed_at=row.changed_at,
    )


def movement_view(row: MovementRow) -> MovementView:
    """A movement in a list."""
    return MovementView(
        seq=row.seq,
        id=row.id,
        product_id=row.product_id,
        kind=row.kind,
        quantity=text(row.quantity),
        balance=text(row.balance),
        reason=row.reason,
        unit_cost=text_or_none(row.unit_cost),
        invoice_id=row.invoice_id,
        credit_note_id=row.credit_note_id,
        operator_id=row.operator_id,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
    )


def moved_view(movement: StockMovement) -> MovedView:
    """A movement that was just posted."""
    return MovedView(
        id=movement.id,
        product_id=movement.product_id,
        kind=movement.kind.value,
        quantity=str(movement.quantity_at) if movement.quantity is None else text(movement.quantity),
        counted=text_or_none(movement.counted),
        balance=str(movement.balance_at),
        reason=movement.reason,
        unit_cost=text_or_none(movement.unit_cost),
        occurred_at=movement.occurred_at,
    )
