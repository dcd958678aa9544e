"""The one place that makes a connection or a pool. An architecture test forbids it anywhere else.

TLS is always on, and the server's certificate and name are checked against the system's roots. The password
is handed over as an argument of its own; no DSN is ever built, because drivers put a DSN into their messages.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from typing import Any, Final, TypeAlias

import asyncpg

from ibex.settings import DatabaseSettings

# A string, because asyncpg's class is generic for type checkers only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# Neon suspends a compute after 300 idle seconds; a connection that is older than this is not trusted.
MAX_IDLE_SECONDS: Final = 200.0
MIN_CONNECT_TIMEOUT_SECONDS: Final = 10.0
_RETRY_BASE_SECONDS: Final = 0.1
_RETRY_CAP_SECONDS: Final = 1.0

_REFUSED_ATTEMPTS: Final = 4

# Turned away before anything could have run: trying again is safe. A wrong password or name never gets
# better.
_STARTING_OR_FULL: Final = (asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)
_CUT_OFF: Final = (ConnectionRefusedError, ConnectionResetError, asyncpg.ConnectionDoesNotExistError)


async def open_pool(
    database: DatabaseSettings,
    *,
    size: int,
    min_size: int = 0,
    application_name: str = "ibex",
    connect_timeout_seconds: float = 15.0,
    statement_timeout_seconds: float = 15.0,
) -> asyncpg.Pool[asyncpg.Record]:
    """The pool of the running service. With min_size 0 nothing is connected yet, so a sleeping database is
    no error.

    Releasing a connection costs no round trip (no-op reset), so statements must not change session state. A
    statement is cut off by the server after `statement_timeout_seconds`, and by the client one second later;
    through a pooler, which refuses such settings, by the client alone.
    """
    arguments = connect_arguments(
        database,
        host=database.endpoint_host,
        pooled=database.pooled,
        application_name=application_name,
        connect_timeout_seconds=connect_timeout_seconds,
        statement_timeout_seconds=statement_timeout_seconds,
    )
    pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
        min_size=min_size,
        max_size=size,
        max_inactive_connection_lifetime=MAX_IDLE_SECONDS,
        command_timeout=statement_timeout_seconds + 1.0,
        connect=_connect_with_retries,
        reset=_keep_as_it_is,
        **arguments,
    )
    return pool


async def connect_direct(
    database: DatabaseSettings,
    application_name: str,
    *,
    connect_timeout_seconds: float = 15.0,
    command_timeout_seconds: float | None = None,
) -> asyncpg.Connection[asyncpg.Record]:
    """One connection past the pooler, for migrations, locks and LISTEN. The caller closes it."""
    return await connect_once(
        database,
        application_name,
        host=database.direct_host,
        pooled=database.endpoint == "pooled",
        connect_timeout_seconds=connect_timeout_seconds,
        command_timeout_seconds=command_timeout_seconds,
    )


async def connect_once(
    database: DatabaseSettings,
    application_name: str,
    *,
    host: str,
    pooled: bool,
    connect_timeout_seconds: float = 15.0,
    command_timeout_seconds: float | None = None,
) -> asyncpg.Connection[asyncpg.Record]:
    """One connection to `host`, with retries while the server says that it is starting or full."""
    arguments = connect_arguments(
        database,
        host=host,
        pooled=pooled,
        application_name=application_name,
        connect_timeout_seconds=connect_timeout_seconds,
    )
    return await _connect_with_retries(command_timeout=command_timeout_seconds, **arguments)


def tls_context() -> ssl.SSLContext:
    """Certificate and host name are verified, against the system's roots, whatever sslmode the URL asked
    for."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect_arguments(
    database: DatabaseSettings,
    *,
    host: str,
    pooled: bool,
    application_name: str,
    connect_timeout_seconds: float = 15.0,
    statement_timeout_seconds: float | None = None,
) -> dict[str, Any]:
    """Typed arguments of `asyncpg.connect`."""
    server_settings = {"application_name": application_name}
    if statement_timeout_seconds is not None and not pooled:
        milliseconds = str(int(statement_timeout_seconds * 1000))
        server_settings["statement_timeout"] = milliseconds
        server_settings["idle_in_transaction_session_timeout"] = milliseconds
    arguments: dict[str, Any] = {
        "host": host,
        "port": database.port,
        "user": database.user,
        "password": database.password.reveal(),
        "database": database.database,
        "ssl": tls_context(),
        "timeout": max(connect_timeout_seconds, MIN_CONNECT_TIMEOUT_SECONDS),
        "server_settings": server_settings,
    }
    if pooled:
        # A statement prepared on one backend does not exist on the next one that the pooler picks.
        arguments["statement_cache_size"] = 0
    return arguments


async def _connect_with_retries(*positional: Any, **arguments: Any) -> asyncpg.Connection[asyncpg.Record]:
    """Connect; while nothing was sent yet, try again with jitter.

    A server that is starting or full is asked until the connect timeout has passed, one that refuses a few
    times.
    """
    deadline = time.monotonic() + float(arguments["timeout"])
    delay = _RETRY_BASE_SECONDS
    refused = 0
    while True:
        try:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(*positional, **arguments)
            return connection
        except _CUT_OFF:
            refused += 1
            if refused >= _REFUSED_ATTEMPTS or time.monotonic() + delay > deadline:
                raise
        except _STARTING_OR_FULL:
            if time.monotonic() + delay > deadline:
                raise
        await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        delay = min(delay * 2, _RETRY_CAP_SECONDS)


async def _keep_as_it_is(connection: object) -> None:
    """asyncpg's own reset costs a round trip; no statement of the service changes session state."""
