"""The faults that strike when a statement is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ibex_devtools.neon.faults import COMMIT_FAULTS, STATEMENT_FAULTS, Fault, Injection
from ibex_devtools.neon.wire import Mark

if TYPE_CHECKING:
    from ibex_devtools.neon.session import Session


class StatementFaults:
    """Decides about one session's statements, and keeps their answers back where a fault wants that."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._withheld: Injection | None = None
        self._statement = ""
        self._answer_left = 0
        self._swallows = False

    @property
    def withholding(self) -> bool:
        """Whether the server's answers go to `withhold` instead of the client."""
        return self._swallows or self._withheld is not None

    def let_through(self, runs: list[Mark], data: bytes) -> bool:
        """Whether the session is to forward `data`, in which `runs` are executed."""
        for run in runs:
            injection = self._draw(run.text)
            if injection is not None:
                return self._strike(injection, run, data)
        return True

    def withhold(self, data: bytes) -> None:
        """Take the server's answer to the statement that was struck."""
        injection, session = self._withheld, self._session
        if injection is None:
            return
        if injection.fault is Fault.CUT_ANSWER:
            passed, self._answer_left = data[: self._answer_left], self._answer_left - len(data)
            session.client.write(passed)
            if self._answer_left <= 0:
                session.count(injection, self._statement)
                session.cut(reset=injection.reset)
            return
        if session.conversation.owed == 0:
            self._finish(injection)

    def server_lost(self) -> None:
        """The server itself has gone in the meantime: whether it has finished is not known."""
        injection, self._withheld = self._withheld, None
        if injection is not None:
            self._session.count(injection, self._statement)
            self._silence(injection)

    def _draw(self, text: str) -> Injection | None:
        conversation = self._session.conversation
        return self._session.around.faults.draw(
            COMMIT_FAULTS | STATEMENT_FAULTS,
            lambda armed: (
                conversation.commits(text, armed.pattern)
                if armed.fault in COMMIT_FAULTS
                else armed.pattern.search(text) is not None
            ),
        )

    def _strike(self, injection: Injection, run: Mark, data: bytes) -> bool:
        session = self._session
        match injection.fault:
            case Fault.CUT_BEFORE_COMMIT | Fault.CUT_STATEMENT:
                # The server gets nothing of the chunk. Had it got a part of the message, that would not run.
                session.count(injection, run.text)
                session.cut(reset=injection.reset)
                return False
            case Fault.STALL_BEFORE_COMMIT | Fault.STALL_STATEMENT:
                session.count(injection, run.text)
                session.stall()
                return True
            case Fault.DELAY_STATEMENT:
                session.count(injection, run.text)
                session.up.stop()
                asyncio.get_running_loop().call_later(injection.delay_seconds, self._delayed)
                return True
            case _:
                self._withheld, self._statement = injection, run.text
                self._answer_left = injection.answer_bytes
                session.up.send(data)
                return False

    def _delayed(self) -> None:
        if not self._session.stalled:
            self._session.up.go()

    def _finish(self, injection: Injection) -> None:
        """The server is ready for the next statement: whatever this one did is done."""
        session = self._session
        injected = session.count(injection, self._statement)
        injected.finished = True
        injected.sqlstate = session.conversation.last_error
        self._withheld = None
        self._silence(injection)

    def _silence(self, injection: Injection) -> None:
        if injection.fault is Fault.STALL_AFTER_COMMIT:
            # Whatever the server says from now on is swallowed. The client hears nothing, not even a FIN.
            self._swallows = True
            self._session.stall()
        else:
            self._session.cut(reset=injection.reset)
