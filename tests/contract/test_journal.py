"""What the journal promises, whatever it is made of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ibex.domain.catalog.model import MovementKind, Product, ProductRef
from ibex.domain.catalog.use_cases import (
    ChangeProduct,
    CreateProduct,
    MovementRequest,
    MoveStock,
    ProductChange,
    ProductRequest,
)
from ibex.domain.customers.model import Customer
from ibex.domain.customers.use_cases import ChangeCustomer, CreateCustomer, CustomerChange, CustomerRequest
from ibex.domain.sales.drafts import ChangeDraft, DraftInvoice
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.requests import DraftChange, DraftRequest, IssueRequest, LineRequest, SaleRequest
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.settle import IssueInvoice
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.errors import (
    AlreadyExists,
    ConcurrentChange,
    CreditLimitExceeded,
    CustomerInactive,
    IdempotencyKeyReused,
    InsufficientStock,
    NotFound,
    ProductInactive,
)
from ibex.domain.shared.ids import CustomerId, ProductId
from ibex.domain.shared.journal import Posted
from tests.contract.conftest import World
from tests.fakes.replies import reply

CASH = (Tender(method=PaymentMethod.CASH),)


async def add_product(world: World, **fields: Any) -> Product:
    given: dict[str, Any] = {
        "sku": str(world.ids.new()),
        "name": "Apple",
        "unit_price": Decimal("2.50"),
        "stock": Decimal(10),
    }
    made: list[Product] = []
    create = CreateProduct(world.journal, world.clock, world.ids)
    await create(world.actor, ProductRequest(**(given | fields)), reply(made.append))
    return made[0]


async def add_customer(world: World, **fields: Any) -> Customer:
    made: list[Customer] = []
    create = CreateCustomer(world.journal, world.clock, world.ids)
    await create(world.actor, CustomerRequest(**({"name": "Carla"} | fields)), reply(made.append))
    return made[0]


def sale(product: Product, quantity: str = "1", **fields: Any) -> SaleRequest:
    line = LineRequest(product=ProductRef(id=product.id), quantity=Decimal(quantity))
    given: dict[str, Any] = {"lines": [line], "tenders": CASH, "on_credit": False}
    return SaleRequest(**(given | fields))


async def sell(world: World, request: SaleRequest, **how: Any) -> Posted:
    record = RecordSale(world.reader, world.journal, world.clock, world.ids)
    return await record(world.actor, request, reply(lambda r: {"number": r.invoice.number, "id": r.invoice.id}, **how))


async def stock(world: World, product: Product) -> Decimal:
    found = await world.products.get(world.actor.store_id, product.id)
    assert found is not None
    return found.stock


async def balance(world: World, customer: Customer) -> Decimal:
    found = await world.customers.get(world.actor.store_id, customer.id)
    assert found is not None
    return found.balance


async def test_numbers_are_taken_in_order_and_stand_in_the_document(world: World) -> None:
    product = await add_product(world)
    answers = [await sell(world, sale(product)) for _ in range(3)]
    assert [b'"number": %d,' % n in answer.document for n, answer in enumerate(answers, start=1)] == [True] * 3


async def test_a_refused_sale_takes_no_number_and_no_stock(world: World) -> None:
    product = await add_product(world, stock=Decimal(2))
    with pytest.raises(InsufficientStock) as refused:
        await sell(world, sale(product, "3"))
    assert refused.value.details["products"] == [{"product_id": str(product.id), "asked": "3", "in_stock": "2"}]
    assert await stock(world, product) == 2
    assert b'"number": 1,' in (await sell(world, sale(product))).document


async def test_one_key_has_one_effect_and_one_answer(world: World) -> None:
    product = await add_product(world)
    first = await sell(world, sale(product), key="k")
    again = await sell(world, sale(product), key="k")
    assert (again.document, again.replayed, first.replayed) == (first.document, True, False)
    assert await stock(world, product) == 9
    with pytest.raises(IdempotencyKeyReused):
        await sell(world, sale(product), key="k", fingerprint=b"\2" * 32)


async def test_a_refused_posting_leaves_its_key_free(world: World) -> None:
    product = await add_product(world, stock=Decimal(2))
    with pytest.raises(InsufficientStock):
        await sell(world, sale(product, "3"), key="k")
    assert not (await sell(world, sale(product, "1"), key="k", fingerprint=b"\2" * 32)).replayed


async def test_a_sale_priced_from_an_old_price_is_priced_again(world: World) -> None:
    product = await add_product(world)
    await sell(world, sale(product))
    change = ChangeProduct(world.products, _Forgetful(), world.journal, world.clock, world.ids)
    price = ProductChange(unit_price=Decimal("3.00"))
    await change(world.actor, product.id, price, reply(), expected_version=1)
    record = RecordSale(world.reader, world.journal, world.clock, world.ids)
    answer = await record(world.actor, sale(product), reply(lambda r: str(r.invoice.totals.total)))
    assert answer.document == b'"3.00"'


async def test_an_archived_product_is_not_sold(world: World) -> None:
    product = await add_product(world)
    draft = await _draft(world, product)
    change = ChangeProduct(world.products, world.reader, world.journal, world.clock, world.ids)
    await change(world.actor, product.id, ProductChange(active=False), reply(), expected_version=None)
    with pytest.raises(ProductInactive):
        await sell(world, sale(product))
    issue = IssueInvoice(world.invoices, world.journal, world.clock, world.ids)
    with pytest.raises(ProductInactive):
        await issue(world.actor, draft.id, IssueRequest(tenders=CASH, on_credit=False), reply())


async def test_a_credit_limit_holds_and_what_is_owed_is_known(world: World) -> None:
    product = await add_product(world, unit_price=Decimal("10.00"))
    customer = await add_customer(world, credit_limit=Decimal(15))
    on_credit: dict[str, Any] = {"tenders": (), "on_credit": True, "customer_id": customer.id}
    await sell(world, sale(product, **on_credit))
    with pytest.raises(CreditLimitExceeded):
        await sell(world, sale(product, **on_credit))
    assert await balance(world, customer) == 10
    await sell(world, sale(product, **on_credit, override_reason="A good customer"))
    assert await balance(world, customer) == 20


async def test_what_does_not_exist_is_not_found(world: World) -> None:
    product = await add_product(world)
    with pytest.raises(NotFound):
        await sell(world, sale(replace(product, id=ProductId(world.ids.new()))))
    with pytest.raises(NotFound) as refused:
        await sell(world, sale(product, customer_id=CustomerId(world.ids.new())))
    assert refused.value.details["field"] == "customer_id"
    assert await stock(world, product) == 10


async def test_an_archived_customer_buys_nothing(world: World) -> None:
    product, customer = await add_product(world), await add_customer(world)
    change = ChangeCustomer(world.customers, world.journal, world.clock, world.ids)
    await change(world.actor, customer.id, CustomerChange(active=False), reply(), expected_version=1)
    with pytest.raises(CustomerInactive):
        await sell(world, sale(product, customer_id=customer.id))


@pytest.mark.parametrize(
    ("field", "fields"),
    [("sku", {"sku": "A"}), ("barcodes", {"barcodes": ("400",)})],
)
async def test_names_of_products_are_unique(world: World, field: str, fields: dict[str, Any]) -> None:
    await add_product(world, **fields)
    with pytest.raises(AlreadyExists) as refused:
        await add_product(world, **fields)
    assert refused.value.details["field"] == field


async def test_phones_and_ids_are_unique(world: World) -> None:
    customer = await add_customer(world, phone="1")
    for fields in ({"phone": "1"}, {"id": customer.id}):
        with pytest.raises(AlreadyExists):
            await add_customer(world, **fields)


async def test_only_the_version_that_was_read_is_changed(world: World) -> None:
    product = await add_product(world)
    draft = await _draft(world, product)
    change = ChangeDraft(_Once(world, draft), world.reader, world.journal, world.clock, world.ids)
    await change(world.actor, draft.id, DraftChange(note="first"), reply(), expected_version=None)
    with pytest.raises(ConcurrentChange):
        await change(world.actor, draft.id, DraftChange(note="second"), reply(), expected_version=None)
    found = await world.invoices.get(world.actor.store_id, draft.id)
    assert found is not None
    assert (found.note, found.version) == ("first", 2)


async def test_a_changed_draft_has_its_new_lines(world: World) -> None:
    apple, pear = await add_product(world), await add_product(world)
    draft = await _draft(world, apple)
    change = ChangeDraft(world.invoices, world.reader, world.journal, world.clock, world.ids)
    lines = [LineRequest(product=ProductRef(id=p.id), quantity=Decimal(2)) for p in (pear, apple)]
    await change(world.actor, draft.id, DraftChange(lines=lines), reply(), expected_version=1)
    found = await world.invoices.get(world.actor.store_id, draft.id)
    assert found is not None
    assert [(line.product_id, int(line.quantity)) for line in found.lines] == [(pear.id, 2), (apple.id, 2)]
    assert found.totals.total == 10


async def test_a_count_finds_the_difference(world: World) -> None:
    product = await add_product(world)
    move = MoveStock(world.products, world.journal, world.clock, world.ids)
    counted = MovementRequest(kind=MovementKind.COUNTED, quantity=Decimal(7))
    answer = await move(
        world.actor, product.id, counted, reply(lambda m: {"quantity": m.quantity_at, "balance": m.balance_at})
    )
    assert answer.document == b'{"quantity": -3, "balance": 7}'
    assert await stock(world, product) == 7


class _Forgetful:
    """A process that does not hear of changes made by another one."""

    async def find(self, *_: Any) -> Any:
        raise AssertionError("a change looks nothing up by name")

    def forget(self, *_: Any) -> None:
        pass


class _Once:
    """A repository that answers with what it read first."""

    def __init__(self, world: World, invoice: Invoice) -> None:
        self._invoice = invoice
        self._store_id = world.actor.store_id

    async def get(self, store_id: Any, invoice_id: Any) -> Invoice | None:
        return self._invoice if (store_id, invoice_id) == (self._store_id, self._invoice.id) else None


async def _draft(world: World, product: Product) -> Invoice:
    made: list[Invoice] = []
    draft = DraftInvoice(world.reader, world.journal, world.clock, world.ids)
    line = LineRequest(product=ProductRef(id=product.id), quantity=Decimal(1))
    await draft(world.actor, DraftRequest(lines=[line]), reply(lambda r: made.append(r.invoice)))
    return made[0]
