"""One HTTP request to a host that somebody else has named, without becoming their tool inside our network.

The host is resolved here, every address that it resolves to must be public, and the connection goes to an address that
was just checked, so that a name which points elsewhere a moment later changes nothing. TLS is checked against the name.
Redirects are not followed, a proxy of the environment is not used, and of the answer only the status and Retry-After
are read. It is written on plain streams: a client library would resolve again, or keep connections by address.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_address
from typing import Final

from ibex.domain.events.destinations import Address, Destination, DestinationRules, may_connect, parse_destination
from ibex.domain.events.ports import Answered, NotSent
from ibex.domain.shared.errors import InvalidValue

HEAD_BYTES: Final = 16 * 1024
"""Status line and headers of an answer; a longer head is no answer."""
ADDRESSES_TRIED: Final = 3
USER_AGENT: Final = "IBEX-Webhooks/1"
_RESOLVERS: Final = 32
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |\r|$)")
_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after:[ \t]*([0-9]{1,7})[ \t]*\r", re.IGNORECASE)


class PinnedSender:
    """Implements ibex.domain.events.ports.Sender."""

    def __init__(self, rules: DestinationRules, *, timeout_seconds: float, tls: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        self._timeout_seconds = timeout_seconds
        self._tls = tls or tls_context()
        # A resolver that hangs holds its thread; the event loop's own few threads must not be lost to it.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="webhook-dns")

    async def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answered:
        """See the port. All of it within ``timeout_seconds``."""
        try:
            destination = parse_destination(url, self._rules)
        except InvalidValue as refusal:
            raise NotSent(f"the URL is refused: {refusal.message}") from None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                addresses = await self._resolve(destination)
                reader, writer = await self._connect(destination, addresses)
                try:
                    writer.write(_request(destination, headers, body))
                    await writer.drain()
                    return await _answer(reader)
                finally:
                    # Whatever the receiver still has to say is not read.
                    writer.transport.abort()
        except TimeoutError:
            raise NotSent(f"no answer within {self._timeout_seconds:g} seconds") from None
        except (OSError, EOFError) as error:
            raise NotSent(_why(error)) from None

    def close(self) -> None:
        """Lets go of the resolvers' threads."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def _resolve(self, destination: Destination) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._resolvers, _lookup, destination.host, destination.port)
        except (OSError, UnicodeError):
            raise NotSent("the host cannot be resolved") from None
        addresses = list(dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in found))
        # One private address among public ones is refused as well: which of them is tried is not the name's to choose.
        if not addresses or not all(may_connect(address, self._rules) for address in addresses):
            raise NotSent("the host resolves to an address that is private, local or reserved")
        if not destination.secure and not all(address.is_loopback for address in addresses):
            raise NotSent("plain HTTP goes to this machine alone, and only in a sandbox")
        return addresses[:ADDRESSES_TRIED]

    async def _connect(
        self, destination: Destination, addresses: Sequence[Address]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: OSError | None = None
        share = self._timeout_seconds / 2
        for address in addresses:
            try:
                async with asyncio.timeout(share):
                    return await asyncio.open_connection(
                        str(address),
                        destination.port,
                        ssl=self._tls if destination.secure else None,
                        server_hostname=destination.host if destination.secure else None,
                        limit=HEAD_BYTES,
                    )
            except TimeoutError:
                failure = TimeoutError()
            except OSError as error:
                failure = error
            share /= 2
        assert failure is not None, "there is at least one address"
        raise failure


def tls_context() -> ssl.SSLContext:
    """The receiver's certificate and name are checked against the system's roots."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _lookup(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    # AI_ADDRCONFIG would hide addresses of a family that this host lacks, and with them what has to be refused.
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [(family, kind, proto, name, (str(to[0]), int(to[1]))) for family, kind, proto, name, to in found]


def _request(destination: Destination, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    lines = [
        f"POST {destination.target} HTTP/1.1",
        f"Host: {destination.authority}",
        f"User-Agent: {USER_AGENT}",
        "Accept: */*",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    assert not any("\r" in line or "\n" in line for line in lines), "a header must not hold a line break"
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


async def _answer(reader: asyncio.StreamReader) -> Answered:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise NotSent("the connection was closed before an answer" if not error.partial else _NO_HTTP) from None
        except asyncio.LimitOverrunError:
            raise NotSent(_NO_HTTP) from None
        match = _STATUS_LINE.match(head)
        if match is None:
            raise NotSent(_NO_HTTP)
        status = int(match[1])
        if status >= 200:
            wish = _RETRY_AFTER.search(head)
            return Answered(status=status, retry_after=None if wish is None else timedelta(seconds=int(wish[1])))


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "TLS could not be agreed upon"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return "the connection failed or was cut"


_NO_HTTP: Final = "what came back is no answer in HTTP/1.1"
