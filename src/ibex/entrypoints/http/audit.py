"""The audit trail."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, get
from litestar.params import QueryParameter

from ibex.domain.audit.queries import AuditFilter, AuditRow
from ibex.domain.identity.model import Permission
from ibex.domain.shared.ids import OperatorId
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.cursors import Cursor, Limit, a_number, page_request, page_view
from ibex.entrypoints.http.people import aware
from ibex.entrypoints.http.refusals import invalid
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import View


class AuditEntryView(View):
    """Who did what to which thing, when, from where, and what it was before and after."""

    seq: int
    action: str
    entity: str
    entity_id: str
    operator_id: UUID
    operator_name: str
    token_id: UUID | None
    request_id: str
    address: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    recorded_at: datetime


class AuditPage(View):
    """A page of the audit trail."""

    items: list[AuditEntryView]
    next_cursor: str | None


def audit_view(row: AuditRow) -> AuditEntryView:
    """An entry."""
    return AuditEntryView(
        seq=row.seq,
        action=row.action,
        entity=row.entity,
        entity_id=row.entity_id,
        operator_id=row.operator_id,
        operator_name=row.operator_name,
        token_id=row.token_id,
        request_id=row.request_id,
        address=row.address,
        reason=row.reason,
        before=None if row.before is None else dict(row.before),
        after=None if row.after is None else dict(row.after),
        recorded_at=row.recorded_at,
    )


def moment_parameter(name: str, description: str) -> QueryParameter:
    """A parameter that is a moment. It is read as text, because the framework takes a bare number for one too."""
    return QueryParameter(
        name=name, description=description, max_length=40, schema_extra={"format": "date-time"}, required=False
    )


def moment_of(text: str | None, field: str) -> datetime | None:
    """The moment in the parameter, RFC 3339 with its offset. Raises InvalidRequest."""
    if text is None:
        return None
    try:
        return aware(msgspec.convert(text, datetime), field)
    except msgspec.ValidationError:
        raise invalid(field, "Give a time as in RFC 3339, such as 2027-01-31T12:00:00Z.") from None


class AuditController(Controller):
    """The audit trail."""

    path = "/v1/audit"
    tags = ("Audit",)

    @get(opt={"permission": Permission.AUDIT_READ}, operation_id="list_audit", summary="Read the audit trail")
    async def list(
        self,
        request: ApiRequest,
        action: Annotated[str | None, QueryParameter(max_length=100, description="Such as invoice.issued.")] = None,
        entity: Annotated[str | None, QueryParameter(max_length=100, description="Such as invoice.")] = None,
        entity_id: Annotated[str | None, QueryParameter(max_length=100, description="Just this thing's.")] = None,
        operator_id: Annotated[UUID | None, QueryParameter(description="Only this operator's.")] = None,
        since: Annotated[str | None, moment_parameter("from", "Recorded at or after.")] = None,
        until: Annotated[str | None, moment_parameter("to", "Recorded before.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[AuditPage]:
        """A page of entries, newest first. Writing them down is part of each change; nothing can change them."""
        where = AuditFilter(
            action=action,
            entity=entity,
            entity_id=entity_id,
            operator_id=None if operator_id is None else OperatorId(operator_id),
            since=moment_of(since, "from"),
            until=moment_of(until, "to"),
        )
        page = await request.services.audit_queries.list(
            request.actor.store_id, where, page_request(limit, cursor, a_number)
        )
        items, next_cursor = page_view(page, audit_view)
        return view(request, AuditPage(items=items, next_cursor=next_cursor))
