"""A client's way in: TLS, the name it asked for, the wait for the database, and the connection to it."""

from __future__ import annotations

import asyncio
import struct
from typing import Final, NoReturn

from ibex_devtools.neon.certificates import Certificate, asked_name
from ibex_devtools.neon.faults import CERTIFICATES, Fault, Injected, Injection
from ibex_devtools.neon.leg import Leg
from ibex_devtools.neon.surroundings import LOOPBACK, SERVER_NAME, NoRouteError, Surroundings, Target
from ibex_devtools.neon.wire import (
    CANCEL_REQUEST,
    GSS_REQUEST,
    MAX_STARTUP_BYTES,
    PROXY_ERROR,
    SSL_REQUEST,
    error_response,
)

_STARTUP: Final = struct.Struct("!II")
_SSL_REQUEST_BYTES: Final = _STARTUP.pack(8, SSL_REQUEST)
_NOT_REACHED: Final = "Couldn't connect to compute node"


class TurnedAwayError(Exception):
    """The session ends here, with `answer` as its last word to the client."""

    def __init__(self, answer: bytes = b"") -> None:
        super().__init__()
        self.answer = answer


async def welcome(around: Surroundings, client: Leg, number: int) -> tuple[Leg, bytes]:
    """Lead a client to its server. Returns the server's leg and the start-up message to send to it.

    Raises TurnedAwayError, and OSError (ssl.SSLError is one) when the client left.
    """
    await _accept(around, client, number)
    await _secure(around, client, number)
    length, code = _STARTUP.unpack(head := await client.receive(_STARTUP.size))
    if not _STARTUP.size <= length <= MAX_STARTUP_BYTES:
        raise TurnedAwayError
    startup = head + await client.receive(length - _STARTUP.size)
    try:
        target = around.route(client.asked_name)
    except NoRouteError as error:
        _turn_away(str(error))
    if code == CANCEL_REQUEST:
        await _cancel(target, startup)
    await _reach_compute(around, number)
    try:
        server = await _connect(target)
    except OSError:
        _turn_away(_NOT_REACHED)
    return server, startup


async def _accept(around: Surroundings, client: Leg, number: int) -> None:
    injection = around.faults.draw(frozenset({Fault.RESET_CONNECT, Fault.STALL_CONNECT}))
    if injection is not None:
        around.faults.count(injection, Injected(number))
        if injection.fault is Fault.RESET_CONNECT:
            client.cut(reset=True)
        else:
            await client.until_lost()
        raise TurnedAwayError
    await around.reachable.wait()


async def _secure(around: Surroundings, client: Leg, number: int) -> None:
    _, code = _STARTUP.unpack(await client.receive(_STARTUP.size))
    while code == GSS_REQUEST:
        client.write(b"N")
        _, code = _STARTUP.unpack(await client.receive(_STARTUP.size))
    if code != SSL_REQUEST:
        _turn_away("connection is insecure (try using `sslmode=require`)")
    # TCP, the request for TLS and TLS 1.3 itself take a round trip each. None of them passes through a line.
    await asyncio.sleep(3 * 2 * around.network.latency_seconds)
    kind = Certificate.GOOD
    injection = around.faults.draw(frozenset(CERTIFICATES))
    if injection is not None:
        kind = CERTIFICATES[injection.fault]
        around.faults.count(injection, Injected(number))
    client.write(b"S")
    await client.start_tls(around.certificates.context(kind))
    client.asked_name = asked_name(client.tls)
    for traffic in around.listeners:
        traffic.connections += 1
        traffic.connect_round_trips += 3 if client.tls_version == "TLSv1.3" else 4


async def _reach_compute(around: Surroundings, number: int) -> None:
    cold = around.faults.draw(frozenset({Fault.COLD_START}))
    if cold is not None:
        around.faults.count(cold, Injected(number))
        await asyncio.sleep(cold.delay_seconds)
    rejected = around.faults.draw(frozenset({Fault.REJECT}))
    if rejected is not None:
        around.faults.count(rejected, Injected(number))
        _reject(rejected)
    if not await around.compute.admit():
        _turn_away(_NOT_REACHED)


async def _connect(target: Target) -> Leg:
    """A leg to the server, in TLS where it has any. Raises OSError."""
    _, server = await asyncio.get_running_loop().create_connection(Leg, LOOPBACK, target.port)
    try:
        if target.tls is not None:
            server.write(_SSL_REQUEST_BYTES)
            if await server.receive(1) != b"S":
                raise ConnectionResetError("the server offers no TLS")
            await server.start_tls(target.tls, server_hostname=SERVER_NAME)
    except BaseException:
        server.cut()
        raise
    return server


async def _cancel(target: Target, request: bytes) -> NoReturn:
    """Pass a request to cancel a statement on. It has no answer but the end of the connection."""
    server = await _connect(target)
    server.write(request)
    await server.until_lost()
    raise TurnedAwayError


def _turn_away(message: str) -> NoReturn:
    raise TurnedAwayError(error_response(message))


def _reject(injection: Injection) -> NoReturn:
    severity = "ERROR" if injection.sqlstate == PROXY_ERROR else "FATAL"
    raise TurnedAwayError(error_response(injection.message, sqlstate=injection.sqlstate, severity=severity))
