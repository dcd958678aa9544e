"""Runs a stand-in, and takes commands from its standard input until that ends. Type `help` for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys

import click

from ibex_devtools.neon.control import Control
from ibex_devtools.neon.line import Network
from ibex_devtools.neon.pgbouncer import HOW_TO_INSTALL, PgBouncer, find
from ibex_devtools.neon.stand_in import NeonStandIn
from ibex_devtools.sandbox import Cluster, Sandbox


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Listen on N instead of a free port.")
@click.option("--seed", type=int, default=0, help="Seed of what is left to chance.")
@click.option("--latency-ms", type=click.FloatRange(0), default=0.0, help="Latency each way.")
@click.option("--attach", is_flag=True, help="Stand before the cluster whose JSON is the first line of input.")
@click.option("--pooler-port", type=click.IntRange(1, 65535), help="A PgBouncer to use, instead of starting one.")
def main(port: int, seed: int, latency_ms: float, attach: bool, pooler_port: int | None) -> None:
    """Stand before a PostgreSQL of its own or, with --attach, before another."""
    network = Network(latency_seconds=latency_ms / 1000)
    # Closing a terminal and being asked to end are ordinary ways out.
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        sandbox = None if attach else stack.enter_context(Sandbox())
        cluster = Cluster.from_json(_first_line()) if sandbox is None else sandbox.cluster
        pooler = PgBouncer(cluster)
        if pooler_port is not None:
            pooler.port = pooler_port
        elif sandbox is not None and find():
            stack.enter_context(pooler)
        elif sandbox is not None:
            click.echo(f"No -pooler host. {HOW_TO_INSTALL}", err=True)
        neon = NeonStandIn(
            cluster,
            sandbox=sandbox,
            pooler=pooler if pooler.port else None,
            network=network,
            port=port,
            seed=seed,
        )
        with contextlib.suppress(KeyboardInterrupt):
            _run(neon)


def _first_line() -> str:
    """Byte by byte: what a buffer took beyond it, the event loop would never see."""
    line = b""
    while (byte := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += byte
    return line.decode()


def _run(neon: NeonStandIn) -> None:
    try:
        import uvloop  # noqa: PLC0415  (it takes half the time, and is not everywhere)
    except ImportError:
        asyncio.run(_serve(neon))
    else:
        uvloop.run(_serve(neon))


async def _serve(neon: NeonStandIn) -> None:
    async with neon:
        _say({"ok": {"port": neon.port, "trust_file": neon.trust_file, "url": neon.url()}})
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        control = Control(neon)
        try:
            while line := (await lines.readline()).decode():
                if line.strip():
                    _say(await control.answer(line))
        finally:
            await control.close()


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(prog_name="python -m ibex_devtools.neon")
