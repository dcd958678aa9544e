"""Opening a drawer, cash in and out of it, and closing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ibex.domain.drawer.model import (
    CashMovementKind,
    Denomination,
    DrawerClosing,
    Shift,
    ShiftMovement,
    ShiftStatus,
    counted,
)
from ibex.domain.drawer.ports import ShiftRepository
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue, NotFound
from ibex.domain.shared.ids import IdSource, ShiftId
from ibex.domain.shared.journal import Added, AuditEntry, Changes, Counter, Event, Journal, Posted, Reply
from ibex.domain.shared.money import money


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningShift:
    """A drawer to open, with the cash that is in it to begin with."""

    drawer: str
    opening_float: Decimal
    id: ShiftId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMoved:
    """Cash that goes in or out for another reason than a sale."""

    kind: CashMovementKind
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCash:
    """What is in the drawer at the end: a sum, or the pieces, or both."""

    total: Decimal | None = None
    denominations: Sequence[Denomination] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedShift:
    """A shift that closes; what the journal works out stands as placeholders."""

    shift: Shift
    number: int
    closed_at: datetime
    closing: DrawerClosing


class OpenShift:
    """Opens a drawer."""

    def __init__(self, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: OpeningShift, reply: Reply) -> Posted:
        """Opens it. Raises InvalidValue; AlreadyExists if the drawer is open already."""
        actor.require(Permission.SHIFTS_WRITE)
        now = self._clock.now()
        shift = Shift(
            id=request.id or ShiftId(self._ids.new()),
            store_id=actor.store_id,
            drawer=request.drawer,
            opening_float=money(request.opening_float, actor.store.currency, field="opening_float"),
            opened_by=actor.operator_id,
            opened_at=now,
            business_date=actor.store.business_date(now),
        )
        changes = changes_of(actor, now)
        changes.add(Added(thing=shift))
        facts = {"drawer": shift.drawer, "opening_float": f"{shift.opening_float:f}"}
        _tell(changes, self._ids, "shift.opened", shift.id, facts)
        return await self._journal.post(changes, reply, shift)


class MoveCash:
    """Puts cash into an open drawer, or takes some out."""

    def __init__(self, shifts: ShiftRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._shifts = shifts
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, shift_id: ShiftId, request: CashMoved, reply: Reply) -> Posted:
        """Records it. Raises NotFound, InvalidValue; ShiftClosed unless the shift is open."""
        actor.require(Permission.SHIFTS_WRITE)
        amount = money(request.amount, actor.store.currency)
        if amount == 0:
            raise InvalidValue("An amount must be more than zero.", field="amount")
        if await self._shifts.get(actor.store_id, shift_id) is None:
            raise NotFound("There is no such shift in this store.", field="shift_id")
        now = self._clock.now()
        movement = ShiftMovement(
            id=self._ids.new(),
            shift_id=shift_id,
            kind=request.kind,
            amount=amount,
            reason=request.reason,
            operator_id=actor.operator_id,
            recorded_at=now,
        )
        changes = changes_of(actor, now)
        changes.shift_id = shift_id
        changes.add(Added(thing=movement))
        facts = {"kind": movement.kind.value, "amount": f"{amount:f}", "reason": movement.reason}
        _tell(changes, self._ids, "shift.cash_moved", shift_id, facts)
        return await self._journal.post(changes, reply, movement)


class CloseShift:
    """Closes a drawer: its report is numbered and final."""

    def __init__(self, shifts: ShiftRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._shifts = shifts
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, shift_id: ShiftId, request: CountedCash, reply: Reply) -> Posted:
        """Closes it. Raises NotFound, InvalidValue, ShiftClosed."""
        actor.require(Permission.SHIFTS_WRITE)
        shift = await self._shifts.get(actor.store_id, shift_id)
        if shift is None:
            raise NotFound("There is no such shift in this store.", field="shift_id")
        shift.must_be_open()
        currency = actor.store.currency
        now = self._clock.now()
        changes = changes_of(actor, now)
        closing = DrawerClosing(
            shift_id=shift.id,
            counted_cash=counted(request.total, request.denominations, currency),
            denominations=request.denominations,
            note=request.note,
            currency=currency,
            expected_at=self._ids.placeholder(),
            difference_at=self._ids.placeholder(),
            report_at=self._ids.placeholder(),
        )
        number = changes.number(Counter.SHIFT, self._ids)
        changes.add(closing)
        facts = {
            "number": number,
            "counted_cash": f"{closing.counted_cash:f}",
            "expected_cash": str(closing.expected_at),
            "difference": str(closing.difference_at),
        }
        _tell(changes, self._ids, "shift.closed", shift.id, facts)
        after = replace(shift, status=ShiftStatus.CLOSED, version=shift.version + 1)
        result = ClosedShift(shift=after, number=number, closed_at=now, closing=closing)
        return await self._journal.post(changes, reply, result)


def _tell(changes: Changes, ids: IdSource, action: str, shift_id: ShiftId, facts: Mapping[str, object]) -> None:
    changes.add(
        AuditEntry(action=action, entity="shift", entity_id=str(shift_id), after=facts),
        Event(id=ids.new(), type=action, data={"shift_id": str(shift_id), **facts}),
    )
