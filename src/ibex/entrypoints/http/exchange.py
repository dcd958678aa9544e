"""One request and its answer, as the layers of the edge know it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from ibex.domain.identity.model import Actor
from ibex.entrypoints.http.services import Services

ANSWER_SECONDS: Final = 1.0
"""The database's deadline is this much before the request's, so that the answer can say what became of it."""
_KEY: Final = "ibex"


class Call(Protocol):
    """What the database's side keeps of one request."""

    deadline: float
    """Monotonic seconds: nothing is begun or waited for beyond it."""
    statements: int
    """Sent to the database so far."""
    retries: int
    traced: bool
    """Whether somebody wants the trail."""
    trail: list[tuple[str, float, float, str]]
    """Of each statement: its text, when it began and ended (monotonic seconds), and the class of its error."""


class NoDatabase:
    """A Call where nothing counts."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.statements = 0
        self.retries = 0
        self.traced = False
        self.trail: list[tuple[str, float, float, str]] = []


class Exchange:
    """What is known about a request while it is served; the outermost layer makes it and logs it."""

    __slots__ = (
        "actor",
        "address",
        "body",
        "call",
        "code",
        "deadline",
        "headers",
        "raw_headers",
        "request_id",
        "services",
        "started",
        "status",
        "trace_id",
    )

    def __init__(
        self,
        *,
        services: Services,
        request_id: str,
        address: str,
        raw_headers: Mapping[bytes, bytes],
        started: float,
        call: Call,
    ) -> None:
        self.services = services
        self.request_id = request_id
        self.address = address
        self.raw_headers = raw_headers
        """The request's headers by lower-case name; of a repeated one, the last."""
        self.started = started
        """Monotonic seconds."""
        self.call = call
        self.deadline: asyncio.Timeout | None = None
        self.actor: Actor | None = None
        self.body: bytes | None = None
        """The request's body, once it was read."""
        self.trace_id = ""
        """The trace that the request belongs to, where there is one."""
        self.status = 0
        self.code = ""
        """The problem's code, where the answer is a problem."""
        self.headers: list[tuple[bytes, bytes]] = []
        """Headers that the answer gets, whatever it will be."""

    def header(self, name: bytes) -> str | None:
        """A header of the request, by its lower-case name."""
        raw = self.raw_headers.get(name)
        return None if raw is None else raw.decode("latin-1")

    def extend(self, seconds: float) -> None:
        """Give it this long from now on, instead of what is left."""
        if self.deadline is not None:
            self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)
        self.call.deadline = time.monotonic() + seconds - ANSWER_SECONDS

    def attach(self, scope: Any) -> None:
        """Make it known to the inner layers."""
        scope.setdefault("state", {})[_KEY] = self


def exchange_of(scope: Any) -> Exchange:
    """The exchange that a scope belongs to."""
    exchange: Exchange = scope["state"][_KEY]
    return exchange
