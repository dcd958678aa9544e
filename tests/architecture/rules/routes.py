"""Every route asks for a permission, or is on the list of those that anybody may call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from litestar import Litestar
from litestar.routes import HTTPRoute

from ibex.domain.identity.model import Permission
from ibex.entrypoints.http.access import ANY_OPERATOR
from tests.architecture.violations import Violation

# Said here once more, so that opening a route to everybody takes two edits, in two places.
PUBLIC: Final = {
    "/health/live": "the platform asks whether the process is alive",
    "/health/ready": "the platform asks whether to send requests",
    "/openapi.json": "the contract",
    "/docs": "the contract, to read",
    "/docs/assets/{name}": "what the page of the contract is made of",
    "/reports/sign-in": "takes a token, and gives a browser the session that the page of reports asks for",
    "/metrics": "asks for a token of its own",
}


def unguarded_routes(app: Litestar) -> Iterator[Violation]:
    """Routes with neither a permission, nor "any operator", nor a place on the list."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            yield Violation(route.path, 1, "guarded-routes", "is no HTTP route, and nothing guards it")
            continue
        for method, (handler, _) in sorted(route.route_handler_map.items()):
            if method == "OPTIONS" or route.path_format in PUBLIC:
                continue
            declared = handler.opt.get("permission")
            if not isinstance(declared, Permission) and declared is not ANY_OPERATOR:
                file, line = _where(handler)
                reason = f"{method} {route.path_format} declares no permission and is on no list of public routes"
                yield Violation(file, line, "guarded-routes", reason)


def _where(handler: Any) -> tuple[str, int]:
    code = getattr(handler.fn, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (str(handler), 1)
