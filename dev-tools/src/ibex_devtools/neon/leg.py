"""One TCP or TLS connection of the proxy: to a client, or to a server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final, cast

# Closing with this set sends RST instead of FIN.
_RESET: Final = struct.pack("ii", 1, 0)


class Leg(asyncio.Protocol):
    """Buffers what it receives until `on_data` is set, and can be closed in all the ways a network knows."""

    def __init__(self) -> None:
        self.on_made: Callable[[], None] | None = None
        self.on_data: Callable[[bytes], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        self.on_full: Callable[[], None] | None = None
        self.full = False
        self.lost = False
        self.asked_name: str | None = None  # by the client, in TLS (SNI)
        self._received = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._raw: asyncio.Transport | None = None
        self._reading = True

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS of this connection; None before it is secured."""
        found: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object") if self._transport else None
        return found

    @property
    def tls_version(self) -> str | None:
        """E.g. TLSv1.3; None before TLS."""
        return None if self.tls is None else self.tls.version()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._raw = self._transport = cast(asyncio.Transport, transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.on_made is not None:
            self.on_made()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self.on_data is not None:
            self.on_data(data)
            return
        self._received += data
        self._wake()

    def eof_received(self) -> bool:
        """Called by the loop; a half-closed connection is of no use here."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the loop's signature)
        """Called by the loop."""
        self.lost = True
        self._wake()
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """Called by the loop when the peer takes less than it is sent."""
        self.full = True
        if self.on_full is not None:
            self.on_full()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self.full = False
        if self.on_full is not None:
            self.on_full()

    async def receive(self, count: int) -> bytes:
        """The next `count` bytes, while `on_data` is not set. Raises OSError when the peer is gone."""
        while len(self._received) < count:
            if self.lost:
                raise ConnectionResetError("the peer has closed the connection")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    async def until_lost(self) -> None:
        """Return when the peer has closed."""
        while not self.lost:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def hand_over(self, on_data: Callable[[bytes], None]) -> None:
        """From now on give `on_data` each chunk, first of all what has been received so far."""
        self.on_data = on_data
        received, self._received = bytes(self._received), bytearray()
        if received:
            on_data(received)

    async def start_tls(self, context: ssl.SSLContext, *, server_hostname: str | None = None) -> None:
        """Go on in TLS, as the client of `server_hostname` or else as the server. Raises OSError."""
        transport = self._transport
        assert transport is not None
        secured = await asyncio.get_running_loop().start_tls(
            transport, self, context, server_side=server_hostname is None, server_hostname=server_hostname
        )
        if secured is None:
            raise ConnectionResetError("the peer has closed the connection")
        self._transport = secured

    def write(self, data: bytes) -> None:
        """Send, unless the peer is gone."""
        if self._transport is not None and data and not self.lost:
            self._transport.write(data)

    def read(self, wanted: bool) -> None:
        """Whether to read what the peer sends."""
        if self._transport is None or wanted == self._reading or self.lost:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        """Close the ordinary way, with all that was written sent first."""
        if self._transport is not None:
            self._transport.close()

    def cut(self, *, reset: bool = False) -> None:
        """Close at once: FIN and no word of TLS, or RST. What was written and not yet sent is lost."""
        if self._raw is None or self.lost:
            return
        if reset:
            connection = self._raw.get_extra_info("socket")
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._raw.abort()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
