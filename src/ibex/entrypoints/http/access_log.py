"""One line for every answer."""

from __future__ import annotations

from typing import Any

import structlog

from ibex.entrypoints.http.exchange import Exchange

log = structlog.get_logger("ibex.access")


class AccessLog:
    """Logs answers: failures of ours as errors, refusals as warnings only where somebody may have to act."""

    def answered(self, exchange: Exchange, scope: Any, seconds: float) -> None:
        """The line holds the route's template, never the query, a header or a body."""
        path = scope["path"]
        fields: dict[str, Any] = {
            "method": scope["method"],
            "route": scope.get("path_template", ""),
            "path": path,
            "status": exchange.status,
            "milliseconds": round(seconds * 1000, 2),
            "address": exchange.address,
        }
        if exchange.code:
            fields["code"] = exchange.code
        if exchange.status == 0:
            log.error("request", **fields)
        elif exchange.status >= 500 or exchange.status in (401, 429):
            log.warning("request", **fields)
        elif path.startswith("/health/"):
            log.debug("request", **fields)
        else:
            log.info("request", **fields)
