"""The till: a sale in one call."""

from typing import Annotated, Any, Final

from litestar import Controller, Response, post
from litestar.params import Body

from ibex.domain.identity.model import Permission
from ibex.domain.sales.requests import SaleRequest
from ibex.domain.shared.ids import CustomerId, InvoiceId, ShiftId
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.invoice_schemas import (
    InvoiceView,
    SaleInput,
    discount_of,
    invoice_view,
    lines_of,
    tenders_of,
)
from ibex.entrypoints.http.offline_schemas import OfflineBatchInput, OfflineBatchView, batch_view, offline_sales
from ibex.entrypoints.http.quote_schemas import QuoteInput, QuoteView, quote_request, quote_view
from ibex.entrypoints.http.request import ApiRequest

MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
BATCH_SECONDS: Final = 60.0


def sale_request(data: SaleInput) -> SaleRequest:
    """The sale in the domain's words. Raises InvalidRequest."""
    tenders, on_credit = tenders_of(data)
    return SaleRequest(
        id=None if data.id is None else InvoiceId(data.id),
        lines=lines_of(data.lines),
        tenders=tenders,
        on_credit=on_credit,
        customer_id=None if data.customer_id is None else CustomerId(data.customer_id),
        discount=discount_of(data.discount),
        note=data.note,
        due_date=data.due_date,
        shift_id=None if data.shift_id is None else ShiftId(data.shift_id),
        override_reason=data.override_reason,
    )


class SalesController(Controller):
    """Sales in one step."""

    path = "/v1/sales"
    tags = ("Sales",)

    @post(opt={"permission": Permission.SALES_WRITE}, operation_id="record_sale", summary="Record a sale")
    async def record(
        self, request: ApiRequest, data: Annotated[SaleInput, Body(title="Sale")]
    ) -> Response[InvoiceView]:
        """Prices the lines, takes the money, lowers the stock and writes the books, all of it or nothing."""
        sale = sale_request(data)
        services = request.services

        async def use_case(reply: Any) -> Any:
            return await services.record_sale(request.actor, sale, reply)

        return await answer(request, use_case, invoice_view, location="/v1/invoices")

    @post(
        "/quote",
        opt={"permission": Permission.SALES_READ, "dry_run": True},
        operation_id="quote_sale",
        summary="Price a sale without selling",
        status_code=200,
    )
    async def quote(self, request: ApiRequest, data: Annotated[QuoteInput, Body(title="Quote")]) -> Response[QuoteView]:
        """Prices, discounts, tax, rounding and change as of now. Nothing is written."""
        found = await request.services.quote_sale(request.actor, quote_request(data))
        return view(request, quote_view(found))

    @post(
        "/batch",
        opt={"permission": Permission.SALES_WRITE, "piecemeal": True, "deadline_seconds": BATCH_SECONDS},
        operation_id="record_offline_sales",
        summary="Record what a till sold offline",
        status_code=200,
        request_max_body_size=MAX_BATCH_BYTES,
    )
    async def batch(
        self, request: ApiRequest, data: Annotated[OfflineBatchInput, Body(title="Batch of offline sales")]
    ) -> Response[OfflineBatchView]:
        """Up to 500 sales with ids of the till's own, in one transaction; each is judged for itself."""
        sales = offline_sales(data)
        places = f".{request.actor.store.currency.exponent}f"

        async def use_case(reply: Any) -> Any:
            return await request.services.record_offline_sales(request.actor, sales, reply)

        return await answer(request, use_case, lambda reports: batch_view(reports, places), status=200)
