"""The `ibex-sandbox` command."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import click

from ibex_devtools.sandbox.command import run_command
from ibex_devtools.sandbox.server import Sandbox, SandboxError


@click.group()
def main() -> None:
    """A disposable PostgreSQL 17 for development."""


@main.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the server's files in DIR; run again with the same DIR to go on with them.",
    metavar="DIR",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Listen on port N instead of a free one.", metavar="N")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...], keep: Path | None, port: int | None) -> None:
    """Run COMMAND with DATABASE_URL pointing at a fresh server, which ends with it.

    The exit code is COMMAND's own; 125 when the server could not be started.
    """
    for signum in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _leave)
    began = time.monotonic()
    try:
        with Sandbox(port=port, keep=keep) as sandbox:
            seconds = time.monotonic() - began
            _say(f"PostgreSQL is ready on localhost:{sandbox.cluster.port} after {seconds:.2f} s")
            code = run_command(command, os.environ | sandbox.environment())
            if code in (126, 127):
                _say(f"{command[0]}: exit code {code}, could not be run or not be found")
            # The command has ended. Nothing may interrupt the cleaning up.
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(signum, signal.SIG_IGN)
    except SandboxError as error:
        _say(str(error))
        code = 125
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


def _leave(signum: int, _: FrameType | None) -> None:
    """Before and after the command: leave the ordinary way, through the cleaning up."""
    sys.exit(128 + signum)


def _say(text: str) -> None:
    click.echo(f"ibex-sandbox: {text}", err=True)
