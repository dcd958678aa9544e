"""One client's connection through the proxy, from accept to close."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Final

from ibex_devtools.neon.conversation import Conversation
from ibex_devtools.neon.faults import Injected, Injection
from ibex_devtools.neon.leg import Leg
from ibex_devtools.neon.line import Line
from ibex_devtools.neon.statement_faults import StatementFaults
from ibex_devtools.neon.surroundings import Surroundings
from ibex_devtools.neon.welcome import TurnedAwayError, welcome
from ibex_devtools.neon.wire import error_response

_ADMIN_SHUTDOWN: Final = "57P01"


class Session:
    """Two legs, a line each way between them, and the conversation that goes over them."""

    def __init__(self, around: Surroundings, client: Leg, forget: Callable[[Session], None]) -> None:
        self.number = next(around.numbers)
        self.around = around
        self.client = client
        self.server: Leg | None = None
        loop = asyncio.get_running_loop()
        self.conversation = Conversation(self.number, around.listeners)
        self.up = Line(around.network, around.timer, around.chance, loop.time)
        self.down = Line(around.network, around.timer, around.chance, loop.time)
        self.stalled = False
        self._ended = False
        self._faults = StatementFaults(self)
        self._forget = forget
        self._task = loop.create_task(self._open())

    def cut(self, *, reset: bool = False) -> None:
        """End both sides at once, without a word."""
        self._ended = True
        self._task.cancel()
        self.client.cut(reset=reset)
        if self.server is not None:
            self.server.cut(reset=reset)
        self._forget(self)

    def shut_down(self, linger_seconds: float) -> None:
        """Do to an idle client what a PostgreSQL that shuts down does: say so, and close a little later."""
        self._ended = True
        farewell = "terminating connection due to administrator command"
        self.client.write(error_response(farewell, sqlstate=_ADMIN_SHUTDOWN, severity="FATAL"))
        if self.server is not None:
            self.server.close()
        if linger_seconds:
            asyncio.get_running_loop().call_later(linger_seconds, self.client.close)
        else:
            self.client.close()

    def stall(self) -> None:
        """Nothing passes any more, not even that one side has closed."""
        self.stalled = True
        self.up.stop()
        self.down.stop()

    def go_on(self) -> None:
        """What was held back passes now."""
        self.stalled = False
        self.up.go()
        self.down.go()

    async def closed(self) -> None:
        """Return when opening has ended, for whatever reason."""
        await asyncio.wait([self._task])

    async def _open(self) -> None:
        try:
            self.server, startup = await welcome(self.around, self.client, self.number)
        except TurnedAwayError as error:
            self.client.write(error.answer)
            self.client.close()
            self._forget(self)
            return
        except (OSError, struct.error):
            # The client left, refused the certificate, or does not speak the protocol.
            self.client.cut()
            self._forget(self)
            return
        self.up.connect(self.client, self.server)
        self.down.connect(self.server, self.client)
        self.client.on_lost = self._client_lost
        self.server.on_lost = self._server_lost
        self.conversation.started()
        if not self.around.reachable.is_set():
            self.stall()
        self.up.send(startup)
        self.server.hand_over(self._from_server)
        self.client.hand_over(self._from_client)
        if self.client.lost:
            self._client_lost()

    def _from_client(self, data: bytes) -> None:
        # One turn of the loop may bring more than one chunk, the later ones after the end.
        if self._ended or self.client.lost:
            return
        runs = self.conversation.from_client(data)
        if runs and self.around.faults.watches_statements and not self._faults.let_through(runs, data):
            return
        self.up.send(data)

    def _from_server(self, data: bytes) -> None:
        if self._ended:
            return
        self.conversation.from_server(data)
        if self._faults.withholding:
            self._faults.withhold(data)
            return
        self.down.send(data)

    def _client_lost(self) -> None:
        # Behind a black hole the server never learns of it.
        self.up.end()
        if self.server is None or self.server.lost:
            self._forget(self)

    def _server_lost(self) -> None:
        if not self._ended:
            self._faults.server_lost()
            self.down.end()
        if self.client.lost:
            self._forget(self)

    def count(self, injection: Injection, statement: str = "") -> Injected:
        """Note that a fault has happened here."""
        return self.around.faults.count(injection, Injected(self.number, statement))
