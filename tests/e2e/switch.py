"""The platform's edge, in a hundred lines: sends each request to one of the processes that are ready.

It keeps connections open on both sides, as Railway's does. What was sent to a process is never sent to another: a
request that a process takes and does not answer is lost, and its caller gets 502. Only a refused connection is tried
elsewhere, because nothing was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PROBE_SECONDS = 0.1
PROBE = b"GET /health/ready HTTP/1.1\r\nHost: healthcheck.railway.app\r\nConnection: close\r\n\r\n"
LOST = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Message:
    """A request or an answer, as it was on the wire."""

    head: bytes
    body: bytes
    headers: dict[bytes, bytes]

    @property
    def last(self) -> bool:
        """Whether the sender will close the connection."""
        return self.headers.get(b"connection", b"").lower() == b"close"


class LostError(Exception):
    """A process took a request and did not answer it."""


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Switch:
    """Use it as an asynchronous context manager. `ports`: the processes to ask for their health."""

    ports: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    sent: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    port: int = 0
    _turn: int = 0
    _idle: dict[int, list[Connection]] = field(default_factory=lambda: defaultdict(list))
    _server: asyncio.Server | None = None
    _prober: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._prober = asyncio.create_task(self._probe())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._prober is not None
        self._prober.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._prober
        self._server.close()
        for connections in self._idle.values():
            for connection in connections:
                connection[1].close()

    async def _probe(self) -> None:
        while True:
            asked = list(self.ports)
            answers = await asyncio.gather(*(_is_ready(port) for port in asked))
            self.ready = [port for port, answer in zip(asked, answers, strict=True) if answer]
            await asyncio.sleep(PROBE_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await _read(reader)
                try:
                    answer = await self._forward(request)
                except LostError:
                    writer.write(LOST)
                    break
                writer.write(answer.head + answer.body)
                await writer.drain()
                if request.last or answer.last:
                    break
        writer.close()

    async def _forward(self, request: Message) -> Message:
        for _ in range(len(self.ready)):
            self._turn += 1
            port = self.ready[self._turn % len(self.ready)]
            try:
                connection = await self._connect(port)
            except ConnectionRefusedError:
                continue
            self.sent[port] += 1
            try:
                return await self._exchange(port, connection, request)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                raise LostError(f"{port} took it and did not answer") from error
        raise LostError("no process is ready")

    async def _connect(self, port: int) -> Connection:
        while self._idle[port]:
            reader, writer = self._idle[port].pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", port)

    async def _exchange(self, port: int, connection: Connection, request: Message) -> Message:
        reader, writer = connection
        writer.write(request.head + request.body)
        answer = await _read(reader)
        if answer.last:
            writer.close()
        else:
            self._idle[port].append(connection)
        return answer


async def _read(reader: asyncio.StreamReader) -> Message:
    """One message. Raises IncompleteReadError at the end of the stream, LostError where its length is not told."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines if line)}
    if b"transfer-encoding" in headers:
        raise LostError("this switch knows no chunks")
    has_body = not first.startswith((b"GET", b"HTTP/1.1 204", b"HTTP/1.1 304"))
    length = int(headers.get(b"content-length", b"0")) if has_body else 0
    return Message(head, await reader.readexactly(length), headers)


async def _is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(PROBE)
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        writer.close()
