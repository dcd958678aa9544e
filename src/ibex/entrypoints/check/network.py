"""Checks on the way to the server: name, port, TLS. Each stops the rest when it fails."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import struct
import time
from datetime import UTC, datetime

from ibex.adapters.postgres.engine import tls_context
from ibex.adapters.postgres.reachability import why_unreachable
from ibex.entrypoints.check.findings import Finding, error, ok, warning
from ibex.entrypoints.verdicts import EXIT_CODES
from ibex.settings import Settings

STEP_TIMEOUT_SECONDS = 10.0
CERTIFICATE_DAYS_LEFT = 7
# PostgreSQL's SSLRequest: its length, and a code that no protocol version has.
_SSL_REQUEST = struct.pack("!II", 8, 80877103)


async def check_network(settings: Settings) -> list[Finding]:
    """The checks `dns`, `tcp` and `tls` of the host that the service connects to."""
    findings: list[Finding] = []
    host, port = settings.database.endpoint_host, settings.database.port
    for name, step in (("dns", _dns), ("tcp", _tcp), ("tls", _tls)):
        try:
            async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
                findings += await step(host, port, settings)
        except (OSError, TimeoutError) as problem:
            reason = why_unreachable(problem)
            findings.append(error(name, reason.id, reason.message, reason.fix, EXIT_CODES[reason.verdict]))
        if findings[-1].level == "error":
            break
    return findings


async def _dns(host: str, port: int, settings: Settings) -> list[Finding]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = sorted({str(entry[4][0]) for entry in found})
    private = [address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_global]
    if private and not settings.is_sandbox:
        return [
            error(
                "dns",
                "IBEX-E211",
                f"{host} resolves to a private address: {', '.join(private)}.",
                "Check DNS: Neon's names resolve to public addresses, unless a private link was set up.",
            )
        ]
    return [ok("dns", f"{host} is {', '.join(addresses)}.")]


async def _tcp(host: str, port: int, settings: Settings) -> list[Finding]:  # noqa: ARG001 - steps are alike
    started = time.perf_counter()
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return [ok("tcp", f"Port {port} answers in {(time.perf_counter() - started) * 1000:.0f} ms.")]


async def _tls(host: str, port: int, settings: Settings) -> list[Finding]:  # noqa: ARG001
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_SSL_REQUEST)
        if await reader.read(1) != b"S":
            raise ConnectionError
        await writer.start_tls(tls_context(), server_hostname=host)
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = session.getpeercert() or {}
        version = session.version()
    finally:
        writer.close()
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    if days < CERTIFICATE_DAYS_LEFT:
        return [
            warning(
                "tls",
                "IBEX-W410",
                f"The server's certificate ends in {days} days.",
                "Ask Neon, or wait and check again.",
            )
        ]
    return [ok("tls", f"{version}; the certificate is trusted, names {host}, and is good for {days} days.")]
