"""Drawers: opening, cash in and out, closing, and the reports."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import Body, FromPath, QueryParameter

from ibex.domain.drawer.model import Shift, ShiftStatus
from ibex.domain.drawer.queries import ShiftFilter, ShiftRow
from ibex.domain.drawer.use_cases import ClosedShift, OpeningShift
from ibex.domain.identity.model import Permission
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import ShiftId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_time, an_id, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.shift_schemas import (
    ShiftCloseInput,
    ShiftInput,
    ShiftMovementInput,
    ShiftMovementView,
    ShiftPage,
    ShiftView,
    cash_moved,
    closed_view,
    counted_cash,
    movement_view,
    opened_view,
    shift_row_view,
    shift_view,
)
from ibex.entrypoints.http.types import decimal

READ = {"permission": Permission.SHIFTS_READ}
WRITE = {"permission": Permission.SHIFTS_WRITE}


class ShiftsController(Controller):
    """Drawer shifts."""

    path = "/v1/shifts"
    tags = ("Shifts",)

    @post(opt=WRITE, operation_id="open_shift", summary="Open a drawer")
    async def open(self, request: ApiRequest, data: Annotated[ShiftInput, Body(title="Shift")]) -> Response[ShiftView]:
        """Opens a shift with the cash that is in the drawer. One drawer has one open shift."""
        asked = OpeningShift(
            id=None if data.id is None else ShiftId(data.id),
            drawer=data.drawer,
            opening_float=decimal(data.opening_float),
        )
        currency = request.actor.store.currency

        def present(shift: Shift) -> ShiftView:
            return opened_view(shift, currency)

        async def use_case(reply: Any) -> Any:
            return await request.services.open_shift(request.actor, asked, reply)

        return await answer(request, use_case, present, location="/v1/shifts")

    @post("/{shift_id:uuid}/movements", opt=WRITE, operation_id="move_cash", summary="Put cash in, or take it out")
    async def move(
        self,
        request: ApiRequest,
        shift_id: FromPath[UUID],
        data: Annotated[ShiftMovementInput, Body(title="Cash movement")],
    ) -> Response[ShiftMovementView]:
        """Records cash that no sale or refund moved."""
        asked = cash_moved(data)

        async def use_case(reply: Any) -> Any:
            return await request.services.move_cash(request.actor, ShiftId(shift_id), asked, reply)

        return await answer(request, use_case, movement_view)

    @post("/{shift_id:uuid}/close", opt=WRITE, operation_id="close_shift", summary="Close a drawer", status_code=200)
    async def close(
        self, request: ApiRequest, shift_id: FromPath[UUID], data: Annotated[ShiftCloseInput, Body(title="Count")]
    ) -> Response[ShiftView]:
        """Closes the shift for good: its report gets the store's next number and never changes."""
        asked = counted_cash(data)
        actor = request.actor

        def present(closed: ClosedShift) -> ShiftView:
            return closed_view(closed, actor.store.currency, actor.operator_id)

        async def use_case(reply: Any) -> Any:
            return await request.services.close_shift(actor, ShiftId(shift_id), asked, reply)

        return await answer(request, use_case, present, status=200)

    @get(opt=READ, operation_id="list_shifts", summary="List shifts")
    async def list(
        self,
        request: ApiRequest,
        drawer: Annotated[str | None, QueryParameter(max_length=200, description="Only this drawer's.")] = None,
        status: Annotated[ShiftStatus | None, QueryParameter(description="Only open, or only closed ones.")] = None,
        date_from: Annotated[date | None, QueryParameter(name="from", description="First day of trade.")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to", description="Last day of trade.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[ShiftPage]:
        """A page of shifts by the time of opening, newest first."""
        where = ShiftFilter(drawer=drawer, status=status, date_from=date_from, date_to=date_to)
        currency = request.actor.store.currency
        page = await request.services.shift_queries.list(
            request.actor.store_id, where, page_request(limit, cursor, a_time, an_id)
        )
        items, next_cursor = page_view(page, lambda row: shift_row_view(row, currency))
        return view(request, ShiftPage(items=items, next_cursor=next_cursor))

    @get(
        "/current",
        opt=READ | {"may_be_missing": True},
        operation_id="get_current_shift",
        summary="The open shift of a drawer",
    )
    async def current(
        self,
        request: ApiRequest,
        drawer: Annotated[str, QueryParameter(min_length=1, max_length=200, description="Which drawer.")],
    ) -> Response[ShiftView]:
        """The shift that is open at the drawer, with its figures so far for those who may read reports."""
        actor = request.actor
        found = await request.services.shift_queries.current(
            actor.store_id, drawer, exponent=actor.store.currency.exponent
        )
        if found is None:
            raise NotFound("No shift is open at this drawer.", field="drawer")
        return _one(request, found)

    @get("/{shift_id:uuid}", opt=READ, operation_id="get_shift", summary="Read a shift")
    async def read(self, request: ApiRequest, shift_id: FromPath[UUID]) -> Response[ShiftView]:
        """The shift with its report: final once closed; the figures so far for those who may read reports."""
        actor = request.actor
        found = await request.services.shift_queries.shift(
            actor.store_id, ShiftId(shift_id), exponent=actor.store.currency.exponent
        )
        if found is None:
            raise NotFound("There is no such shift in this store.", field="shift_id")
        return _one(request, found)


def _one(request: ApiRequest, found: ShiftRow) -> Response[ShiftView]:
    actor = request.actor
    closed = found.shift.status is ShiftStatus.CLOSED
    # Whoever counts the drawer is not told what should be in it.
    document = shift_view(found, actor.store.currency, with_report=closed or actor.may(Permission.REPORTS_READ))
    return view(request, document, version=found.shift.version if closed else None)
