"""Offline sales, decided on fakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.catalog.model import Product
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.offline import (
    MAX_AGE,
    MAX_AHEAD,
    MAX_SALES,
    BatchResult,
    ItemProblem,
    ItemReport,
    Unreadable,
    content_of,
)
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.requests import SaleRequest
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.errors import InvalidValue, LimitExceeded
from ibex.domain.shared.ids import InvoiceId
from tests.fakes.replies import reply
from tests.fakes.system import NOON
from tests.fakes.till import FakeTill, line


def sale(till: FakeTill, product: Product, quantity: str = "1", minutes_ago: int = 10, **fields: Any) -> SaleRequest:
    """A sale as a till sends it."""
    given_: dict[str, Any] = {
        "id": InvoiceId(till.ids.new()),
        "occurred_at": NOON - timedelta(minutes=minutes_ago),
        "lines": [line(product, quantity, unit_price=Decimal("10.00"))],
        "tenders": [Tender(method=PaymentMethod.CASH)],
        "on_credit": False,
    }
    return SaleRequest(**(given_ | fields))


async def send(till: FakeTill, sales: Sequence[SaleRequest | Unreadable]) -> list[ItemReport]:
    """What became of each."""
    seen: list[ItemReport] = []

    def present(reports: list[ItemReport]) -> None:
        seen.extend(reports)

    await till.record_offline(till.actor, sales, reply(present))
    return seen


@given(st.permutations(range(6)), st.permutations(range(6)))
async def test_order_and_repeats_change_nothing(first: list[int], second: list[int]) -> None:
    till = FakeTill()
    product = till.product(stock="3")
    sales = [sale(till, product, str(n + 1), minutes_ago=60 - n) for n in range(6)]
    reports = await send(till, [sales[i] for i in first])
    assert {report.result for report in reports} == {BatchResult.CREATED}
    assert {report.id: report.number for report in reports} == {s.id: n for n, s in enumerate(sales, start=1)}
    assert till.books.product(product).stock == 3 - 21
    again = await send(till, [sales[i] for i in second])
    assert [(report.result, report.id) for report in again] == [(BatchResult.EXISTS, sales[i].id) for i in second]
    assert till.books.product(product).stock == 3 - 21


async def test_what_cannot_be_read_or_decided_is_told_and_the_rest_goes_on() -> None:
    till = FakeTill()
    product = till.product()
    unreadable = Unreadable(id=None, problem=ItemProblem(code="invalid_request", message="?", field="id", details={}))
    future = sale(till, product, occurred_at=NOON + MAX_AHEAD + timedelta(seconds=1))
    old = sale(till, product, occurred_at=NOON - MAX_AGE - timedelta(seconds=1))
    nearly = sale(till, product, occurred_at=NOON + MAX_AHEAD)
    reports = await send(till, [unreadable, future, nearly, old])
    assert [report.result.value for report in reports] == ["invalid", "invalid", "created", "invalid"]
    assert [report.problem and report.problem.field for report in reports] == ["id", "occurred_at", None, "occurred_at"]
    # What was recorded is known again, though it could not be recorded any more.
    till.clock.advance(days=91)
    (report,) = await send(till, [nearly])
    assert (report.result, report.number) == (BatchResult.EXISTS, 1)


async def test_the_price_of_the_till_and_an_archived_product_are_facts() -> None:
    till = FakeTill()
    product = till.product("99.00", active=False)
    (report,) = await send(till, [sale(till, product)])
    assert (report.result, report.total) == (BatchResult.CREATED, Decimal("10.00"))
    (invoice,) = till.books.of(Invoice).values()
    assert invoice.offline


async def test_bounds() -> None:
    till = FakeTill()
    product = till.product()
    with pytest.raises(InvalidValue):
        await send(till, [])
    with pytest.raises(LimitExceeded):
        await send(till, [sale(till, product)] * (MAX_SALES + 1))
    long = sale(till, product, lines=[line(product, "1", unit_price=Decimal(1))] * 2000)
    with pytest.raises(LimitExceeded):
        await send(till, [replace(long, id=InvoiceId(till.ids.new())) for _ in range(3)])


def test_the_content_is_what_is_said_not_how() -> None:
    till = FakeTill()
    one = sale(till, till.product(), "1.50", discount=Discount(percent=Decimal("10.0")))
    written_otherwise = replace(
        one,
        occurred_at=one.occurred_at and one.occurred_at.astimezone(),
        discount=Discount(percent=Decimal(10)),
        lines=[replace(one.lines[0], quantity=Decimal("1.5"), unit_price=Decimal(10))],
    )
    assert content_of(written_otherwise) == content_of(one)
    changes: list[dict[str, Any]] = [
        {"note": "x"},
        {"discount": None},
        {"on_credit": True},
        {"tenders": []},
        {"lines": [*one.lines, one.lines[0]]},
        {"occurred_at": one.occurred_at and one.occurred_at + timedelta(microseconds=1)},
    ]
    for change in changes:
        assert content_of(replace(one, **change)) != content_of(one), change
