"""The till: a sale in one call."""

from typing import Annotated, Any

from litestar import Controller, Response, post
from litestar.params import Body

from ibex.domain.identity.model import Permission
from ibex.domain.sales.requests import SaleRequest
from ibex.domain.shared.ids import CustomerId, InvoiceId, ShiftId
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.invoice_schemas import (
    InvoiceView,
    SaleInput,
    discount_of,
    invoice_view,
    lines_of,
    tenders_of,
)
from ibex.entrypoints.http.request import ApiRequest


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
