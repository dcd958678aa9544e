"""The ledger, as pages of JSON or streamed whole as CSV or JSON Lines."""

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Annotated, Any, Final, cast
from uuid import UUID

from litestar import Controller, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from ibex.domain.identity.model import Permission
from ibex.domain.ledger.model import EntryType
from ibex.domain.ledger.queries import EntryRow, LedgerFilter
from ibex.domain.shared.ids import CustomerId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_day, a_number, page_request, page_view
from ibex.entrypoints.http.ledger_schemas import EntryView, LedgerPage, entry_view
from ibex.entrypoints.http.negotiation import CSV, JSON, JSON_LINES, chosen
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import encode

COLUMNS: Final = EntryView.__struct_fields__
STREAM_SECONDS: Final = 600.0


class LedgerController(Controller):
    """The ledger."""

    path = "/v1/ledger"
    tags = ("Ledger",)

    @get(
        opt={
            "permission": Permission.LEDGER_READ,
            "deadline_seconds": STREAM_SECONDS,
            "media_types": (CSV, JSON_LINES),
        },
        operation_id="list_ledger",
        summary="Read the ledger",
    )
    async def list(
        self,
        request: ApiRequest,
        date_from: Annotated[date | None, QueryParameter(name="from", description="First day of trade.")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to", description="Last day of trade.")] = None,
        entry_type: Annotated[EntryType | None, QueryParameter(name="type", description="Only this type.")] = None,
        customer_id: Annotated[UUID | None, QueryParameter(description="Only this customer's.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[LedgerPage]:
        """A page of entries; with ``Accept: text/csv`` or ``application/x-ndjson`` all of them, streamed."""
        where = LedgerFilter(
            date_from=date_from,
            date_to=date_to,
            type=entry_type,
            customer_id=None if customer_id is None else CustomerId(customer_id),
        )
        actor, queries = request.actor, request.services.ledger_queries
        places = f".{actor.store.currency.exponent}f"
        kind = chosen(request, (JSON, CSV, JSON_LINES))
        if kind is CSV:
            lines = queries.stream_csv(actor.store_id, where, decimals=actor.store.currency.exponent)
            return stream(lines, header=csv_header(), media_type=kind)
        if kind is JSON_LINES:
            portions = queries.stream(actor.store_id, where)
            return stream((lines_portion(rows, places) async for rows in portions), media_type=kind)
        order = (a_day, a_number) if where.by_day else (a_number,)
        page = await queries.list(actor.store_id, where, page_request(limit, cursor, *order))
        items, next_cursor = page_view(page, lambda row: entry_view(row, places))
        return view(request, LedgerPage(items=items, next_cursor=next_cursor))


def stream(portions: AsyncIterator[bytes], *, header: bytes = b"", media_type: str) -> Response[Any]:
    """The header and the portions, one after the other, in constant memory."""

    async def body() -> AsyncIterator[bytes]:
        if header:
            yield header
        async for portion in portions:
            yield portion

    # Litestar makes the response of a Stream itself, so that it counts as one here.
    return cast(Response[Any], Stream(body(), media_type=media_type))


def csv_header() -> bytes:
    """The names of the columns."""
    return (",".join(COLUMNS) + "\r\n").encode()


def lines_portion(rows: Sequence[EntryRow], places: str) -> bytes:
    """Rows as JSON Lines."""
    return b"".join(encode(entry_view(row, places)) + b"\n" for row in rows)
