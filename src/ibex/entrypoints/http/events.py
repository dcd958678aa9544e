"""The feed of events."""

from typing import Annotated

from litestar import Controller, Response, get
from litestar.params import QueryParameter

from ibex.domain.events.model import MAX_TYPES
from ibex.domain.identity.model import Permission
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.cursors import Limit
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.webhook_schemas import MAX_SEQ, EventFeed, EventType, event_view


class EventsController(Controller):
    """Events."""

    path = "/v1/events"
    tags = ("Events",)

    @get(opt={"permission": Permission.EVENTS_READ}, operation_id="list_events", summary="Read what happened")
    async def list(
        self,
        request: ApiRequest,
        after: Annotated[
            int, QueryParameter(ge=0, le=MAX_SEQ, description="The next_after of the last answer; 0 at first.")
        ] = 0,
        types: Annotated[
            list[EventType] | None,
            QueryParameter(max_items=MAX_TYPES, description="Only these types; may be given several times."),
        ] = None,
        limit: Limit = DEFAULT_PAGE,
    ) -> Response[EventFeed]:
        """Events in the order in which they were recorded. Whoever goes on after ``next_after`` misses none."""
        actor = request.actor
        wanted = tuple(types) if types else None
        feed = await request.services.event_queries.feed(actor.store_id, after=after, types=wanted, limit=limit)
        items = [event_view(row, actor.store_id) for row in feed.rows]
        return view(request, EventFeed(items=items, next_after=feed.last_seq, has_more=feed.more))
