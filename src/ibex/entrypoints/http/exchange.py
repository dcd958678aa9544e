"""One request and its answer, as the layers of the edge know it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ibex.domain.identity.model import Actor
from ibex.entrypoints.http.services import Services

_KEY: Final = "ibex"


class Exchange:
    """What is known about a request while it is served; the outermost layer makes it and logs it."""

    __slots__ = (
        "actor",
        "address",
        "body",
        "code",
        "deadline",
        "headers",
        "raw_headers",
        "request_id",
        "services",
        "started",
        "status",
    )

    def __init__(
        self,
        *,
        services: Services,
        request_id: str,
        address: str,
        raw_headers: Mapping[bytes, bytes],
        started: float,
    ) -> None:
        self.services = services
        self.request_id = request_id
        self.address = address
        self.raw_headers = raw_headers
        """The request's headers by lower-case name; of a repeated one, the last."""
        self.started = started
        """Monotonic seconds."""
        self.deadline: asyncio.Timeout | None = None
        self.actor: Actor | None = None
        self.body: bytes | None = None
        """The request's body, once it was read."""
        self.status = 0
        self.code = ""
        """The problem's code, where the answer is a problem."""
        self.headers: list[tuple[bytes, bytes]] = []
        """Headers that the answer gets, whatever it will be."""

    def header(self, name: bytes) -> str | None:
        """A header of the request, by its lower-case name."""
        raw = self.raw_headers.get(name)
        return None if raw is None else raw.decode("latin-1")

    def attach(self, scope: Any) -> None:
        """Make it known to the inner layers."""
        scope.setdefault("state", {})[_KEY] = self


def exchange_of(scope: Any) -> Exchange:
    """The exchange that a scope belongs to."""
    exchange: Exchange = scope["state"][_KEY]
    return exchange
