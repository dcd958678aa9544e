"""Products, what they cost, and how much of them there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.ids import CategoryId, CreditNoteId, InvoiceId, OperatorId, ProductId, StoreId
from ibex.domain.shared.money import ZERO
from ibex.domain.shared.text import label

MAX_BARCODES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A shelf of the catalogue. Archived (not ``active``) it keeps its products and its place in reports."""

    id: CategoryId
    store_id: StoreId
    name: str
    active: bool = True
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def __post_init__(self) -> None:
        label(self.name, field="name", max_length=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something that the store sells. Amounts of money are in the store's currency, ``tax_rate`` in percent."""

    id: ProductId
    store_id: StoreId
    sku: str
    name: str
    unit_price: Decimal
    tax_rate: Decimal = ZERO
    barcodes: tuple[str, ...] = ()
    category_id: CategoryId | None = None
    cost_price: Decimal | None = None
    unit: str = "EACH"
    track_stock: bool = True
    """False for services and postage: they are sold without a stock."""
    stock: Decimal = ZERO
    """On hand. Below zero only after an offline sale of more than there was, and then ``oversold`` is set."""
    oversold: bool = False
    reorder_level: Decimal | None = None
    """At or below this the product is on the low-stock list."""
    active: bool = True
    version: int = 1
    """Rises with every change of anything but the stock; a sale names the version it was priced from."""
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def __post_init__(self) -> None:
        label(self.sku, field="sku", max_length=64)
        label(self.name, field="name")
        label(self.unit, field="unit", max_length=16)
        if len(self.barcodes) > MAX_BARCODES:
            raise InvalidValue(f"A product has at most {MAX_BARCODES} barcodes.", field="barcodes")
        if len(set(self.barcodes)) != len(self.barcodes):
            raise InvalidValue("A barcode stands there twice.", field="barcodes")
        for code in self.barcodes:
            label(code, field="barcodes", max_length=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRef:
    """How a caller names a product: by exactly one of id, SKU and barcode."""

    id: ProductId | None = None
    sku: str | None = None
    barcode: str | None = None

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.id, self.sku, self.barcode)) != 1:
            raise InvalidValue("Name the product by exactly one of product_id, sku and barcode.", field="product_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Barcode:
    """A barcode and the product that it stands on; unique within the store."""

    code: str
    product_id: ProductId


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """What a product cost from ``changed_at`` on. ``product_version`` is the product's version from then on."""

    id: UUID
    product_id: ProductId
    product_version: int
    unit_price: Decimal
    cost_price: Decimal | None
    tax_rate: Decimal
    operator_id: OperatorId
    changed_at: datetime


class MovementKind(StrEnum):
    """Why stock changed."""

    OPENING = "OPENING"
    SOLD = "SOLD"
    RETURNED = "RETURNED"
    RECEIVED = "RECEIVED"
    COUNTED = "COUNTED"
    DAMAGED = "DAMAGED"
    ADJUSTED = "ADJUSTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class StockMovement:
    """One change of one product's stock. The running balance and the sequence are put in by the journal.

    ``quantity`` is signed: what is added to the stock. For a COUNTED movement ``counted`` is the number found on the
    shelf, and the journal makes the quantity from the difference.
    """

    id: UUID
    product_id: ProductId
    kind: MovementKind
    quantity: Decimal | None
    counted: Decimal | None = None
    reason: str = ""
    invoice_id: InvoiceId | None = None
    credit_note_id: CreditNoteId | None = None
    unit_cost: Decimal | None = None
    occurred_at: datetime
    expected_version: int | None = None
    """The product must still have this version (a sale priced from it); None: any."""
    must_be_active: bool = False
    """Refuse if the product is archived or switched off."""
    may_oversell: bool = False
    """An offline sale is a fact: record it even where the stock falls below zero, and flag the product."""
    balance_at: int | None = None
    """A placeholder for the stock after the movement, where the answer is to show it."""
    quantity_at: int | None = None
    """A placeholder for the quantity, where a count finds it out."""
