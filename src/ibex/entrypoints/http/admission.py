"""The one place through which every request goes between routing and its handler."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Request, Response
from litestar.connection import ASGIConnection

from ibex.domain.identity.model import Actor
from ibex.domain.shared.errors import Unauthenticated
from ibex.entrypoints.http.access import RoutePlan, plan_of
from ibex.entrypoints.http.auth import Authenticator
from ibex.entrypoints.http.bodies import NUL_MESSAGE
from ibex.entrypoints.http.cookies import SIGN_IN, session_header
from ibex.entrypoints.http.exchange import Exchange, exchange_of
from ibex.entrypoints.http.rate_limit import RateLimiter
from ibex.entrypoints.http.refusals import invalid


class Admission:
    """Who is it, may they ask so often, may they do this, do they ask for something that exists."""

    def __init__(self, authenticator: Authenticator, sessions: Authenticator, rates: RateLimiter) -> None:
        """``sessions`` knows the browsers that have signed in to the pages."""
        self._authenticator = authenticator
        self._sessions = sessions
        self._rates = rates

    async def admit(self, request: Request[Any, Any, Any]) -> Response[None] | None:
        """The ``before_request`` of every route. Raises Unauthenticated, PermissionRefused or Refusal.

        OPTIONS is answered here: the framework's own answer lists the methods of the route's first handler only.
        """
        plan = plan_of(request.route_handler)
        if request.method == "OPTIONS":
            return Response(None, status_code=204, headers={"allow": plan.allow})
        exchange = exchange_of(request.scope)
        if not plan.public:
            try:
                actor = await self._who(plan, exchange)
            except Unauthenticated:
                if not plan.page:
                    raise
                return Response(None, status_code=303, headers={"location": SIGN_IN})
            exchange.actor = actor.seen_from(request_id=exchange.request_id, address=exchange.address)
            structlog.contextvars.bind_contextvars(store_id=str(actor.store_id), operator_id=str(actor.operator_id))
            exchange.headers += self._rates.take(actor.token_id)
            if plan.permission is not None:
                actor.require(plan.permission)
        if request.scope["query_string"]:
            _check_query(request, plan)
        if plan.deadline_seconds is not None:
            exchange.extend(plan.deadline_seconds)
        return None

    async def _who(self, plan: RoutePlan, exchange: Exchange) -> Actor:
        if plan.page:
            return await self._sessions.actor(session_header(exchange), exchange.address)
        return await self._authenticator.actor(exchange.raw_headers.get(b"authorization"), exchange.address)


def _check_query(request: ASGIConnection[Any, Any, Any, Any], plan: RoutePlan) -> None:
    """A misspelled filter must not pass for no filter, nor the last of two silently win."""
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in plan.query:
            raise invalid(name[:100], "There is no such parameter here.")
        if name in seen and name not in plan.many:
            raise invalid(name, "Give this parameter once.")
        if "\0" in value:
            raise invalid(name, NUL_MESSAGE)
        seen.add(name)
