"""uvicorn's HTTP/1.1 with an end to its patience: for headers that do not come, that do not end, and for readers
that do not read. Bodies and answers have deadlines of their own, in the edge. And an answer leaves in one piece."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 10.0
"""From the connection, or from the first byte of a further request on it, to the end of the request's headers."""
HEADER_BYTES: Final = 32 * 1024
"""Request line and headers together; the parser itself has no bound."""
STALL_SECONDS: Final = 20.0
"""How long an answer may wait for a client that takes nothing of it."""

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


_STATUS_LINE: Final = b"HTTP/1.1 "


class WholeAnswers(asyncio.Transport):
    """Sends the head of an answer together with the first of its body: one packet and one system call for most.

    uvicorn writes them one by one, and the event loop passes each on at once. A head whose body is not there in the
    same turn of the loop goes alone.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None

    def write(self, data: Any) -> None:
        """See asyncio.WriteTransport; ``data`` must not be changed afterwards."""
        if self._head is not None:
            data, self._head = self._head + data, None
        elif data.startswith(_STATUS_LINE):
            self._head = data
            self._loop.call_soon(self._send_head)
            return
        self._transport.write(data)

    def _send_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)

    def close(self) -> None:
        """See asyncio.Transport."""
        self._send_head()
        self._transport.close()

    def abort(self) -> None:
        """See asyncio.WriteTransport."""
        self._head = None
        self._transport.abort()

    def is_closing(self) -> bool:
        """See asyncio.BaseTransport."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """See asyncio.ReadTransport."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio.ReadTransport."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio.BaseTransport."""
        return self._transport.get_extra_info(name, default)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It is cut without a word when the client is too slow: there is nobody to tell."""

    _header_bytes = 0
    _reads_headers = False
    _reads_body = False
    _header_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """The clock for the first request starts at once: somebody may connect and say nothing."""
        super().connection_made(WholeAnswers(transport, self.loop))
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives its connection."""
        self._stop_clock()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Most requests come whole: only for one that does not is there a clock, and a count."""
        super().data_received(data)
        if self._reads_headers and not self.transport.is_closing():
            self._start_clock()
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._reads_headers = self._reads_body = True

    def on_headers_complete(self) -> None:
        """The edge's deadlines begin."""
        self._reads_headers = False
        self._header_bytes = 0
        self._stop_clock()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next byte, if there is one, is another request's."""
        self._reads_body = False
        self._stop_clock()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answered before the body was there (it was refused): the rest of it has little time to come."""
        super().on_response_complete()
        if self._reads_body and not self.transport.is_closing():
            self._start_clock()

    def pause_writing(self) -> None:
        """The client does not take what it was sent."""
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        super().resume_writing()

    def _start_clock(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
