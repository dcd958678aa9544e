"""One request as the database's side knows it: how long somebody waits for the answer, and what it cost so far."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Final

DEFAULT_SECONDS: Final = 30.0
"""For work that no request is behind: commands, and jobs of the service's own."""


class Call:
    """Shared by all statements of a request; the one who began it reads the counts."""

    __slots__ = ("deadline", "retries", "statements", "traced", "trail")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        """Monotonic seconds. No statement is sent after it, and none is waited for beyond it."""
        self.statements = 0
        """Sent to the database, repeats included: each is one round trip (three through a pooler)."""
        self.retries = 0
        self.traced = False
        """Whether somebody wants the trail."""
        self.trail: list[tuple[str, float, float, str]] = []
        """Of each statement: its text, when it began and ended (monotonic seconds), and the class of its error."""

    def left(self) -> float:
        """Seconds until the deadline; negative when it has passed."""
        return self.deadline - time.monotonic()


_current: ContextVar[Call] = ContextVar("ibex_call")


def begin_call(deadline: float) -> Call:
    """From here on, in this task and those that it starts, statements belong to this call."""
    call = Call(deadline)
    _current.set(call)
    return call


def current_call() -> Call:
    """The call that is going on; where there is none, one of its own with DEFAULT_SECONDS."""
    call = _current.get(None)
    return Call(time.monotonic() + DEFAULT_SECONDS) if call is None else call
