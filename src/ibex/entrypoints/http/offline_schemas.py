"""Batches of sales that a till made while it was offline, and what became of each."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from ibex.domain.catalog.model import ProductRef
from ibex.domain.sales.offline import BatchResult, ItemProblem, ItemReport, Unreadable, problem_of
from ibex.domain.sales.requests import LineRequest, SaleRequest
from ibex.domain.shared.errors import DomainError
from ibex.domain.shared.ids import CustomerId, InvoiceId, ProductId, ShiftId
from ibex.entrypoints.http.bodies import decode_item
from ibex.entrypoints.http.invoice_schemas import DiscountInput, TenderChoice, discount_of, tenders_of
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.types import Label, Note, PriceText, QuantityText, Request, View, decimal


class OfflineLineInput(Request):
    """A line as it was sold: the price is a fact, whatever the catalogue says by now."""

    quantity: QuantityText
    unit_price: PriceText
    product_id: UUID | None = None
    sku: Label | None = None
    barcode: Label | None = None
    discount: DiscountInput | None = None


class OfflineSaleInput(TenderChoice, kw_only=True):
    """A sale that has happened. Its ``id`` is the till's own: sent again, it is known by it."""

    id: UUID
    occurred_at: Annotated[datetime, Meta(tz=True, description="When it happened, by the till's clock.")]
    lines: list[OfflineLineInput]
    customer_id: UUID | None = None
    discount: DiscountInput | None = None
    note: Note = ""
    due_date: date | None = None
    shift_id: UUID | None = None


class OfflineBatchInput(Request):
    """Up to 500 sales (OfflineSaleInput). One that cannot be read is answered as ``invalid``; the others are kept."""

    items: list[dict[str, Any]]


class OfflineProblemView(View):
    """Why a sale was not recorded; ``code`` is one of those of the whole API."""

    code: str
    message: str
    field: str | None
    details: dict[str, Any]


class OfflineResultView(View):
    """What became of one sale. ``number`` and ``total`` are those of the invoice with this id, if there is one."""

    index: int
    id: UUID | None
    result: BatchResult
    number: int | None
    total: str | None
    oversold: bool
    problem: OfflineProblemView | None


class OfflineBatchView(View):
    """What became of each sale, in the order of the request, and how many there are of each kind."""

    items: list[OfflineResultView]
    created: int
    exists: int
    conflict: int
    invalid: int


def offline_sales(data: OfflineBatchInput) -> list[SaleRequest | Unreadable]:
    """The sales in the domain's words, and what is none."""
    return [_offline_sale(item) for item in data.items]


def batch_view(reports: list[ItemReport], places: str) -> OfflineBatchView:
    """The answer to a batch."""
    count = dict.fromkeys(BatchResult, 0)
    for report in reports:
        count[report.result] += 1
    return OfflineBatchView(
        items=[_result_view(i, report, places) for i, report in enumerate(reports)],
        created=count[BatchResult.CREATED],
        exists=count[BatchResult.EXISTS],
        conflict=count[BatchResult.CONFLICT],
        invalid=count[BatchResult.INVALID],
    )


def _offline_sale(item: dict[str, Any]) -> SaleRequest | Unreadable:
    try:
        return _sale_request(decode_item(item, OfflineSaleInput))
    except Refusal as refusal:
        error = refusal.errors[0] if refusal.errors else None
        problem = ItemProblem(
            code=refusal.code,
            message=error.message if error else refusal.detail,
            field=error.field if error else None,
            details={},
        )
    except DomainError as refused:
        problem = problem_of(refused)
    return Unreadable(id=_id_of(item), problem=problem)


def _id_of(item: dict[str, Any]) -> InvoiceId | None:
    try:
        return InvoiceId(msgspec.convert(item.get("id"), UUID))
    except msgspec.ValidationError:
        return None


def _sale_request(data: OfflineSaleInput) -> SaleRequest:
    tenders, on_credit = tenders_of(data)
    return SaleRequest(
        id=InvoiceId(data.id),
        occurred_at=data.occurred_at,
        lines=[
            LineRequest(
                product=ProductRef(
                    id=None if line.product_id is None else ProductId(line.product_id),
                    sku=line.sku,
                    barcode=line.barcode,
                ),
                quantity=decimal(line.quantity),
                unit_price=decimal(line.unit_price),
                discount=discount_of(line.discount),
            )
            for line in data.lines
        ],
        tenders=tenders,
        on_credit=on_credit,
        customer_id=None if data.customer_id is None else CustomerId(data.customer_id),
        discount=discount_of(data.discount),
        note=data.note,
        due_date=data.due_date,
        shift_id=None if data.shift_id is None else ShiftId(data.shift_id),
    )


def _result_view(index: int, report: ItemReport, places: str) -> OfflineResultView:
    problem = report.problem
    return OfflineResultView(
        index=index,
        id=report.id,
        result=report.result,
        number=report.number,
        total=None if report.total is None else format(report.total, places),
        oversold=report.oversold,
        problem=None
        if problem is None
        else OfflineProblemView(
            code=problem.code, message=problem.message, field=problem.field, details=dict(problem.details)
        ),
    )
