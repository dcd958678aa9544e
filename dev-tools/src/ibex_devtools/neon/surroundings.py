"""What the connections of a stand-in share: where they lead, the network, faults, and whether it is awake."""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
from dataclasses import dataclass, field

from ibex_devtools.neon.certificates import Certificates
from ibex_devtools.neon.conversation import Traffic
from ibex_devtools.neon.faults import FaultBook
from ibex_devtools.neon.line import Network
from ibex_devtools.neon.timer import Timer

LOOPBACK = "127.0.0.1"
SERVER_NAME = "localhost"


class NoRouteError(Exception):
    """The proxy turns the client away; the message is for it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a host name leads to. `tls` verifies the server as SERVER_NAME; None where there is no TLS."""

    port: int
    tls: ssl.SSLContext | None


class Compute:
    """Whether the database is awake. Asleep, the first to come wakes it."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()
        self._awake.set()
        self._refuses = False
        self._delay_seconds = 0.0
        self._waking: asyncio.Task[None] | None = None

    @property
    def awake(self) -> bool:
        """False from `sleep` until it has woken."""
        return self._awake.is_set()

    def sleep(self, delay_seconds: float, *, refuses: bool) -> None:
        """Fall asleep, to need `delay_seconds` for waking; those who come are held until then, or refused."""
        self._awake.clear()
        self._refuses = refuses
        self._delay_seconds = delay_seconds

    async def admit(self) -> bool:
        """Wake it, and whether the caller may go on."""
        if self.awake:
            return True
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())
        if self._refuses:
            return False
        await self._awake.wait()
        return True

    def close(self) -> None:
        """Stop waking."""
        if self._waking is not None:
            self._waking.cancel()

    async def _wake(self) -> None:
        await asyncio.sleep(self._delay_seconds)
        self._awake.set()


@dataclass(slots=True)
class Surroundings:
    """See the module."""

    endpoint: str
    certificates: Certificates
    network: Network
    faults: FaultBook
    chance: random.Random
    timer: Timer
    direct: Target
    pooled: Target | None
    compute: Compute = field(default_factory=Compute)
    listeners: list[Traffic] = field(default_factory=list)
    # Set while packets reach anybody at all.
    reachable: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def route(self, name: str | None) -> Target:
        """Where the client's host name (SNI) leads to. Raises NoRouteError."""
        if not name:
            raise NoRouteError("Endpoint ID is not specified: the client sent no host name (SNI)")
        label = name.partition(".")[0].lower()
        if label == self.endpoint:
            return self.direct
        if label != f"{self.endpoint}-pooler":
            raise NoRouteError("The requested endpoint could not be found")
        if self.pooled is None:
            raise NoRouteError("This stand-in was started without a pooler")
        return self.pooled
