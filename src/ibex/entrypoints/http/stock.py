"""The store's stock: counts of many products at once, and all the movements."""

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import Body, QueryParameter
from msgspec import Meta

from ibex.domain.catalog.counting import MAX_COUNTED, Count, CountLine, CountRequest
from ibex.domain.catalog.model import MovementKind, ProductRef
from ibex.domain.catalog.queries import MovementFilter
from ibex.domain.identity.model import Permission
from ibex.domain.shared.ids import ProductId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_number, a_time, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.product_schemas import MovementPage, movement_view
from ibex.entrypoints.http.refusals import invalid
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import Label, Note, QuantityText, Request, View, decimal, text

_DAY = timedelta(days=1)


class CountLineInput(Request):
    """What was found of one product, which is named by exactly one of product_id, sku and barcode."""

    counted: QuantityText
    product_id: UUID | None = None
    sku: Label | None = None
    barcode: Label | None = None


class CountInput(Request):
    """A count of up to 500 products, each once."""

    lines: Annotated[list[CountLineInput], Meta(min_length=1, max_length=MAX_COUNTED)]
    reason: Note = ""


class CountedView(View):
    """A counted product: ``difference`` is what was found less what the books said."""

    movement_id: UUID
    product_id: UUID
    sku: str
    name: str
    counted: str
    difference: str


class CountView(View):
    """A count as it was posted."""

    reason: str
    lines: list[CountedView]


def count_view(count: Count) -> CountView:
    """A count that was just posted."""
    return CountView(
        reason=count.reason,
        lines=[
            CountedView(
                movement_id=movement.id,
                product_id=product.id,
                sku=product.sku,
                name=product.name,
                counted=text(movement.counted) if movement.counted is not None else "",
                difference=str(movement.quantity_at),
            )
            for product, movement in count.lines
        ],
    )


def count_request(data: CountInput) -> CountRequest:
    """The count in the domain's words. Raises InvalidRequest naming the line."""
    lines = []
    for i, line in enumerate(data.lines):
        if sum(name is not None for name in (line.product_id, line.sku, line.barcode)) != 1:
            raise invalid(f"lines[{i}]", "Name the product by exactly one of product_id, sku and barcode.")
        ref = ProductRef(
            id=None if line.product_id is None else ProductId(line.product_id), sku=line.sku, barcode=line.barcode
        )
        lines.append(CountLine(product=ref, counted=decimal(line.counted)))
    return CountRequest(lines=lines, reason=data.reason)


class StockController(Controller):
    """Stock."""

    path = "/v1"
    tags = ("Stock",)

    @post(
        "/stock-counts",
        opt={"permission": Permission.STOCK_WRITE},
        operation_id="count_stock",
        summary="Count many products at once",
    )
    async def count(
        self, request: ApiRequest, data: Annotated[CountInput, Body(title="Stock count")]
    ) -> Response[CountView]:
        """Sets each product's stock to what was found and records the difference, all of it or nothing."""
        asked = count_request(data)

        async def use_case(reply: Any) -> Any:
            return await request.services.count_stock(request.actor, asked, reply)

        return await answer(request, use_case, count_view)

    @get(
        "/stock-movements",
        opt={"permission": Permission.STOCK_READ},
        operation_id="list_store_stock_movements",
        summary="List the store's stock movements",
    )
    async def movements(
        self,
        request: ApiRequest,
        kind: Annotated[MovementKind | None, QueryParameter(description="Only movements of this kind.")] = None,
        product_id: Annotated[UUID | None, QueryParameter(description="Only this product's.")] = None,
        date_from: Annotated[date | None, QueryParameter(name="from", description="First day of trade.")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to", description="Last day of trade.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[MovementPage]:
        """A page of movements in the order of their sequence, or by time where a day is given."""
        store = request.actor.store
        where = MovementFilter(
            kind=kind,
            product_id=None if product_id is None else ProductId(product_id),
            time_from=None if date_from is None else store.day_begins(date_from),
            time_to=None if date_to is None or date_to == date.max else store.day_begins(date_to + _DAY),
        )
        by_time = where.time_from is not None or where.time_to is not None
        asked = page_request(limit, cursor, *((a_time, a_number) if by_time else (a_number,)))
        page = await request.services.product_queries.store_movements(request.actor.store_id, where, asked)
        items, next_cursor = page_view(page, movement_view)
        return view(request, MovementPage(items=items, next_cursor=next_cursor))
