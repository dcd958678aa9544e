"""Counting what is on the shelves: many products at once, each set to what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ibex.domain.catalog.model import MovementKind, Product, ProductRef, StockMovement
from ibex.domain.catalog.ports import CatalogueRepository
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue, LimitExceeded, NotFound
from ibex.domain.shared.ids import IdSource, ProductId
from ibex.domain.shared.journal import AuditEntry, Event, Journal, Posted, Reply
from ibex.domain.shared.money import stock_level
from ibex.domain.shared.text import note

MAX_COUNTED: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLine:
    """What was found of one product."""

    product: ProductRef
    counted: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRequest:
    """A count. ``reason`` is kept with every movement."""

    lines: Sequence[CountLine]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A count as posted: each product with its movement, whose difference the journal finds out."""

    reason: str
    lines: Sequence[tuple[Product, StockMovement]]


class CountStock:
    """Sets the stock of many products to what was counted, and records each difference, in one posting.

    A product that was sold below zero offline is no longer flagged afterwards.
    """

    def __init__(self, catalogue: CatalogueRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._catalogue = catalogue
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: CountRequest, reply: Reply) -> Posted:
        """Posts the count. Raises InvalidValue, LimitExceeded, NotFound, each naming the line."""
        actor.require(Permission.STOCK_WRITE)
        reason = note(request.reason, field="reason")
        counted = await self._products(actor, request.lines)
        now = self._clock.now()
        changes = changes_of(actor, now)
        lines = [
            (
                product,
                StockMovement(
                    id=self._ids.new(),
                    product_id=product.id,
                    kind=MovementKind.COUNTED,
                    quantity=None,
                    counted=level,
                    reason=reason,
                    occurred_at=now,
                    quantity_at=self._ids.placeholder(),
                ),
            )
            for product, level in counted
        ]
        changes.add(*(movement for _, movement in lines))
        facts = {"products": len(lines), "counted": {str(product.id): f"{level:f}" for product, level in counted}}
        changes.add(
            AuditEntry(
                action="stock.counted", entity="store", entity_id=str(actor.store_id), after=facts, reason=reason
            ),
            Event(id=self._ids.new(), type="stock.counted", data={**facts, "reason": reason}),
        )
        return await self._journal.post(changes, reply, Count(reason=reason, lines=lines))

    async def _products(self, actor: Actor, lines: Sequence[CountLine]) -> list[tuple[Product, Decimal]]:
        if not lines:
            raise InvalidValue("Give at least one line.", field="lines")
        if len(lines) > MAX_COUNTED:
            raise LimitExceeded(f"A count has at most {MAX_COUNTED} lines.", field="lines", limit=MAX_COUNTED)
        found = await self._catalogue.named(actor.store_id, [line.product for line in lines])
        by_name: dict[ProductRef, Product] = {}
        for product in found:
            by_name[ProductRef(id=product.id)] = by_name[ProductRef(sku=product.sku)] = product
            by_name.update({ProductRef(barcode=code): product for code in product.barcodes})
        seen: dict[ProductId, int] = {}
        counted: list[tuple[Product, Decimal]] = []
        for i, line in enumerate(lines):
            found_product = by_name.get(line.product)
            if found_product is None:
                raise NotFound("There is no such product in this store.", field=f"lines[{i}]")
            if not found_product.track_stock:
                raise InvalidValue("The stock of this product is not tracked.", field=f"lines[{i}]")
            first = seen.setdefault(found_product.id, i)
            if first != i:
                raise InvalidValue(f"The product is counted in lines[{first}] already.", field=f"lines[{i}]")
            counted.append((found_product, stock_level(line.counted, field=f"lines[{i}].counted")))
        return counted
