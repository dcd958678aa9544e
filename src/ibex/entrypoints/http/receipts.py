"""Money from customers and back to them, and what they owed before."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import Body, FromPath, QueryParameter

from ibex.domain.customers.opening import OpeningBalance
from ibex.domain.identity.model import Permission
from ibex.domain.sales.receipt_queries import ReceiptFilter
from ibex.domain.sales.receipts import Receipt
from ibex.domain.sales.tender import PaymentKind
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CustomerId, ReceiptId, ShiftId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_number, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.receipt_schemas import (
    OpeningInput,
    OpeningView,
    ReceiptInput,
    ReceiptPage,
    ReceiptView,
    RefundInput,
    opening_request,
    opening_view,
    payout_request,
    receipt_request,
    receipt_row_view,
    receipt_view,
)
from ibex.entrypoints.http.request import ApiRequest


class AccountsController(Controller):
    """What happens on a customer's account."""

    path = "/v1/customers/{customer_id:uuid}"
    tags = ("Payments",)

    @post(
        "/receipts",
        opt={"permission": Permission.PAYMENTS_WRITE},
        operation_id="take_receipt",
        summary="Take money for what a customer owes",
    )
    async def receive(
        self, request: ApiRequest, customer_id: FromPath[UUID], data: Annotated[ReceiptInput, Body(title="Receipt")]
    ) -> Response[ReceiptView]:
        """One receipt that settles many invoices, oldest first: all of it or nothing."""
        asked = receipt_request(data)
        currency = request.actor.store.currency

        def present(receipt: Receipt) -> ReceiptView:
            return receipt_view(receipt, currency)

        async def use_case(reply: Any) -> Any:
            return await request.services.take_receipt(request.actor, CustomerId(customer_id), asked, reply)

        return await answer(request, use_case, present, location="/v1/receipts")

    @post(
        "/refunds",
        opt={"permission": Permission.REFUNDS_WRITE},
        operation_id="refund_account_credit",
        summary="Pay account credit back",
    )
    async def refund(
        self, request: ApiRequest, customer_id: FromPath[UUID], data: Annotated[RefundInput, Body(title="Refund")]
    ) -> Response[ReceiptView]:
        """Gives the customer money that is on the account: a receipt of kind REFUND."""
        asked = payout_request(data)
        currency = request.actor.store.currency

        def present(receipt: Receipt) -> ReceiptView:
            return receipt_view(receipt, currency)

        async def use_case(reply: Any) -> Any:
            return await request.services.pay_out_credit(request.actor, CustomerId(customer_id), asked, reply)

        return await answer(request, use_case, present, location="/v1/receipts")

    @post(
        "/opening-balance",
        opt={"permission": Permission.LEDGER_WRITE},
        operation_id="enter_opening_balance",
        summary="Enter what a customer owed before",
    )
    async def open_balance(
        self,
        request: ApiRequest,
        customer_id: FromPath[UUID],
        data: Annotated[OpeningInput, Body(title="Opening balance")],
    ) -> Response[OpeningView]:
        """Adds one OPENING entry: a debt that receipts settle before any invoice, or account credit."""
        asked = opening_request(data)
        currency = request.actor.store.currency

        def present(opening: OpeningBalance) -> OpeningView:
            return opening_view(opening, currency)

        async def use_case(reply: Any) -> Any:
            return await request.services.enter_opening_balance(request.actor, CustomerId(customer_id), asked, reply)

        return await answer(request, use_case, present)


class ReceiptsController(Controller):
    """Receipts and refunds."""

    path = "/v1/receipts"
    tags = ("Payments",)

    @get(opt={"permission": Permission.SALES_READ}, operation_id="list_receipts", summary="List receipts")
    async def list(
        self,
        request: ApiRequest,
        kind: Annotated[PaymentKind | None, QueryParameter(description="Only money in, or only money out.")] = None,
        customer_id: Annotated[UUID | None, QueryParameter(description="Only this customer's.")] = None,
        shift_id: Annotated[UUID | None, QueryParameter(description="Only of this drawer's shift.")] = None,
        date_from: Annotated[date | None, QueryParameter(name="from", description="First day of trade.")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to", description="Last day of trade.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[ReceiptPage]:
        """A page of receipts by number, newest first: those of sales, of invoices and of accounts, and refunds."""
        where = ReceiptFilter(
            kind=kind,
            customer_id=None if customer_id is None else CustomerId(customer_id),
            shift_id=None if shift_id is None else ShiftId(shift_id),
            date_from=date_from,
            date_to=date_to,
        )
        currency = request.actor.store.currency
        page = await request.services.receipt_queries.list(
            request.actor.store_id, where, page_request(limit, cursor, a_number)
        )
        items, next_cursor = page_view(page, lambda row: receipt_row_view(row, currency))
        return view(request, ReceiptPage(items=items, next_cursor=next_cursor))

    @get(
        "/{receipt_id:uuid}",
        opt={"permission": Permission.SALES_READ, "conditional": False},
        operation_id="get_receipt",
        summary="Read a receipt",
    )
    async def read(self, request: ApiRequest, receipt_id: FromPath[UUID]) -> Response[ReceiptView]:
        """The receipt with its payments, and the invoices that it is for as they are now."""
        found = await request.services.receipt_queries.receipt(request.actor.store_id, ReceiptId(receipt_id))
        if found is None:
            raise NotFound("There is no such receipt in this store.", field="receipt_id")
        return view(request, receipt_view(found, request.actor.store.currency))
