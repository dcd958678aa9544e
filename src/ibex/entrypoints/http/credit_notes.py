"""Returns, voids and the credit notes that they leave."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import Body, FromPath, QueryParameter

from ibex.domain.identity.model import Permission
from ibex.domain.sales.queries import CreditNoteFilter
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CreditNoteId, CustomerId, InvoiceId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.credit_note_schemas import (
    CreditNotePage,
    CreditNoteView,
    LooseReturnInput,
    ReturnInput,
    VoidInput,
    credit_note_row_view,
    credit_note_view,
    loose_return_request,
    return_request,
    void_request,
)
from ibex.entrypoints.http.cursors import Cursor, Limit, a_number, page_request, page_view
from ibex.entrypoints.http.idempotency import answer
from ibex.entrypoints.http.request import ApiRequest

READ = {"permission": Permission.SALES_READ}
REFUND = {"permission": Permission.REFUNDS_WRITE}
PATH = "/v1/credit-notes"


class ReturnsController(Controller):
    """Goods that come back."""

    path = "/v1"
    tags = ("Returns",)

    @post(
        "/invoices/{invoice_id:uuid}/credit-notes",
        opt=REFUND | {"conditional": True},
        operation_id="credit_invoice",
        summary="Take back part of an invoice",
    )
    async def credit(
        self, request: ApiRequest, invoice_id: FromPath[UUID], data: Annotated[ReturnInput, Body(title="Return")]
    ) -> Response[CreditNoteView]:
        """Credits lines by quantity: first against what is owed, the rest goes back to the customer."""
        asked, version = return_request(data), expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.credit_invoice(
                request.actor, InvoiceId(invoice_id), asked, reply, expected_version=version
            )

        return await answer(request, use_case, credit_note_view, location=PATH)

    @post(
        "/invoices/{invoice_id:uuid}/void",
        opt=REFUND | {"conditional": True},
        operation_id="void_invoice",
        summary="Take back all of an invoice",
    )
    async def void(
        self, request: ApiRequest, invoice_id: FromPath[UUID], data: Annotated[VoidInput, Body(title="Void")]
    ) -> Response[CreditNoteView]:
        """A credit note of all that has not come back yet. The invoice keeps its number."""
        asked, version = void_request(data), expected_version(request)

        async def use_case(reply: Any) -> Any:
            return await request.services.void_invoice(
                request.actor, InvoiceId(invoice_id), asked, reply, expected_version=version
            )

        return await answer(request, use_case, credit_note_view, location=PATH)

    @post("/credit-notes", opt=REFUND, operation_id="credit_without_invoice", summary="Take goods back without invoice")
    async def credit_loose(
        self, request: ApiRequest, data: Annotated[LooseReturnInput, Body(title="Return without invoice")]
    ) -> Response[CreditNoteView]:
        """For goods whose invoice nobody has: needs ``sales:override`` and a reason."""
        asked = loose_return_request(data)

        async def use_case(reply: Any) -> Any:
            return await request.services.credit_without_invoice(request.actor, asked, reply)

        return await answer(request, use_case, credit_note_view, location=PATH)

    @get("/credit-notes", opt=READ, operation_id="list_credit_notes", summary="List credit notes")
    async def list(
        self,
        request: ApiRequest,
        invoice_id: Annotated[UUID | None, QueryParameter(description="Only those of this invoice.")] = None,
        customer_id: Annotated[UUID | None, QueryParameter(description="Only this customer's.")] = None,
        number: Annotated[int | None, QueryParameter(ge=1, le=2**62, description="Only this number.")] = None,
        date_from: Annotated[date | None, QueryParameter(name="from", description="First day of trade.")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to", description="Last day of trade.")] = None,
        order: Annotated[str, QueryParameter(pattern="^(asc|desc)$", description="By number.")] = "desc",
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[CreditNotePage]:
        """A page of credit notes, newest first unless ``order=asc``."""
        where = CreditNoteFilter(
            invoice_id=None if invoice_id is None else InvoiceId(invoice_id),
            customer_id=None if customer_id is None else CustomerId(customer_id),
            number=number,
            date_from=date_from,
            date_to=date_to,
            oldest_first=order == "asc",
        )
        page = await request.services.credit_note_queries.list(
            request.actor.store_id, where, page_request(limit, cursor, a_number)
        )
        items, next_cursor = page_view(page, credit_note_row_view)
        return view(request, CreditNotePage(items=items, next_cursor=next_cursor))

    @get("/credit-notes/{credit_note_id:uuid}", opt=READ, operation_id="get_credit_note", summary="Read a credit note")
    async def read(self, request: ApiRequest, credit_note_id: FromPath[UUID]) -> Response[CreditNoteView]:
        """The credit note with its lines, taxes and refunds. It never changes."""
        found = await request.services.credit_note_queries.document(
            request.actor.store_id, CreditNoteId(credit_note_id)
        )
        if found is None:
            raise NotFound("There is no such credit note in this store.", field="credit_note_id")
        return view(request, credit_note_view(found), version=1)
