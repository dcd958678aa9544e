"""The one place that makes a connection or a pool. An architecture test forbids it anywhere else.

TLS is always on, and the server's certificate and name are checked against the system's roots. The password
is handed over as an argument of its own; no DSN is ever built, because drivers put a DSN into their messages.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from ibex.adapters.postgres.pool import Connection, Pool
from ibex.settings import DatabaseSettings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "Connection",
    "connect_arguments",
    "connect_direct",
    "connect_once",
    "keep_alive",
    "make_pool",
    "make_sqlalchemy_engine",
    "tls_context",
]

MIN_CONNECT_TIMEOUT_SECONDS: Final = 10.0
_RETRY_BASE_SECONDS: Final = 0.1
_RETRY_CAP_SECONDS: Final = 1.0

_REFUSED_ATTEMPTS: Final = 4

# Turned away before anything could have run: trying again is safe. A wrong password or name never gets
# better. Neon's proxy says XX000 when it could not wake or reach the compute.
_STARTING_OR_FULL: Final = (
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalServerError,
)
_CUT_OFF: Final = (ConnectionError, asyncpg.ConnectionDoesNotExistError)

# A connection whose other end has vanished without a word: found out while it rests (30 s, then 3 probes 10 s apart),
# and within 10 s when something was sent that nobody acknowledges.
_KEEP_ALIVE: Final = (
    ("SO_KEEPALIVE", socket.SOL_SOCKET, 1),
    ("TCP_KEEPIDLE", socket.IPPROTO_TCP, 30),
    ("TCP_KEEPINTVL", socket.IPPROTO_TCP, 10),
    ("TCP_KEEPCNT", socket.IPPROTO_TCP, 3),
    ("TCP_USER_TIMEOUT", socket.IPPROTO_TCP, 10_000),
)


def make_pool(
    database: DatabaseSettings,
    *,
    size: int,
    wait_seconds: float = 5.0,
    application_name: str = "ibex",
    connect_timeout_seconds: float = 15.0,
    statement_timeout_seconds: float = 15.0,
    lock_timeout_seconds: float = 5.0,
) -> Pool:
    """The pool of the running service. Nothing is connected yet, so a sleeping database is no error.

    Statements must not change session state: nothing resets it, because that would cost a round trip. The server
    cuts off a statement after `statement_timeout_seconds`, and one that waits for a lock after
    `lock_timeout_seconds`; through a pooler, which refuses such settings, `Database` says so in each transaction.
    """
    arguments = connect_arguments(
        database,
        host=database.endpoint_host,
        pooled=database.pooled,
        application_name=application_name,
        connect_timeout_seconds=connect_timeout_seconds,
        statement_timeout_seconds=statement_timeout_seconds,
        lock_timeout_seconds=lock_timeout_seconds,
    )

    async def connect(seconds: float) -> Connection:
        connection: Connection = await asyncpg.connect(**(arguments | {"timeout": seconds}))
        keep_alive(connection)
        return connection

    return Pool(connect, size=size, wait_seconds=wait_seconds, connect_seconds=connect_timeout_seconds)


def keep_alive(connection: Connection) -> None:
    """Let the system find out when the other end has vanished. Options that it does not have are left out."""
    found = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # there is no public way
    if found is not None:
        for name, level, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                found.setsockopt(level, getattr(socket, name), value)


def make_sqlalchemy_engine(
    database: DatabaseSettings,
    *,
    application_name: str,
    statement_timeout_seconds: float = 15.0,
    lock_timeout_seconds: float = 5.0,
) -> AsyncEngine:
    """SQLAlchemy's engine for administration, past the pooler: a connection for each transaction, none kept.

    The URL holds no query, which the dialect would hand to asyncpg as it is, and no password: that goes to asyncpg
    alone, so that nothing that prints the engine or its URL can show it. Statements' parameters, hashes of tokens
    among them, stay out of the messages of exceptions.
    """
    # A second of start-up and 30 MB that the service must not pay for.
    from sqlalchemy import URL, NullPool  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

    pooled = database.endpoint == "pooled"
    arguments = connect_arguments(
        database,
        host=database.direct_host,
        pooled=pooled,
        application_name=application_name,
        statement_timeout_seconds=statement_timeout_seconds,
        lock_timeout_seconds=lock_timeout_seconds,
    )
    url = URL.create(
        "postgresql+asyncpg",
        username=arguments.pop("user"),
        host=arguments.pop("host"),
        port=arguments.pop("port"),
        database=arguments.pop("database"),
    )
    if pooled:
        # The dialect prepares every statement: never twice under one name, and never kept.
        arguments["prepared_statement_cache_size"] = 0
        arguments["prepared_statement_name_func"] = lambda: f"__ibex_{uuid.uuid4()}__"
    arguments["async_creator_fn"] = _connect_with_retries
    return create_async_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)


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
    lock_timeout_seconds: float | None = None,
) -> dict[str, Any]:
    """Typed arguments of `asyncpg.connect`."""
    server_settings = {"application_name": application_name}
    if statement_timeout_seconds is not None and not pooled:
        milliseconds = str(int(statement_timeout_seconds * 1000))
        server_settings["statement_timeout"] = milliseconds
        server_settings["idle_in_transaction_session_timeout"] = milliseconds
    if lock_timeout_seconds is not None and not pooled:
        server_settings["lock_timeout"] = str(int(lock_timeout_seconds * 1000))
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
