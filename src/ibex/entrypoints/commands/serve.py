"""`ibex serve`: the HTTP service in this process, or in several workers of it."""

from __future__ import annotations

import asyncio
import dataclasses
import sys

if sys.platform != "win32":
    import resource
from typing import Final

import click
import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from ibex.adapters.postgres.engine import connect_once
from ibex.adapters.postgres.reachability import CONNECT_ERRORS, why_unreachable
from ibex.adapters.postgres.schema.state import SchemaState, read_schema_state
from ibex.entrypoints import exit_codes
from ibex.entrypoints.http.protocol import BoundedProtocol
from ibex.entrypoints.logs import configure_logs
from ibex.settings import Settings, load_settings

APPLICATION: Final = "ibex.bootstrap:application"
KEEP_ALIVE_SECONDS: Final = 75
"""Railway's edge keeps idle connections for 60 s; the side that closes first must not be this one."""
MAX_CONNECTIONS: Final = 4000
"""Open connections of one worker. Beyond it uvicorn answers 503 before the application is asked."""
BACKLOG: Final = 2048
SPARE_FILES: Final = 128
"""Open files that are not connections of clients: the pool's, the log, the listening socket."""

log = structlog.get_logger("ibex.serve")


@click.command()
@click.option("--host", help="Address to listen on, instead of IBEX_HOST.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on, instead of PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Run the HTTP service.

    Refuses to start on a schema that this code cannot use. With a database that cannot be reached it starts, and is not
    ready until the database is there and its schema is right.
    """
    settings = load_settings()
    settings = dataclasses.replace(settings, host=host or settings.host, port=port or settings.port)
    configure_logs(settings.log_level, settings.database.redact)
    _refuse_unusable_schema(settings)
    config = server_config(settings)
    if config.workers > 1:
        Multiprocess(config, sockets=[config.bind_socket()]).run()
    else:
        server = uvicorn.Server(config)
        server.run()
        if not server.started:
            sys.exit(exit_codes.FINDINGS)


def server_config(settings: Settings) -> uvicorn.Config:
    """Everything that uvicorn would otherwise guess from what is installed or set in the environment."""
    return uvicorn.Config(
        APPLICATION,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        http=BoundedProtocol,
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        # The edge reads X-Real-IP itself, on Railway alone; nothing else of a proxy's headers is used.
        proxy_headers=False,
        forwarded_allow_ips=[],
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        limit_concurrency=connections_allowed(),
        backlog=BACKLOG,
    )


def connections_allowed() -> int:
    """MAX_CONNECTIONS, or what the system's limit of open files leaves for them; that is raised as far as it goes."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, max(1, soft - SPARE_FILES))


def _refuse_unusable_schema(settings: Settings) -> None:
    try:
        state = asyncio.run(_schema_state(settings))
    except CONNECT_ERRORS as error:
        reason = why_unreachable(error)
        if reason.verdict == "configuration":
            raise click.ClickException(f"{reason.id}: {reason.message} {reason.fix}") from None
        log.warning("database_unreachable", id=reason.id, detail=reason.message)
        return
    if not state.may_serve:
        click.echo(f"Refusing to serve: {state.summary}", err=True)
        sys.exit(exit_codes.FINDINGS)
    if state.kind != "current":
        log.warning("schema", detail=state.summary)


async def _schema_state(settings: Settings) -> SchemaState:
    database = settings.database
    connection = await connect_once(
        database,
        "ibex serve",
        host=database.endpoint_host,
        pooled=database.pooled,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        command_timeout_seconds=settings.statement_timeout_seconds,
    )
    try:
        return await read_schema_state(connection, with_drift=True)
    finally:
        await connection.close()
