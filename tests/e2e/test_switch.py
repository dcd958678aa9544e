"""The stand-in for the edge loses what a process loses, and nothing of its own making."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.e2e.processes import free_port
from tests.e2e.switch import PROBE_SECONDS, Switch

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def backend(answer: Answer) -> AsyncIterator[int]:
    """The port of a process that is ready, and answers other requests as it is told."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/health/ready" in head:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    break
                await answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()
    for writer in writers:
        writer.close()


async def answers(_: bytes, writer: asyncio.StreamWriter) -> None:
    """A sound process."""
    writer.write(OK)


async def hangs_up(_: bytes, writer: asyncio.StreamWriter) -> None:
    """A process that is killed in the middle of a request."""
    writer.close()


async def refuses(_: bytes, writer: asyncio.StreamWriter) -> None:
    """A process with a mistake in it."""
    writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    """A switch that is not told anything yet; tests say themselves who is ready."""
    async with Switch() as running:
        yield running


async def ask(switch: Switch, times: int = 4) -> list[int]:
    """The statuses of so many requests, over one connection where that is kept open."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{switch.port}") as http:
        return [(await http.get("/v1/me")).status_code for _ in range(times)]


async def point(switch: Switch, *ports: int) -> None:
    """Lets the switch find out that these are ready."""
    switch.ports = list(ports)
    await asyncio.sleep(5 * PROBE_SECONDS)
    assert switch.ready == list(ports)


async def test_requests_go_to_each_process_in_turn(switch: Switch) -> None:
    async with backend(answers) as one, backend(answers) as other:
        await point(switch, one, other)
        assert await ask(switch) == [200] * 4
        assert [switch.sent[one], switch.sent[other]] == [2, 2]


async def test_a_request_that_is_taken_and_not_answered_is_lost(switch: Switch) -> None:
    async with backend(hangs_up) as port:
        await point(switch, port)
        assert await ask(switch) == [502] * 4


async def test_an_answer_that_is_an_error_stays_one(switch: Switch) -> None:
    async with backend(refuses) as port:
        await point(switch, port)
        assert await ask(switch) == [500] * 4


async def test_a_refused_connection_is_tried_elsewhere(switch: Switch) -> None:
    async with backend(answers) as port:
        await point(switch, port)
        switch.ready = [free_port(), port]
        assert await ask(switch, 1) == [200]


async def test_with_nobody_ready_everything_is_lost(switch: Switch) -> None:
    switch.ports = [free_port()]
    assert await ask(switch, 1) == [502]
