"""One line for every answer."""

from __future__ import annotations

from typing import Any

import structlog

from ibex.entrypoints.http.exchange import Exchange
from ibex.entrypoints.logs import plain_lines, without_secrets

log = structlog.get_logger("ibex.access")


class AccessLog:
    """Logs answers: failures of ours as errors, refusals as warnings only where somebody may have to act."""

    def answered(self, exchange: Exchange, scope: Any, seconds: float) -> None:
        """The line holds the route's template, never the query, a header or a body."""
        path = without_secrets(scope["path"])
        status = exchange.status
        fields: dict[str, Any] = {
            "method": scope["method"],
            "route": scope.get("path_template", ""),
            "path": path,
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
            "address": exchange.address,
        }
        if exchange.code:
            fields["code"] = exchange.code
        if exchange.call.retries:
            fields["database_retries"] = exchange.call.retries
        if status == 0:
            log.error("request", **fields)
        elif status >= 500 or status in (401, 429):
            log.warning("request", **fields)
        elif path.startswith("/health/"):
            log.debug("request", **fields)
        elif plain_lines.enabled:
            plain_lines.write(fields | _ids(exchange))
        else:
            log.info("request", **fields)


def _ids(exchange: Exchange) -> dict[str, Any]:
    """What the other lines of the request get from its context."""
    ids: dict[str, Any] = {"event": "request", "request_id": exchange.request_id}
    if exchange.trace_id:
        ids["trace_id"] = exchange.trace_id
    if exchange.actor is not None:
        ids["store_id"] = exchange.actor.store.id
        ids["operator_id"] = exchange.actor.operator_id
    return ids
