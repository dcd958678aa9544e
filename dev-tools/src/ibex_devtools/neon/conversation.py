"""What goes on in one connection: its round trips, its transaction, and the statements it runs."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Final

from ibex_devtools.neon.wire import ClientScanner, Mark, ServerScanner, sqlstate_of

_ENDS_TRANSACTION: Final = re.compile(r"(?:^|;)\s*(?:commit|end|prepare\s+transaction)\b", re.IGNORECASE)


@dataclass(slots=True)
class Statement:
    """One Query or Execute. Times are time.monotonic() in seconds; `ended` is None while it is unanswered."""

    connection: int
    text: str
    began: float
    ended: float | None = None
    sqlstate: str = ""


@dataclass(slots=True, eq=False)
class Traffic:
    """Counters since they were made. A round trip is a client's flight that a server's flight follows.

    `connect_round_trips` count apart: TCP, the request for TLS, TLS, start-up and passwords, all that comes
    before the first ReadyForQuery.
    """

    round_trips: int = 0
    connect_round_trips: int = 0
    connections: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    keeps_statements: bool = True
    statements: list[Statement] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The text of each statement, in the order in which they were sent."""
        return [statement.text for statement in self.statements]


class Conversation:
    """Follows one connection after its start-up message. Feed it every chunk before it is forwarded."""

    def __init__(self, number: int, listeners: list[Traffic]) -> None:
        self.number = number
        self.round_trips = 0
        self.status = ""  # I idle, T in a transaction, E in a failed one; empty before the first ReadyForQuery
        self.owed = 0  # ReadyForQuery messages that are still to come
        self.last_error = ""
        self.transaction: list[str] = []
        self._listeners = listeners
        self._client = ClientScanner()
        self._server = ServerScanner()
        self._waiting = False
        self._pending: list[Statement] = []

    @property
    def idle(self) -> bool:
        """No statement is running and no transaction is open."""
        return self.status == "I" and self.owed == 0 and not self._pending

    def started(self) -> None:
        """The start-up message was sent."""
        self._flight()
        self.owed += 1

    def from_client(self, data: bytes) -> list[Mark]:
        """The marks of Query and Execute in a chunk."""
        for traffic in self._listeners:
            traffic.bytes_up += len(data)
        runs: list[Mark] = []
        for mark in self._client.feed(data):
            kind = mark.kind
            if kind in "QE":
                runs.append(mark)
                self._run(mark.text)
            if kind in "QSF":
                self.owed += 1
            if kind != "E" and not self._waiting:
                self._flight()
        return runs

    def from_server(self, data: bytes) -> None:
        """Count what a chunk of the server answers."""
        for traffic in self._listeners:
            traffic.bytes_down += len(data)
        marks = self._server.feed(data)
        # Until all that was asked is answered, the client has not waited for a whole flight. A server that
        # owes nothing answers a Flush; R and G ask the client for more.
        if self.owed == 0 and self._server.answering:
            self._waiting = False
        for mark in marks:
            if mark.kind == "Z":
                self._ready(mark.text)
            elif mark.kind == "E":
                self.last_error = sqlstate_of(mark.text)
                if self._pending:
                    self._pending[-1].sqlstate = self.last_error
            else:
                self._waiting = False

    def commits(self, text: str, pattern: re.Pattern[str]) -> bool:
        """Whether `text`, just sent, commits work that matches `pattern`: itself or a transaction."""
        if self.status != "T":
            return pattern.search(text) is not None
        return _ENDS_TRANSACTION.search(text) is not None and any(map(pattern.search, self.transaction))

    def _flight(self) -> None:
        self._waiting = True
        self.round_trips += 1
        for traffic in self._listeners:
            if self.status:
                traffic.round_trips += 1
            else:
                traffic.connect_round_trips += 1

    def _run(self, text: str) -> None:
        if self.owed == 0 and not self._pending:
            self.last_error = ""
        self.transaction.append(text)
        statement = Statement(self.number, text, time.monotonic())
        self._pending.append(statement)
        for traffic in self._listeners:
            if traffic.keeps_statements:
                traffic.statements.append(statement)

    def _ready(self, status: str) -> None:
        self.status = status
        self.owed = max(0, self.owed - 1)
        if self.owed:
            return
        self._waiting = False
        if status == "I":
            self.transaction.clear()
        now = time.monotonic()
        for statement in self._pending:
            statement.ended = now
        self._pending.clear()
