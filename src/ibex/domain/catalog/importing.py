"""Importing a table of products: each row adds the product of its SKU or changes it, all in one posting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from ibex.domain.catalog.import_cells import MAX_ROWS, ImportRow, RowError, read_row
from ibex.domain.catalog.model import Barcode, Category, MovementKind, Product, ProductRef, StockMovement
from ibex.domain.catalog.ports import CatalogueRepository, ProductReader
from ibex.domain.catalog.use_cases import ProductRequest, checked, new_product, price_change, price_of
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import ImportRefused, InvalidValue, LimitExceeded
from ibex.domain.shared.ids import CategoryId, IdSource
from ibex.domain.shared.journal import Added, AuditEntry, Changed, Changes, Event, Journal, Posted, Removed, Reply
from ibex.domain.shared.money import ZERO

MAX_ERRORS: Final = 1000
"""How many errors are told; there may be more, and ``failed`` counts their rows."""
_ROWS_AT_ONCE: Final = 250
Pause = Callable[[], Awaitable[None]]
"""Lets others go on: deciding on 10,000 rows takes the processor a while."""


@dataclass(slots=True, kw_only=True)
class ImportResult:
    """What came of an import, or what would come of it (``dry_run``). ``failed`` rows are those with errors."""

    dry_run: bool
    rows: int
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    failed: int = 0
    categories_created: int = 0
    stock_ignored: int = 0
    """Products that were there already and whose stock the table has otherwise: only a count or a movement sets it."""
    errors: list[RowError] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Plan:
    """The decision: what each good row does."""

    result: ImportResult
    created: list[Product] = field(default_factory=list)
    changed: list[tuple[Product, Product]] = field(default_factory=list)
    categories: list[Category] = field(default_factory=list)


class ImportProducts:
    """Adds and changes products by their SKU."""

    def __init__(
        self,
        catalogue: CatalogueRepository,
        reader: ProductReader,
        journal: Journal,
        clock: Clock,
        ids: IdSource,
        pause: Pause,
    ) -> None:
        self._catalogue = catalogue
        self._reader = reader
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._pause = pause

    async def __call__(
        self, actor: Actor, rows: Sequence[ImportRow], reply: Reply, *, skip_invalid: bool = False
    ) -> Posted:
        """Imports the rows in one posting.

        With an error in any row nothing is imported (ImportRefused lists them); with ``skip_invalid`` the good rows
        are. Raises InvalidValue, LimitExceeded, AlreadyExists and ConcurrentChange (somebody changed a product
        meanwhile: repeat).
        """
        plan = await self._decide(actor, rows, dry_run=False)
        result = plan.result
        if result.failed and not skip_invalid:
            raise ImportRefused(
                f"{result.failed} of {result.rows} rows have errors, so nothing was imported.",
                rows=result.rows,
                failed=result.failed,
                row_errors=[{"row": e.row, "column": e.column, "message": e.message} for e in result.errors],
            )
        changes = await self._changes(actor, plan)
        posted = await self._journal.post(changes, reply, result)
        self._reader.forget(actor.store_id, [before.id for before, _ in plan.changed])
        return posted

    async def try_out(self, actor: Actor, rows: Sequence[ImportRow]) -> ImportResult:
        """What an import of the rows would do, error by error. Changes nothing."""
        return (await self._decide(actor, rows, dry_run=True)).result

    async def _decide(self, actor: Actor, rows: Sequence[ImportRow], *, dry_run: bool) -> _Plan:
        actor.require(Permission.CATALOG_WRITE)
        if not rows:
            raise InvalidValue("The table has no rows.", field="body")
        if len(rows) > MAX_ROWS:
            raise LimitExceeded(f"A table has at most {MAX_ROWS} rows.", field="body", limit=MAX_ROWS)
        read: list[tuple[ImportRow, dict[str, Any], list[RowError]]] = []
        for i, row in enumerate(rows):
            if i % _ROWS_AT_ONCE == 0:
                await self._pause()
            values, errors = read_row(row, actor.store.currency)
            read.append((row, values, errors))
        refs = {ProductRef(sku=values["sku"]) for _, values, _ in read if "sku" in values}
        refs |= {ProductRef(barcode=code) for _, values, _ in read for code in values.get("barcodes", ())}
        found = await self._catalogue.named(actor.store_id, list(refs))
        categories = await self._catalogue.categories(actor.store_id)
        decision = _Decision(actor, found, categories, self._ids, dry_run=dry_run, rows=len(rows))
        decision.note_released(read)
        for i, (row, values, errors) in enumerate(read):
            if i % _ROWS_AT_ONCE == 0:
                await self._pause()
            decision.take(row, values, errors)
        return decision.finished()

    async def _changes(self, actor: Actor, plan: _Plan) -> Changes:
        # Like with like, so that the journal can write each kind in one statement.
        now = self._clock.now()
        changes = changes_of(actor, now)
        changes.add(*(Added(thing=category) for category in plan.categories))
        changes.add(*(Added(thing=product) for product in plan.created))
        await self._pause()
        changes.add(*(Changed(thing=after) for _, after in plan.changed))
        await self._pause()
        for before, after in plan.changed:
            changes.add(
                *(
                    Removed(table="product_barcodes", key={"barcode": code, "product_id": str(before.id)})
                    for code in before.barcodes
                    if code not in after.barcodes
                )
            )
        fresh = [(product, ()) for product in plan.created] + [
            (after, before.barcodes) for before, after in plan.changed
        ]
        for product, known in fresh:
            changes.add(
                *(Added(thing=Barcode(code=c, product_id=product.id)) for c in product.barcodes if c not in known)
            )
        await self._pause()
        repriced = [replace(a, version=b.version + 1) for b, a in plan.changed if price_of(b) != price_of(a)]
        changes.add(*(price_change(changes, actor, product, self._ids) for product in [*plan.created, *repriced]))
        changes.add(*(_opening(product, now, self._ids) for product in plan.created if product.stock))
        _tell(changes, plan, self._ids)
        return changes


class _Decision:
    """Row by row: is it new, changed or as it was, and is it allowed?"""

    def __init__(
        self,
        actor: Actor,
        found: Sequence[Product],
        categories: Sequence[Category],
        ids: IdSource,
        *,
        dry_run: bool,
        rows: int,
    ) -> None:
        self._actor = actor
        self._ids = ids
        self._by_sku = {product.sku: product for product in found}
        self._holder = {code: product.sku for product in found for code in product.barcodes}
        self._categories = {category.name: category for category in categories}
        self._new_categories: dict[str, Category] = {}
        self._seen: dict[str, int] = {}
        self._released: set[str] = set()
        self._claimed: dict[str, str] = {}
        self._plan = _Plan(result=ImportResult(dry_run=dry_run, rows=rows))

    def note_released(self, read: Sequence[tuple[ImportRow, dict[str, Any], list[RowError]]]) -> None:
        """Barcodes that the table takes from a product, so that another row may have them."""
        for _, values, errors in read:
            product = self._by_sku.get(values.get("sku", ""))
            if product is not None and not errors and "barcodes" in values:
                self._released.update(code for code in product.barcodes if code not in values["barcodes"])

    def take(self, row: ImportRow, values: dict[str, Any], errors: list[RowError]) -> None:
        """Decides on one row."""
        result = self._plan.result
        problems = list(errors)
        sku = values.get("sku")
        if sku is not None:
            first = self._seen.setdefault(sku, row.number)
            if first != row.number:
                problems.append(RowError(row=row.number, column="sku", message=f"Row {first} has this SKU already."))
            problems += self._taken_barcodes(row, sku, values)
        if not problems:
            try:
                self._write(sku or "", values)
                return
            except InvalidValue as error:
                column = str(error.details.get("field", ""))
                problems.append(RowError(row=row.number, column=column, message=error.message))
        result.failed += 1
        result.errors += problems[: MAX_ERRORS - len(result.errors)]

    def finished(self) -> _Plan:
        """The plan, with the new categories that its products use."""
        plan = self._plan
        used = {product.category_id for product in [*plan.created, *(after for _, after in plan.changed)]}
        plan.categories = [category for category in self._new_categories.values() if category.id in used]
        plan.result.created, plan.result.changed = len(plan.created), len(plan.changed)
        plan.result.categories_created = len(plan.categories)
        return plan

    def _taken_barcodes(self, row: ImportRow, sku: str, values: Mapping[str, Any]) -> list[RowError]:
        problems = []
        for code in values.get("barcodes", ()):
            holder = self._claimed.get(code)
            if holder is None and code not in self._released:
                holder = self._holder.get(code)
            if holder is not None and holder != sku:
                message = f"The barcode {code} is on the product {holder}."
                problems.append(RowError(row=row.number, column="barcodes", message=message))
        return problems

    def _write(self, sku: str, values: dict[str, Any]) -> None:
        fields = {name: value for name, value in values.items() if name not in ("category", "stock")}
        if "category" in values:
            fields["category_id"] = self._category_id(values["category"])
        before = self._by_sku.get(sku)
        if before is None:
            for needed in ("name", "unit_price"):
                if needed not in fields:
                    raise InvalidValue("A new product needs this.", field=needed)
            self._plan.created.append(
                new_product(self._actor, ProductRequest(**fields, stock=values.get("stock", ZERO)), self._ids)
            )
        else:
            after = checked(replace(before, **fields), self._actor.store.currency)
            if set(after.barcodes) == set(before.barcodes):
                after = replace(after, barcodes=before.barcodes)
            if after == before:
                self._plan.result.unchanged += 1
            else:
                self._plan.changed.append((before, after))
            if "stock" in values and values["stock"] != before.stock:
                self._plan.result.stock_ignored += 1
        self._claimed.update(dict.fromkeys(values.get("barcodes", ()), sku))

    def _category_id(self, name: str | None) -> CategoryId | None:
        if name is None:
            return None
        category = self._categories.get(name)
        if category is None:
            category = Category(id=CategoryId(self._ids.new()), store_id=self._actor.store_id, name=name)
            self._categories[name] = self._new_categories[name] = category
        return category.id


def _opening(product: Product, now: datetime, ids: IdSource) -> StockMovement:
    return StockMovement(
        id=ids.new(),
        product_id=product.id,
        kind=MovementKind.OPENING,
        quantity=product.stock,
        unit_cost=product.cost_price,
        occurred_at=now,
    )


def _tell(changes: Changes, plan: _Plan, ids: IdSource) -> None:
    # One entry for the table: what became of each price stands in the price history.
    result = plan.result
    facts: dict[str, object] = {
        "rows": result.rows,
        "created": result.created,
        "changed": result.changed,
        "unchanged": result.unchanged,
        "failed": result.failed,
        "categories_created": result.categories_created,
    }
    changes.add(
        AuditEntry(action="products.imported", entity="store", entity_id=str(changes.store_id), after=facts),
        Event(id=ids.new(), type="products.imported", data=facts),
    )
