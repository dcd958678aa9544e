"""Say in words why a connection could not be made, and whether trying again can help.

Classified by type and SQLSTATE, never by the text of a message.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg

Verdict = Literal["configuration", "unavailable", "try-again"]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Why there is no connection. `id` is stable (IBEX-E2xx)."""

    id: str
    verdict: Verdict
    message: str
    fix: str


CONNECT_ERRORS: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_NEVER_BETTER: Final = "Copy DATABASE_URL again from Neon's console."
_REFUSALS: Final = {
    "28P01": Unreachable("IBEX-E205", "configuration", "The database refuses the password.", _NEVER_BETTER),
    "28000": Unreachable("IBEX-E205", "configuration", "The database refuses the user.", _NEVER_BETTER),
    "3D000": Unreachable("IBEX-E205", "configuration", "There is no database of that name.", _NEVER_BETTER),
    "42501": Unreachable(
        "IBEX-E205",
        "configuration",
        "The role may not connect to the database.",
        "Grant CONNECT, or use its owner.",
    ),
    "57P03": Unreachable("IBEX-E206", "try-again", "The database is starting.", "Try again in a few seconds."),
    "53300": Unreachable(
        "IBEX-E206",
        "try-again",
        "The database has no connection left.",
        "Lower IBEX_POOL_SIZE, or end idle clients.",
    ),
}


def why_unreachable(error: BaseException) -> Unreachable:
    """The reason behind one of CONNECT_ERRORS."""
    if isinstance(error, socket.gaierror):
        return Unreachable(
            "IBEX-E201",
            "unavailable",
            "The host's name cannot be resolved.",
            "Check the host in DATABASE_URL and DNS.",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            "IBEX-E204",
            "configuration",
            f"The server's certificate is not trusted: {error.verify_message}.",
            "Connect to Neon's own host name, and keep the system's certificate store up to date.",
        )
    if isinstance(error, ssl.SSLError):
        return Unreachable(
            "IBEX-E203", "unavailable", "TLS could not be agreed on.", "Check what answers at that port."
        )
    if isinstance(error, TimeoutError):
        return Unreachable(
            "IBEX-E202",
            "unavailable",
            "The database did not answer in time.",
            "Check Neon's status and the network.",
        )
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and state in _REFUSALS:
        return _REFUSALS[state]
    if type(error) is ConnectionError:  # asyncpg's own, when the server answers that it has no TLS
        return Unreachable("IBEX-E203", "configuration", "The server offers no TLS.", "Use Neon's own host.")
    if isinstance(error, OSError):
        return Unreachable(
            "IBEX-E202",
            "unavailable",
            f"No connection to the database: {type(error).__name__}.",
            "Check host and port in DATABASE_URL, Neon's status and the network.",
        )
    label = f"{type(error).__name__}{f' ({state})' if state else ''}"
    return Unreachable("IBEX-E207", "unavailable", f"The database turned the connection away: {label}.", "Try again.")
