"""The services under load: processes of their own, started as an operator starts them."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.01
POOL: Final = 10
"""Connections to the database, of each service: what IBEX takes unless it is told otherwise."""


class BenchError(Exception):
    """Something that is to be measured does not work; the message says what."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    name: str
    port: int
    pid: int
    ready_seconds: float


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ibex_command() -> list[str]:
    """What production runs."""
    return [str(Path(sys.executable).with_name("ibex")), "serve"]


def peer_command(module: str, port: int) -> list[str]:
    """uvicorn as its documentation says, without the access log, with the loop and parser that IBEX has."""
    return [
        *(sys.executable, "-m", "uvicorn", f"ibex_devtools.bench.peers.{module}:app"),
        *("--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--lifespan", "on"),
    ]


@contextlib.contextmanager
def ibex(environment: Mapping[str, str], logs: Path, *, name: str = "ibex", **settings: str) -> Iterator[Service]:
    """IBEX with the defaults of production, on a port of its own."""
    port = free_port()
    variables = dict(environment) | {"PORT": str(port), "IBEX_DRAIN_SECONDS": "0"} | settings
    with _running(name, ibex_command(), variables, port, "/health/ready", logs / f"{name}.log") as service:
        yield service


@contextlib.contextmanager
def peer(module: str, environment: Mapping[str, str], logs: Path, *, name: str = "") -> Iterator[Service]:
    """One of the two peers."""
    port = free_port()
    name = name or module
    variables = dict(environment) | {"PEER_POOL": str(POOL)}
    with _running(name, peer_command(module, port), variables, port, "/ready", logs / f"{name}.log") as service:
        yield service


@contextlib.contextmanager
def _running(
    name: str, command: list[str], environment: Mapping[str, str], port: int, ready: str, log: Path
) -> Iterator[Service]:
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("PG", "IBEX_", "RAILWAY_", "DATABASE_URL"))}
    began = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=clean | dict(environment), cwd=log.parent, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while not _answers(port, ready):
            if process.poll() is not None or time.monotonic() > began + _START_SECONDS:
                raise BenchError(f"{name} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(_POLL_SECONDS)
        yield Service(name, port, process.pid, time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
