"""Drawers: the use cases, on fakes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.domain.drawer.model import CashMovementKind, Denomination, Shift, ShiftStatus, counted
from ibex.domain.drawer.use_cases import CashMoved, CloseShift, CountedCash, MoveCash, OpeningShift, OpenShift
from ibex.domain.identity.model import Role
from ibex.domain.sales.requests import SaleRequest
from ibex.domain.sales.tender import PaymentMethod, Tender
from ibex.domain.shared.errors import AlreadyExists, InvalidValue, NotFound, PermissionRefused, ShiftClosed
from ibex.domain.shared.ids import ShiftId
from ibex.domain.shared.money import Currency
from tests.fakes.people import make_actor
from tests.fakes.replies import reply
from tests.fakes.repositories import FakeShifts
from tests.fakes.till import FakeTill, line

EUR = Currency("EUR")


class Drawer(FakeTill):
    """A till with its drawer."""

    def __init__(self) -> None:
        super().__init__()
        shifts = FakeShifts(self.books)
        self.open = OpenShift(self.journal, self.clock, self.ids)
        self.move = MoveCash(shifts, self.journal, self.clock, self.ids)
        self.close = CloseShift(shifts, self.journal, self.clock, self.ids)

    async def opened(self, opening_float: str = "100.00", drawer: str = "till 1") -> Shift:
        made: list[Shift] = []
        request = OpeningShift(drawer=drawer, opening_float=Decimal(opening_float))
        await self.open(self.actor, request, reply(made.append))
        return made[0]

    async def closed(self, shift: Shift, total: str | None, **fields: Any) -> dict[str, Any]:
        def present(closing: Any) -> dict[str, Any]:
            return {
                "number": closing.number,
                "expected": str(closing.closing.expected_at),
                "difference": str(closing.closing.difference_at),
            }

        count = CountedCash(total=None if total is None else Decimal(total), **fields)
        posted = await self.close(self.actor, shift.id, count, reply(present))
        found: dict[str, Any] = json.loads(posted.document)
        return found


def cash_sale(till: FakeTill, price: str, shift: Shift, method: PaymentMethod = PaymentMethod.CASH) -> SaleRequest:
    product = till.product(price)
    tender = Tender(method=method)
    return SaleRequest(lines=[line(product)], tenders=[tender], on_credit=False, shift_id=shift.id)


async def test_what_should_be_there_is_float_and_cash() -> None:
    till = Drawer()
    shift = await till.opened()
    await till.sell(till.actor, cash_sale(till, "12.00", shift), reply())
    await till.sell(till.actor, cash_sale(till, "50.00", shift, PaymentMethod.CARD), reply())
    for kind, amount in ((CashMovementKind.PAID_IN, "5.00"), (CashMovementKind.PAID_OUT, "7.50")):
        await till.move(till.actor, shift.id, CashMoved(kind=kind, amount=Decimal(amount), reason="r"), reply())
    answer = await till.closed(shift, "109.00")
    assert answer == {"number": 1, "expected": "109.50", "difference": "-0.50"}
    assert till.books.of(Shift)[shift.store_id, shift.id].status is ShiftStatus.CLOSED
    last = till.books.audit[-1]
    assert (last.action, last.after and last.after["number"]) == ("shift.closed", 1)


async def test_a_closed_shift_takes_nothing_more() -> None:
    till = Drawer()
    shift = await till.opened()
    await till.closed(shift, "100.00")
    with pytest.raises(ShiftClosed):
        await till.sell(till.actor, cash_sale(till, "12.00", shift), reply())
    movement = CashMoved(kind=CashMovementKind.PAID_IN, amount=Decimal(1), reason="r")
    with pytest.raises(ShiftClosed):
        await till.move(till.actor, shift.id, movement, reply())
    with pytest.raises(ShiftClosed):
        await till.closed(shift, "100.00")


async def test_a_drawer_opens_once_at_a_time() -> None:
    till = Drawer()
    shift = await till.opened()
    with pytest.raises(AlreadyExists):
        await till.opened()
    await till.opened(drawer="till 2")
    await till.closed(shift, "100.00")
    await till.opened()


async def test_who_may_and_what_must_be_there() -> None:
    till = Drawer()
    shift = await till.opened()
    auditor = make_actor(Role.AUDITOR)
    movement = CashMoved(kind=CashMovementKind.PAID_IN, amount=Decimal(1), reason="r")
    for act in (
        till.open(auditor, OpeningShift(drawer="x", opening_float=Decimal(0)), reply()),
        till.move(auditor, shift.id, movement, reply()),
        till.close(auditor, shift.id, CountedCash(total=Decimal(1)), reply()),
    ):
        with pytest.raises(PermissionRefused):
            await act
    with pytest.raises(NotFound):
        await till.close(till.actor, ShiftId(till.ids.new()), CountedCash(total=Decimal(1)), reply())
    with pytest.raises(InvalidValue):
        await till.move(
            till.actor, shift.id, CashMoved(kind=CashMovementKind.PAID_IN, amount=Decimal(0), reason="r"), reply()
        )


@given(pieces=st.lists(st.tuples(st.integers(1, 50_000), st.integers(0, 500)), min_size=1, max_size=20))
def test_pieces_add_up_to_what_was_counted(pieces: list[tuple[int, int]]) -> None:
    denominations = [Denomination(value=Decimal(value) / 100, count=count) for value, count in pieces]
    total = Decimal(sum(value * count for value, count in pieces)) / 100
    assert counted(None, denominations, EUR) == total
    assert counted(total, denominations, EUR) == total
    with pytest.raises(InvalidValue):
        counted(total + Decimal("0.01"), denominations, EUR)
