"""The catalogue and its stock."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final, cast
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Stream
from msgspec import UnsetType

from ibex.domain.catalog.model import MovementKind
from ibex.domain.catalog.queries import ListedProduct, ProductFilter
from ibex.domain.catalog.use_cases import MovementRequest, ProductChange, ProductRequest
from ibex.domain.identity.model import Permission
from ibex.domain.shared.change import UNSET
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CategoryId, ProductId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_number, a_text, an_id, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.negotiation import CSV, JSON, chosen
from ibex.entrypoints.http.product_csv import (
    HEADER,
    MAX_BODY_BYTES,
    ImportView,
    csv_portion,
    import_view,
    parse_products,
    require_csv,
)
from ibex.entrypoints.http.product_schemas import (
    MovedView,
    MovementInput,
    MovementPage,
    PriceHistory,
    ProductInput,
    ProductPage,
    ProductPatch,
    ProductView,
    moved_view,
    movement_view,
    price_view,
    product_view,
)
from ibex.entrypoints.http.refusals import invalid
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import decimal, decimal_or_none

READ = {"permission": Permission.CATALOG_READ}
WRITE = {"permission": Permission.CATALOG_WRITE}
STREAM_SECONDS: Final = 600.0
IMPORT_SECONDS: Final = 60.0


def product_request(data: ProductInput) -> ProductRequest:
    """The product in the domain's words. Raises InvalidRequest."""
    if data.barcode is not None and data.barcodes is not None:
        raise invalid("barcode", "Give barcode or barcodes, not both.")
    barcodes = data.barcodes or ([] if data.barcode is None else [data.barcode])
    return ProductRequest(
        id=None if data.id is None else ProductId(data.id),
        sku=data.sku,
        name=data.name,
        unit_price=decimal(data.unit_price),
        tax_rate=decimal(data.tax_rate),
        barcodes=tuple(barcodes),
        category_id=None if data.category_id is None else CategoryId(data.category_id),
        cost_price=decimal_or_none(data.cost_price),
        unit=data.unit,
        track_stock=data.track_stock,
        stock=decimal(data.stock),
        reorder_level=decimal_or_none(data.reorder_level),
        active=data.active,
    )


def product_change(data: ProductPatch) -> ProductChange:
    """The change in the domain's words."""
    category = data.category_id
    return ProductChange(
        sku=UNSET if isinstance(data.sku, UnsetType) else data.sku,
        name=UNSET if isinstance(data.name, UnsetType) else data.name,
        unit_price=UNSET if isinstance(data.unit_price, UnsetType) else decimal(data.unit_price),
        tax_rate=UNSET if isinstance(data.tax_rate, UnsetType) else decimal(data.tax_rate),
        barcodes=UNSET if isinstance(data.barcodes, UnsetType) else tuple(data.barcodes),
        category_id=UNSET if isinstance(category, UnsetType) else (None if category is None else CategoryId(category)),
        cost_price=UNSET if isinstance(data.cost_price, UnsetType) else decimal_or_none(data.cost_price),
        unit=UNSET if isinstance(data.unit, UnsetType) else data.unit,
        track_stock=UNSET if isinstance(data.track_stock, UnsetType) else data.track_stock,
        reorder_level=UNSET if isinstance(data.reorder_level, UnsetType) else decimal_or_none(data.reorder_level),
        active=UNSET if isinstance(data.active, UnsetType) else data.active,
    )


def stream_table(portions: AsyncIterator[Sequence[ListedProduct]]) -> Response[Any]:
    """The products as CSV, portion by portion, in constant memory."""

    async def body() -> AsyncIterator[bytes]:
        yield HEADER
        async for rows in portions:
            yield csv_portion(rows)

    headers = {"content-disposition": 'attachment; filename="products.csv"'}
    # Litestar makes the response of a Stream itself, so that it counts as one here.
    return cast(Response[Any], Stream(body(), media_type=CSV, headers=headers))


class ProductsController(Controller):
    """Products."""

    path = "/v1/products"
    tags = ("Products",)

    @post(opt=WRITE, operation_id="create_product", summary="Add a product")
    async def create(
        self, request: ApiRequest, data: Annotated[ProductInput, Body(title="Product")]
    ) -> Response[ProductView]:
        """Adds a product with its barcodes and its opening stock."""
        asked = product_request(data)

        async def use_case(reply: Any) -> Any:
            return await request.services.create_product(request.actor, asked, reply)

        return await answer(request, use_case, product_view, location="/v1/products")

    @post(
        "/import",
        opt=WRITE | {"consumes": CSV, "deadline_seconds": IMPORT_SECONDS},
        operation_id="import_products",
        summary="Add and change products from a table",
        request_max_body_size=MAX_BODY_BYTES,
        status_code=200,
    )
    async def import_table(
        self,
        request: ApiRequest,
        dry_run: Annotated[bool, QueryParameter(description="Only say what would happen.")] = False,
        skip_invalid: Annotated[
            bool, QueryParameter(description="Take the good rows where others have errors, instead of nothing.")
        ] = False,
    ) -> Response[ImportView]:
        """Takes a CSV of up to 10,000 rows: each adds the product of its SKU or changes it. All or nothing."""
        require_csv(request.exchange.header(b"content-type"))
        rows = await asyncio.to_thread(parse_products, await request.body())
        use_case = request.services.import_products
        if dry_run:
            result = await use_case.try_out(request.actor, rows)
            return view(request, import_view(result))

        async def import_rows(reply: Any) -> Any:
            return await use_case(request.actor, rows, reply, skip_invalid=skip_invalid)

        return await answer(request, import_rows, import_view, status=200)

    @get(
        opt=READ | {"media_types": (CSV,), "deadline_seconds": STREAM_SECONDS},
        operation_id="list_products",
        summary="List and search products",
    )
    async def list(
        self,
        request: ApiRequest,
        search: Annotated[
            str | None, QueryParameter(min_length=1, max_length=100, description="Name, SKU or barcode.")
        ] = None,
        sku: Annotated[str | None, QueryParameter(max_length=64, description="Just this SKU.")] = None,
        barcode: Annotated[str | None, QueryParameter(max_length=64, description="Just this barcode.")] = None,
        category_id: Annotated[UUID | None, QueryParameter(description="Only this category.")] = None,
        active: Annotated[bool | None, QueryParameter(description="Only those for sale, or only those not.")] = None,
        low_stock: Annotated[bool, QueryParameter(description="Only those at or below their reorder level.")] = False,
        oversold: Annotated[bool | None, QueryParameter(description="Only those sold below zero offline.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[ProductPage]:
        """A page of products by name; with ``Accept: text/csv`` all of them as the table that can be imported."""
        where = ProductFilter(
            search=search,
            sku=sku,
            barcode=barcode,
            category_id=None if category_id is None else CategoryId(category_id),
            active=active,
            low_stock=low_stock,
            oversold=oversold,
        )
        queries = request.services.product_queries
        if chosen(request, (JSON, CSV)) is CSV:
            return stream_table(queries.stream(request.actor.store_id, where))
        page = await queries.list(request.actor.store_id, where, page_request(limit, cursor, a_text, an_id))
        items, next_cursor = page_view(page, product_view)
        return view(request, ProductPage(items=items, next_cursor=next_cursor))

    @get(
        "/{product_id:uuid}",
        opt=READ | {"conditional": False},
        operation_id="get_product",
        summary="Read a product",
    )
    async def read(self, request: ApiRequest, product_id: FromPath[UUID]) -> Response[ProductView]:
        """The product and its stock."""
        product = await request.services.products.get(request.actor.store_id, ProductId(product_id))
        if product is None:
            raise NotFound("There is no such product in this store.", field="product_id")
        return view(request, product_view(product), version=product.version, moving=True)

    @patch("/{product_id:uuid}", opt=WRITE, operation_id="change_product", summary="Change a product")
    async def change(
        self,
        request: ApiRequest,
        product_id: FromPath[UUID],
        data: Annotated[ProductPatch, Body(title="Change of a product")],
    ) -> Response[ProductView]:
        """Changes a product; with ``If-Match`` only if it is still at that version."""
        change, version = product_change(data), expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.change_product(
                request.actor, ProductId(product_id), change, reply, expected_version=version
            )

        return await answer(request, use_case, product_view, status=200)

    @post(
        "/{product_id:uuid}/stock-movements",
        opt={"permission": Permission.STOCK_WRITE},
        operation_id="move_stock",
        summary="Change the stock by hand",
    )
    async def move(
        self,
        request: ApiRequest,
        product_id: FromPath[UUID],
        data: Annotated[MovementInput, Body(title="Stock movement")],
    ) -> Response[MovedView]:
        """Goods received, counted, damaged or adjusted."""
        asked = MovementRequest(
            id=data.id,
            kind=MovementKind(data.kind.value),
            quantity=decimal(data.quantity),
            reason=data.reason,
            unit_cost=decimal_or_none(data.unit_cost),
        )

        async def use_case(reply: Any) -> Any:
            return await request.services.move_stock(request.actor, ProductId(product_id), asked, reply)

        return await answer(request, use_case, moved_view)

    @get(
        "/{product_id:uuid}/stock-movements",
        opt={"permission": Permission.STOCK_READ},
        operation_id="list_stock_movements",
        summary="List a product's stock movements",
    )
    async def movements(
        self, request: ApiRequest, product_id: FromPath[UUID], limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
    ) -> Response[MovementPage]:
        """A page of movements, oldest first, each with the stock after it."""
        page = await request.services.product_queries.movements(
            request.actor.store_id, ProductId(product_id), page_request(limit, cursor, a_number)
        )
        items, next_cursor = page_view(page, movement_view)
        return view(request, MovementPage(items=items, next_cursor=next_cursor))

    @get(
        "/{product_id:uuid}/prices",
        opt=READ,
        operation_id="list_product_prices",
        summary="Read a product's price history",
    )
    async def prices(self, request: ApiRequest, product_id: FromPath[UUID]) -> Response[PriceHistory]:
        """What the product cost, newest first: price, cost and tax rate, by whom and when. At most 200."""
        rows = await request.services.product_queries.prices(request.actor.store_id, ProductId(product_id))
        return view(request, PriceHistory(items=[price_view(row) for row in rows]))
