"""Importing a table and counting shelves: what is decided, on the fakes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.catalog.categories import CategoryChange, CategoryRequest, ChangeCategory, CreateCategory
from ibex.domain.catalog.counting import MAX_COUNTED, CountLine, CountRequest, CountStock
from ibex.domain.catalog.import_cells import MAX_ROWS, ImportRow
from ibex.domain.catalog.importing import ImportProducts, ImportResult
from ibex.domain.catalog.model import Category, PriceChange, Product, ProductRef
from ibex.domain.identity.model import Actor, Role
from ibex.domain.shared.errors import (
    ImportRefused,
    InvalidValue,
    LimitExceeded,
    NotFound,
    PermissionRefused,
    PreconditionFailed,
)
from tests.fakes.books import Books
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.journal import FakeJournal
from tests.fakes.people import STORE_ID, make_actor
from tests.fakes.replies import reply
from tests.fakes.repositories import FakeProducts
from tests.fakes.system import FakeClock, FakeIds


class Backroom:
    """A store, and what is done in its back room."""

    def __init__(self, actor: Actor | None = None) -> None:
        self.actor = actor or make_actor()
        self.books = Books()
        self.journal = FakeJournal(self.books)
        self.reader = FakeProducts(self.books)
        self.pauses = 0
        catalogue, clock, ids = FakeCatalogue(self.books), FakeClock(), FakeIds()
        self.take = ImportProducts(catalogue, self.reader, self.journal, clock, ids, self._pause)
        self.count = CountStock(catalogue, self.journal, clock, ids)
        self.create_category = CreateCategory(self.journal, clock, ids)
        self.change_category = ChangeCategory(catalogue, self.journal, clock, ids)

    async def _pause(self) -> None:
        self.pauses += 1

    async def import_rows(self, *rows: dict[str, str], **options: bool) -> ImportResult:
        """Imports them, numbered as a spreadsheet does."""
        results: list[ImportResult] = []
        await self.take(self.actor, numbered(rows), reply(results.append), **options)
        return results[0]

    def products(self) -> dict[str, Product]:
        """The catalogue by SKU."""
        return {product.sku: product for product in self.books.of(Product).values()}


def numbered(rows: Any) -> list[ImportRow]:
    return [ImportRow(number=i, cells=cells) for i, cells in enumerate(rows, start=2)]


MILK = {"sku": "MILK", "name": "Milk", "unit_price": "1.29", "category": "Dairy", "barcodes": "1|2", "stock": "5"}


async def test_a_new_product_comes_with_its_category_its_price_and_its_opening_stock() -> None:
    backroom = Backroom()
    result = await backroom.import_rows(MILK, {**MILK, "sku": "EGGS", "barcodes": "3"})
    assert (result.created, result.categories_created, result.failed) == (2, 1, 0)
    (category,) = backroom.books.of(Category).values()
    assert {product.category_id for product in backroom.products().values()} == {category.id}
    assert sum(isinstance(record, PriceChange) for record in backroom.books.records) == 2
    assert [balance for _, balance in backroom.books.movements] == [5, 5]
    assert [entry.action for entry in backroom.books.audit] == ["products.imported"]


async def test_a_row_changes_only_what_it_has_cells_for() -> None:
    backroom = Backroom()
    await backroom.import_rows({**MILK, "cost_price": "0.80"})
    result = await backroom.import_rows({"sku": "MILK", "name": "", "cost_price": "", "stock": "99"})
    milk = backroom.products()["MILK"]
    assert (result.changed, result.stock_ignored) == (1, 1)
    assert (milk.name, milk.unit_price, milk.cost_price, milk.stock) == ("Milk", Decimal("1.29"), None, Decimal(5))
    assert backroom.reader.forgotten == [milk.id]
    again = await backroom.import_rows({"sku": "MILK", "unit_price": "1.29"})
    assert (again.changed, again.unchanged) == (0, 1)


async def test_a_barcode_may_move_from_one_row_to_another() -> None:
    backroom = Backroom()
    await backroom.import_rows(MILK, {**MILK, "sku": "EGGS", "barcodes": "3"})
    result = await backroom.import_rows({"sku": "EGGS", "barcodes": "1|3"}, {"sku": "MILK", "barcodes": "2"})
    assert result.changed == 2
    eggs = backroom.products()["EGGS"].id
    assert {code for (_, code), product in backroom.books.barcodes.items() if product == eggs} == {"1", "3"}
    with pytest.raises(ImportRefused) as refused:
        await backroom.import_rows({"sku": "EGGS", "barcodes": "2"})
    assert refused.value.details["row_errors"] == [
        {"row": 2, "column": "barcodes", "message": "The barcode 2 is on the product MILK."}
    ]


async def test_one_bad_row_keeps_all_out_unless_it_may_be_skipped() -> None:
    backroom = Backroom()
    bad = {"sku": "BAD", "name": "Bad", "unit_price": "-1", "category": "Only here"}
    with pytest.raises(ImportRefused):
        await backroom.import_rows(MILK, bad)
    assert backroom.books.of(Product) == {}
    result = await backroom.take.try_out(backroom.actor, numbered((MILK, bad)))
    assert (result.dry_run, result.created, result.failed, backroom.journal.posted) == (True, 1, 1, [])
    result = await backroom.import_rows(MILK, bad, skip_invalid=True)
    assert (result.created, result.failed) == (1, 1)
    assert [category.name for category in backroom.books.of(Category).values()] == ["Dairy"]


async def test_an_import_has_bounds_and_needs_permission() -> None:
    backroom = Backroom()
    with pytest.raises(InvalidValue):
        await backroom.import_rows()
    with pytest.raises(LimitExceeded):
        await backroom.import_rows(*({"sku": str(i)} for i in range(MAX_ROWS + 1)))
    for use in (backroom.take.try_out, lambda a, r: backroom.take(a, r, reply())):
        with pytest.raises(PermissionRefused):
            await use(make_actor(Role.CASHIER), numbered((MILK,)))
    await backroom.import_rows(*({**MILK, "sku": str(i), "barcodes": ""} for i in range(600)))
    assert backroom.pauses > 4


async def test_a_count_sets_what_was_found() -> None:
    backroom = Backroom()
    await backroom.import_rows(MILK)
    lines = [CountLine(product=ProductRef(barcode="2"), counted=Decimal("3.5"))]
    posted = await backroom.count(
        backroom.actor, CountRequest(lines=lines, reason="Spilt"), reply(lambda c: str(c.lines[0][1].quantity_at))
    )
    assert posted.document == b'"-1.5"'
    assert backroom.products()["MILK"].stock == Decimal("3.5")


async def test_what_cannot_be_counted_is_named_by_its_line() -> None:
    backroom = Backroom()
    await backroom.import_rows(MILK, {"sku": "POST", "name": "Postage", "unit_price": "1", "track_stock": "no"})
    good = CountLine(product=ProductRef(sku="MILK"), counted=Decimal(1))
    for line, error in (
        (replace(good, product=ProductRef(sku="NONE")), NotFound),
        (replace(good, product=ProductRef(sku="POST")), InvalidValue),
        (replace(good, product=ProductRef(barcode="1")), InvalidValue),
    ):
        with pytest.raises(error) as refused:
            await backroom.count(backroom.actor, CountRequest(lines=[good, line]), reply())
        assert refused.value.details["field"] == "lines[1]"
    with pytest.raises(InvalidValue):
        await backroom.count(backroom.actor, CountRequest(lines=[]), reply())
    with pytest.raises(LimitExceeded):
        await backroom.count(backroom.actor, CountRequest(lines=[good] * (MAX_COUNTED + 1)), reply())
    with pytest.raises(PermissionRefused):
        await backroom.count(make_actor(Role.CASHIER), CountRequest(lines=[good]), reply())
    assert backroom.products()["MILK"].stock == 5


async def test_a_category_is_changed_at_the_version_that_was_read() -> None:
    backroom = Backroom()
    await backroom.create_category(backroom.actor, CategoryRequest(name="Dairy"), reply())
    (category,) = backroom.books.of(Category).values()
    change = CategoryChange(active=False)
    await backroom.change_category(backroom.actor, category.id, change, reply(), expected_version=1)
    archived = backroom.books.of(Category)[STORE_ID, category.id]
    assert (archived.active, archived.name, archived.version) == (False, "Dairy", 2)
    with pytest.raises(PreconditionFailed):
        await backroom.change_category(backroom.actor, category.id, change, reply(), expected_version=1)
    with pytest.raises(PermissionRefused):
        await backroom.create_category(make_actor(Role.CASHIER), CategoryRequest(name="X"), reply())
