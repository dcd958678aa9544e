"""The Neon stand-in: a proxy before the sandbox that behaves, and misbehaves, as Neon's does."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, Self

from ibex_devtools.neon.address import ENDPOINT, Address, host_name
from ibex_devtools.neon.certificates import Certificates
from ibex_devtools.neon.conversation import Traffic
from ibex_devtools.neon.faults import Fault, FaultBook, Injection
from ibex_devtools.neon.leg import Leg
from ibex_devtools.neon.line import Network
from ibex_devtools.neon.pgbouncer import PgBouncer
from ibex_devtools.neon.session import Session
from ibex_devtools.neon.surroundings import LOOPBACK, Surroundings, Target
from ibex_devtools.neon.timer import Timer
from ibex_devtools.sandbox import Cluster, Sandbox

_BACKLOG: Final = 1024


class StandInError(Exception):
    """The stand-in cannot do what it is asked."""


class NeonStandIn(Address):
    """Use it as an asynchronous context manager; its methods belong to that event loop.

    `cluster`: the server to stand before. `sandbox`: its owner, for `restart_server`.
    `pooler`: a running PgBouncer for the -pooler host. `seed`: of every chance that is taken.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        sandbox: Sandbox | None = None,
        pooler: PgBouncer | None = None,
        network: Network | None = None,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        self.cluster = cluster
        self._sandbox = sandbox
        self._pooler = pooler
        self.port = port
        self._seed = seed
        self._sessions: set[Session] = set()
        self._listener: asyncio.Server | None = None
        self._around_or_none: Surroundings | None = None
        self.network = network or Network()
        self.faults = FaultBook(seed)
        self.traffic = Traffic(keeps_statements=False)

    async def __aenter__(self) -> Self:
        certificates = Certificates((host_name(), host_name(pooled=True)))
        around = Surroundings(
            endpoint=ENDPOINT,
            certificates=certificates,
            network=self.network,
            faults=self.faults,
            chance=random.Random(self._seed),
            timer=Timer(asyncio.get_running_loop()),
            direct=_target(self.cluster),
            pooled=None if self._pooler is None else Target(self._pooler.port, None),
        )
        around.reachable.set()
        around.listeners.append(self.traffic)
        self._around_or_none = around
        self.trust_file = str(certificates.write_trust(Path(self.cluster.trust_file)))
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._deafen()
        sessions = list(self._sessions)
        for session in sessions:
            session.cut()
        await asyncio.gather(*(session.closed() for session in sessions))
        self._around.compute.close()
        self._around.timer.close()
        Path(self.trust_file).unlink(missing_ok=True)  # noqa: ASYNC240 (it does not wait)
        # The loop closes sockets in its next turn.
        await asyncio.sleep(0)

    @property
    def connections(self) -> int:
        """How many clients are connected, or try to be."""
        return len(self._sessions)

    def arm(self, fault: Fault, **options: Any) -> Injection:
        """Let `fault` happen. Disarm it with the result, or use that as a context manager.

        times: how often, None for always (default 1). probability: of each occasion (default 1.0).
        statement: a regular expression, case ignored, of what commit and statement faults strike; by default
        commits of anything that writes (`faults.WRITES`), and any statement.
        delay_seconds: for COLD_START and DELAY_STATEMENT. reset: cut with RST instead of FIN.
        sqlstate, message: for REJECT. answer_bytes: for CUT_ANSWER.
        """
        return self.faults.arm(fault, **options)

    @contextlib.contextmanager
    def recording(self) -> Iterator[Traffic]:
        """Count round trips, bytes and statements within the block."""
        traffic = Traffic()
        self._around.listeners.append(traffic)
        try:
            yield traffic
        finally:
            self._around.listeners.remove(traffic)

    def suspend(
        self,
        *,
        delay_seconds: float = 0.0,
        refuses: bool = False,
        farewell: bool = True,
        linger_seconds: float = 0.0,
    ) -> int:
        """Scale to zero: close idle connections, and wake when the next client comes, `delay_seconds` later.

        Until then clients wait or, with `refuses`, are turned away. With `farewell` idle ones are told 57P01
        `linger_seconds` before the end. Busy connections stay: Neon does not suspend under them. Returns how
        many were closed.
        """
        self._around.compute.sleep(delay_seconds, refuses=refuses)
        idle = [session for session in self._sessions if session.conversation.idle]
        for session in idle:
            if farewell:
                session.shut_down(linger_seconds)
            else:
                session.cut()
        return len(idle)

    @property
    def awake(self) -> bool:
        """False from `suspend` until a client has woken the database."""
        return self._around.compute.awake

    def cut_all(self, *, reset: bool = False, idle_only: bool = False) -> int:
        """Cut connections at once. Returns how many."""
        sessions = [session for session in self._sessions if session.conversation.idle or not idle_only]
        for session in sessions:
            session.cut(reset=reset)
        return len(sessions)

    @contextlib.contextmanager
    def black_hole(self) -> Iterator[None]:
        """Within the block nothing passes, and nobody is told. Afterwards what was held back arrives."""
        around = self._around
        around.reachable.clear()
        swallowed = [session for session in self._sessions if not session.stalled]
        for session in swallowed:
            session.stall()
        try:
            yield
        finally:
            around.reachable.set()
            for session in swallowed:
                session.go_on()

    @contextlib.asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Within the block nothing listens: connecting is refused. Open connections stay."""
        await self._deafen()
        try:
            yield
        finally:
            await self._listen()

    async def restart_server(self, *, immediate: bool = False, down_seconds: float = 0.0) -> None:
        """Restart the PostgreSQL behind it, `immediate` as in a crash. Raises SandboxError, StandInError."""
        sandbox = self._sandbox
        if sandbox is None:
            raise StandInError("restart_server needs the sandbox")
        await asyncio.to_thread(sandbox.stop, immediate=immediate)
        await asyncio.sleep(down_seconds)
        await asyncio.to_thread(sandbox.start)

    def fail_over(self, cluster: Cluster, *, cut: bool = True) -> None:
        """Lead direct connections to another server from now on, and `cut` those that there are."""
        self._around.direct = _target(cluster)
        if cut:
            self.cut_all()

    @property
    def _around(self) -> Surroundings:
        if self._around_or_none is None:
            raise StandInError("the stand-in is not open")
        return self._around_or_none

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, LOOPBACK, self.port, backlog=_BACKLOG)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            await asyncio.sleep(0)

    def _accept(self) -> Leg:
        leg = Leg()
        leg.on_made = lambda: self._sessions.add(Session(self._around, leg, self._sessions.discard))
        return leg


def _target(cluster: Cluster) -> Target:
    return Target(cluster.port, ssl.create_default_context(cafile=cluster.ca_file))
