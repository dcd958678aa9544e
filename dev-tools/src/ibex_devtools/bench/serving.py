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
ROOT: Final = Path(__file__).resolve().parents[4]
ENVIRONMENTS: Final = ROOT / ".venv-bench"
SOURCES: Final = ROOT / "dev-tools" / "src"
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


def ibex_program() -> str:
    """The `ibex` that production would install, or that of this environment where the bench has made none."""
    production = ENVIRONMENTS / "production" / "bin" / "ibex"
    return str(production if production.exists() else Path(sys.executable).with_name("ibex"))


def peer_python() -> str:
    """The interpreter with the peers' libraries. Raises BenchError."""
    python = ENVIRONMENTS / "peers" / "bin" / "python"
    if not python.exists():
        raise BenchError("the peers' libraries are not there: run make bench, or dev-tools/bootstrap.sh bench")
    return str(python)


def peer_variables(environment: Mapping[str, str], pool: int = POOL) -> dict[str, str]:
    """What a peer's process needs: this package for its own modules, its libraries from its own environment."""
    path = ":".join(filter(None, (str(SOURCES), environment.get("PYTHONPATH"))))
    return dict(environment) | {"PEER_POOL": str(pool), "PYTHONPATH": path}


def peer_command(module: str, port: int) -> list[str]:
    """uvicorn as its documentation says, without the access log, with the loop and parser that IBEX has."""
    return [
        *(peer_python(), "-m", "uvicorn", f"ibex_devtools.bench.peers.{module}:app"),
        *("--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--lifespan", "on"),
    ]


@contextlib.contextmanager
def ibex(environment: Mapping[str, str], logs: Path, *, name: str = "ibex", **settings: str) -> Iterator[Service]:
    """IBEX with the defaults of production, on a port of its own."""
    port = free_port()
    variables = dict(environment) | {"PORT": str(port), "IBEX_DRAIN_SECONDS": "0"} | settings
    with _running(name, [ibex_program(), "serve"], variables, port, "/health/ready", logs / f"{name}.log") as service:
        yield service


@contextlib.contextmanager
def peer(
    module: str, environment: Mapping[str, str], logs: Path, *, name: str = "", pool: int = POOL
) -> Iterator[Service]:
    """One of the two peers."""
    port = free_port()
    name = name or module
    variables = peer_variables(environment, pool)
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
