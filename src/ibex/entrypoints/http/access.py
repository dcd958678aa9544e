"""Who may call which route: one declaration per handler, checked when the app is built and enforced in one
place.

A handler says ``opt={"permission": Permission.SALES_WRITE}``, or ``ANY_OPERATOR`` where a valid token is
enough. The only routes without are those of PUBLIC_PATHS. An app with any other route cannot be built.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute

from ibex.domain.identity.model import Permission

PUBLIC_PATHS: Final = frozenset(
    {"/health/live", "/health/ready", "/openapi.json", "/docs", "/docs/assets/{name}", "/metrics", "/reports/sign-in"}
)
"""Routes that answer anybody. /metrics asks for a token of its own."""


class _Anyone(Enum):
    ANY_OPERATOR = "any operator"


ANY_OPERATOR: Final = _Anyone.ANY_OPERATOR
"""In place of a permission: a valid token is enough."""

_PLAN: Final = "ibex_plan"


class UnguardedRouteError(Exception):
    """A route declares no permission, or declares something else in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan:
    """What the edge has to know about a handler, worked out once."""

    public: bool
    permission: Permission | None
    query: frozenset[str]
    """Names of its query parameters; others are refused."""
    aliases: dict[str, str]
    """From the names of the handler's arguments to those of its query parameters."""
    many: frozenset[str]
    """Those that may be given several times."""
    decoder: msgspec.json.Decoder[Any] | None
    allow: str
    """The methods of the route, as the Allow header lists them."""
    deadline_seconds: float | None
    """Instead of the usual deadline, from ``opt={"deadline_seconds": ...}``."""
    dry_run: bool
    """A POST that changes nothing (``opt={"dry_run": True}``), so that it takes no Idempotency-Key."""
    piecemeal: bool
    """The handler judges the body's items one by one (``opt={"piecemeal": True}``), also for what no text may hold."""
    conditional: bool
    """It honours If-None-Match or If-Match: every PATCH, every GET of one thing, and what says so in its opt
    (``{"conditional": True}``, or False where a GET of one thing has no version of its own)."""
    may_be_missing: bool
    """It can answer 404, from ``opt={"may_be_missing": True}``; that a route with an id in its path can goes without
    saying."""
    media_types: tuple[str, ...]
    """What it can produce besides JSON, from ``opt={"media_types": ("text/csv",)}``."""
    page: bool
    """A page for a browser (``opt={"page": True}``): who is it is asked of its session's cookie, not of a token."""
    consumes: str | None
    """The media type of a body that is no JSON, from ``opt={"consumes": "text/csv"}``; the handler decodes it."""


def plan_of(handler: BaseRouteHandler) -> RoutePlan:
    """The plan that `plan_routes` made for the handler."""
    plan: RoutePlan = handler.opt[_PLAN]
    return plan


def plan_routes(app: Litestar, *, framework_paths: str | None = None) -> None:
    """Works out the plan of every handler. Raises UnguardedRouteError if one may not be served.

    Routes under ``framework_paths`` are left alone: for an application that is only described, never served.
    """
    admission = app.before_request
    for route in app.routes:
        if framework_paths is not None and route.path_format.startswith(framework_paths):
            continue
        if not isinstance(route, HTTPRoute):
            raise UnguardedRouteError(f"{route.path} is no HTTP route, and nothing guards it.")
        for method, (handler, model) in route.route_handler_map.items():
            if handler.resolve_before_request() is not admission:
                raise UnguardedRouteError(
                    f"{route.path_format} has a before_request of its own, in place of the guard."
                )
            names = frozenset(parameter.field_alias for parameter in model.expected_query_params)
            handler.opt[_PLAN] = RoutePlan(
                public=_is_public(route.path_format, method),
                permission=_declared_permission(handler, route.path_format, method),
                query=names,
                aliases={p.field_name: p.field_alias for p in model.expected_query_params},
                many=frozenset(model.sequence_query_parameter_names),
                decoder=_body_decoder(handler),
                allow=", ".join(sorted(route.methods)),
                deadline_seconds=handler.opt.get("deadline_seconds"),
                dry_run=bool(handler.opt.get("dry_run")),
                piecemeal=bool(handler.opt.get("piecemeal")),
                conditional=bool(handler.opt.get("conditional", _is_conditional(route.path_format, method))),
                may_be_missing=bool(handler.opt.get("may_be_missing")),
                media_types=tuple(handler.opt.get("media_types", ())),
                page=bool(handler.opt.get("page")),
                consumes=handler.opt.get("consumes"),
            )


def _is_conditional(path: str, method: str) -> bool:
    return method == "PATCH" or (method == "GET" and path.endswith("}") and path not in PUBLIC_PATHS)


def _is_public(path: str, method: str) -> bool:
    # OPTIONS is answered by the framework with nothing but the list of methods.
    return path in PUBLIC_PATHS or method == "OPTIONS"


def _declared_permission(handler: HTTPRouteHandler, path: str, method: str) -> Permission | None:
    declared = handler.opt.get("permission")
    if _is_public(path, method):
        return None
    if declared is ANY_OPERATOR:
        return None
    if isinstance(declared, Permission):
        return declared
    raise UnguardedRouteError(
        f"{method} {path} ({handler}) declares no permission. Give it opt={{'permission': Permission....}}."
    )


def _body_decoder(handler: HTTPRouteHandler) -> msgspec.json.Decoder[Any] | None:
    field = handler.parsed_fn_signature.parameters.get("data")
    if field is None:
        return None
    return msgspec.json.Decoder(field.raw)
