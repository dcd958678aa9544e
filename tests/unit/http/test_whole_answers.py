"""An answer leaves in one piece where it can, and its head never waits for long."""

from __future__ import annotations

import asyncio
from typing import Any

from ibex.entrypoints.http.protocol import WholeAnswers

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what is sent, each call on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.end = ""

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"


def whole(wire: Wire) -> WholeAnswers:
    return WholeAnswers(wire, asyncio.get_running_loop())


async def test_head_and_body_of_one_turn_are_sent_together() -> None:
    wire = Wire()
    transport = whole(wire)
    transport.write(HEAD)
    transport.write(b"ok")
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + b"ok"]


async def test_an_answer_without_a_body_is_sent_with_its_empty_one() -> None:
    wire = Wire()
    transport = whole(wire)
    transport.write(HEAD)
    transport.write(b"")
    assert wire.sent == [HEAD]


async def test_a_head_whose_body_takes_longer_goes_alone() -> None:
    wire = Wire()
    transport = whole(wire)
    transport.write(HEAD)
    assert wire.sent == []
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    transport.write(b"later")
    assert wire.sent == [HEAD, b"later"]


async def test_parts_of_a_stream_are_sent_as_they_come() -> None:
    wire = Wire()
    transport = whole(wire)
    for part in (HEAD, b"one", b"two"):
        transport.write(part)
    assert wire.sent == [HEAD + b"one", b"two"]


async def test_closing_sends_what_was_written_and_aborting_does_not() -> None:
    closed, aborted = Wire(), Wire()
    for wire in (closed, aborted):
        transport = whole(wire)
        transport.write(HEAD)
        if wire is closed:
            transport.close()
        else:
            transport.abort()
        await asyncio.sleep(0)
    assert (closed.sent, closed.end) == ([HEAD], "closed")
    assert (aborted.sent, aborted.end) == ([], "aborted")


async def test_answers_to_pipelined_requests_keep_their_order() -> None:
    wire = Wire()
    transport = whole(wire)
    for part in (HEAD, b"ok", HEAD, b"no"):
        transport.write(part)
    await asyncio.sleep(0)
    assert b"".join(wire.sent) == HEAD + b"ok" + HEAD + b"no"
