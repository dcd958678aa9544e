"""What can go wrong, when it does, and how often it did."""

from __future__ import annotations

import asyncio
import enum
import itertools
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from ibex_devtools.neon.certificates import Certificate
from ibex_devtools.neon.wire import PROXY_ERROR


class Fault(enum.StrEnum):
    """One connection's bad luck. Faults of the whole database are methods of the stand-in."""

    # When a client connects.
    RESET_CONNECT = "reset-connect"  # RST as soon as it is accepted
    STALL_CONNECT = "stall-connect"  # accepted, and never a word
    EXPIRED_CERTIFICATE = "expired-certificate"
    WRONG_NAME_CERTIFICATE = "wrong-name-certificate"
    UNKNOWN_AUTHORITY = "unknown-authority"
    COLD_START = "cold-start"  # delay_seconds before the server is connected to
    REJECT = "reject"  # FATAL with sqlstate and message before the password is asked for

    # When a statement commits work that matches.
    CUT_BEFORE_COMMIT = "cut-before-commit"  # the server never gets it
    CUT_AFTER_COMMIT = "cut-after-commit"  # the server has finished it, the client is not told
    STALL_BEFORE_COMMIT = "stall-before-commit"  # the server never gets it, and nobody is told
    STALL_AFTER_COMMIT = "stall-after-commit"  # the server has got it, and its answer never comes

    # When any statement that matches is sent.
    CUT_STATEMENT = "cut-statement"  # as CUT_BEFORE_COMMIT, for reads too
    CUT_ANSWER = "cut-answer"  # after the first answer_bytes of it
    STALL_STATEMENT = "stall-statement"
    DELAY_STATEMENT = "delay-statement"  # delay_seconds on its way to the server


CERTIFICATES: Final = {
    Fault.EXPIRED_CERTIFICATE: Certificate.EXPIRED,
    Fault.WRONG_NAME_CERTIFICATE: Certificate.WRONG_NAME,
    Fault.UNKNOWN_AUTHORITY: Certificate.UNKNOWN_AUTHORITY,
}
COMMIT_FAULTS: Final = frozenset(
    {Fault.CUT_BEFORE_COMMIT, Fault.CUT_AFTER_COMMIT, Fault.STALL_BEFORE_COMMIT, Fault.STALL_AFTER_COMMIT}
)
STATEMENT_FAULTS: Final = frozenset(
    {Fault.CUT_STATEMENT, Fault.CUT_ANSWER, Fault.STALL_STATEMENT, Fault.DELAY_STATEMENT}
)
# What counts as work to commit when no pattern is given.
WRITES: Final = r"\b(?:insert|update|delete|merge|truncate|create|alter|drop)\b|\bibex\.post\b"


@dataclass(slots=True)
class Injected:
    """One fault that happened. `sqlstate` tells a server's error to a statement whose answer was withheld."""

    connection: int
    statement: str = ""
    finished: bool = False  # the server has finished the statement
    sqlstate: str = ""


@dataclass(slots=True, eq=False)
class Injection:
    """An armed fault. As a context manager it is disarmed at the end of the block."""

    fault: Fault
    times: int | None
    probability: float
    pattern: re.Pattern[str]
    delay_seconds: float
    reset: bool
    sqlstate: str
    message: str
    answer_bytes: int
    number: int
    _disarm: Callable[[Injection], None]
    injected: list[Injected] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def count(self) -> int:
        """How often it has happened."""
        return len(self.injected)

    def disarm(self) -> None:
        """It happens no more."""
        self._disarm(self)

    async def happened(self, count: int = 1) -> None:
        """Return when it has happened `count` times. Put a timeout around it."""
        while self.count < count:
            self._changed.clear()
            await self._changed.wait()

    def record(self, injected: Injected) -> None:
        """Count one."""
        self.injected.append(injected)
        self._changed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disarm()


class FaultBook:
    """The armed faults, in the order in which they were armed, and the chance that decides."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._armed: list[Injection] = []
        self._numbers = itertools.count(1)
        self.counts: dict[Fault, int] = dict.fromkeys(Fault, 0)
        self.watches_statements = False

    def arm(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        probability: float = 1.0,
        statement: str | None = None,
        delay_seconds: float = 0.0,
        reset: bool = False,
        sqlstate: str = PROXY_ERROR,
        message: str = "Couldn't connect to compute node",
        answer_bytes: int = 1,
    ) -> Injection:
        """See `NeonStandIn.arm`."""
        default = WRITES if fault in COMMIT_FAULTS else ""
        pattern = re.compile(default if statement is None else statement, re.IGNORECASE)
        injection = Injection(
            fault,
            times,
            probability,
            pattern,
            delay_seconds,
            reset,
            sqlstate,
            message,
            answer_bytes,
            next(self._numbers),
            self._remove,
        )
        self._armed.append(injection)
        self._update()
        return injection

    def find(self, number: int) -> Injection | None:
        """The armed injection of this number."""
        return next((injection for injection in self._armed if injection.number == number), None)

    def draw(self, faults: frozenset[Fault], matches: Callable[[Injection], bool] | None = None) -> Injection | None:
        """The first armed fault of these that happens now, if any; it is used up, and counted by `count`."""
        for injection in self._armed:
            if injection.fault not in faults or (matches is not None and not matches(injection)):
                continue
            if injection.probability < 1.0 and self._chance.random() >= injection.probability:
                continue
            if injection.times is not None:
                injection.times -= 1
                if injection.times <= 0:
                    self._remove(injection)
            return injection
        return None

    def count(self, injection: Injection, injected: Injected) -> Injected:
        """Note that a drawn fault has happened."""
        self.counts[injection.fault] += 1
        injection.record(injected)
        return injected

    def _remove(self, injection: Injection) -> None:
        if injection in self._armed:
            self._armed.remove(injection)
        self._update()

    def _update(self) -> None:
        watched = COMMIT_FAULTS | STATEMENT_FAULTS
        self.watches_statements = any(injection.fault in watched for injection in self._armed)
