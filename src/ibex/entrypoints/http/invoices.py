"""Drafts, invoices and their life cycle."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import Body, FromPath, QueryParameter
from msgspec import UnsetType

from ibex.domain.identity.model import Permission
from ibex.domain.sales.model import InvoiceStatus
from ibex.domain.sales.queries import InvoiceFilter
from ibex.domain.sales.requests import DraftChange, DraftRequest, IssueRequest
from ibex.domain.shared.change import UNSET
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CustomerId, InvoiceId, ShiftId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_time, an_id, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.invoice_schemas import (
    DraftInput,
    DraftPatch,
    InvoicePage,
    InvoicePaymentInput,
    InvoiceView,
    PaymentChoice,
    discount_of,
    invoice_row_view,
    invoice_view,
    lines_of,
    tenders_of,
)
from ibex.entrypoints.http.refusals import invalid
from ibex.entrypoints.http.request import ApiRequest

READ = {"permission": Permission.SALES_READ}
WRITE = {"permission": Permission.SALES_WRITE}


def draft_change(data: DraftPatch) -> DraftChange:
    """The change in the domain's words."""
    customer = data.customer_id
    return DraftChange(
        lines=UNSET if isinstance(data.lines, UnsetType) else lines_of(data.lines),
        customer_id=UNSET if isinstance(customer, UnsetType) else (None if customer is None else CustomerId(customer)),
        discount=UNSET if isinstance(data.discount, UnsetType) else discount_of(data.discount),
        note=UNSET if isinstance(data.note, UnsetType) else data.note,
        due_date=UNSET if isinstance(data.due_date, UnsetType) else data.due_date,
    )


class InvoicesController(Controller):
    """Invoices."""

    path = "/v1/invoices"
    tags = ("Invoices",)

    @post(opt=WRITE, operation_id="create_invoice", summary="Write a draft invoice")
    async def create(
        self, request: ApiRequest, data: Annotated[DraftInput, Body(title="Draft")]
    ) -> Response[InvoiceView]:
        """Keeps a draft: priced as of now, without number, stock or money."""
        draft = DraftRequest(
            id=None if data.id is None else InvoiceId(data.id),
            lines=lines_of(data.lines),
            customer_id=None if data.customer_id is None else CustomerId(data.customer_id),
            discount=discount_of(data.discount),
            note=data.note,
            due_date=data.due_date,
        )

        async def use_case(reply: Any) -> Any:
            return await request.services.draft_invoice(request.actor, draft, reply)

        return await answer(request, use_case, invoice_view, location="/v1/invoices")

    @get(opt=READ, operation_id="list_invoices", summary="List invoices")
    async def list(
        self,
        request: ApiRequest,
        status: Annotated[InvoiceStatus | None, QueryParameter(description="Only this status.")] = None,
        customer_id: Annotated[UUID | None, QueryParameter(description="Only this customer's.")] = None,
        number: Annotated[int | None, QueryParameter(ge=1, le=2**62, description="Only this number.")] = None,
        date_from: Annotated[date | None, QueryParameter(name="from", description="First day of trade.")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to", description="Last day of trade.")] = None,
        order: Annotated[str, QueryParameter(pattern="^(asc|desc)$", description="By creation.")] = "desc",
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[InvoicePage]:
        """A page of invoices, newest first unless ``order=asc``."""
        where = InvoiceFilter(
            status=status,
            customer_id=None if customer_id is None else CustomerId(customer_id),
            number=number,
            date_from=date_from,
            date_to=date_to,
            oldest_first=order == "asc",
        )
        page = await request.services.invoice_queries.list(
            request.actor.store_id, where, page_request(limit, cursor, a_time, an_id)
        )
        items, next_cursor = page_view(page, invoice_row_view)
        return view(request, InvoicePage(items=items, next_cursor=next_cursor))

    @get("/{invoice_id:uuid}", opt=READ, operation_id="get_invoice", summary="Read an invoice")
    async def read(self, request: ApiRequest, invoice_id: FromPath[UUID]) -> Response[InvoiceView]:
        """The invoice with its lines, taxes and payments."""
        found = await request.services.invoice_queries.document(request.actor.store_id, InvoiceId(invoice_id))
        if found is None:
            raise NotFound("There is no such invoice in this store.", field="invoice_id")
        return view(request, invoice_view(found), version=found.invoice.version)

    @patch("/{invoice_id:uuid}", opt=WRITE, operation_id="change_invoice", summary="Change a draft")
    async def change(
        self,
        request: ApiRequest,
        invoice_id: FromPath[UUID],
        data: Annotated[DraftPatch, Body(title="Change of a draft")],
    ) -> Response[InvoiceView]:
        """Changes a draft; with ``If-Match`` only if it is still at that version."""
        change, version = draft_change(data), expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.change_draft(
                request.actor, InvoiceId(invoice_id), change, reply, expected_version=version
            )

        return await answer(request, use_case, invoice_view, status=200)

    @post(
        "/{invoice_id:uuid}/issue",
        opt=WRITE | {"conditional": True},
        operation_id="issue_invoice",
        summary="Issue a draft",
        status_code=200,
    )
    async def issue(
        self, request: ApiRequest, invoice_id: FromPath[UUID], data: Annotated[PaymentChoice, Body(title="Issue")]
    ) -> Response[InvoiceView]:
        """Gives the draft its number, lowers the stock, writes the books; paid now or on credit."""
        tenders, on_credit = tenders_of(data)
        asked = IssueRequest(
            tenders=tenders,
            on_credit=on_credit,
            shift_id=None if data.shift_id is None else ShiftId(data.shift_id),
            override_reason=data.override_reason,
        )
        version = expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.issue_invoice(
                request.actor, InvoiceId(invoice_id), asked, reply, expected_version=version
            )

        return await answer(request, use_case, invoice_view, status=200)

    @post(
        "/{invoice_id:uuid}/payments",
        opt={"permission": Permission.PAYMENTS_WRITE, "conditional": True},
        operation_id="pay_invoice",
        summary="Take money for an invoice",
    )
    async def pay(
        self,
        request: ApiRequest,
        invoice_id: FromPath[UUID],
        data: Annotated[InvoicePaymentInput, Body(title="Payment")],
    ) -> Response[InvoiceView]:
        """Takes all that is owed, or a part; the answer holds the payments just made."""
        tenders, on_credit = tenders_of(data, amount=data.amount)
        if on_credit:
            raise invalid("payment_method", "Money is taken by CASH, CARD, TRANSFER or ACCOUNT.")
        shift = None if data.shift_id is None else ShiftId(data.shift_id)
        version = expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.pay_invoice(
                request.actor, InvoiceId(invoice_id), tenders, reply, shift_id=shift, expected_version=version
            )

        return await answer(request, use_case, invoice_view)

    @post(
        "/{invoice_id:uuid}/cancel",
        opt=WRITE | {"conditional": True},
        operation_id="cancel_invoice",
        summary="Give a draft up",
        status_code=200,
    )
    async def cancel(self, request: ApiRequest, invoice_id: FromPath[UUID]) -> Response[InvoiceView]:
        """Cancels a draft. An issued invoice is corrected by a credit note."""
        version = expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.cancel_draft(
                request.actor, InvoiceId(invoice_id), reply, expected_version=version
            )

        return await answer(request, use_case, invoice_view, status=200)
