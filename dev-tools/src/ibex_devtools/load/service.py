"""A service of one's own on the sandbox's database: migrated, served, and stopped again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ibex_devtools.load.api import LoadError
from ibex_devtools.sandbox.keeper import die_with_parent

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
_TAIL_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store that was just opened, and its owner's token."""

    store_id: str
    token: str


def require_sandbox() -> None:
    """Raises LoadError unless this process runs under ibex-sandbox: nothing else may be migrated from here."""
    if "DATABASE_URL" not in os.environ or os.environ.get("IBEX_ENVIRONMENT") != "sandbox":
        raise LoadError(
            "Run it under the sandbox, which brings a database of its own:\n"
            f"  ibex-sandbox run -- python -m {_module_name()} ..."
        )


def ibex(*arguments: str) -> str:
    """What an `ibex` command prints. Raises LoadError with what it said when it failed."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ibex"), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LoadError(f"ibex {' '.join(arguments[:2])} failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout


def open_store(*, name: str, currency: str, time_zone: str, owner: str) -> OpenedStore:
    """Opens a store from the command line."""
    facts = json.loads(
        ibex(
            "stores", "create", "--name", name, "--currency", currency, "--timezone", time_zone,
            "--owner", owner, "--json",
        )
    )  # fmt: skip
    return OpenedStore(store_id=facts["store_id"], token=facts["token"])


@contextlib.contextmanager
def serving(port: int | None = None) -> Iterator[str]:
    """`ibex serve` on the loopback interface, ready; yields its URL. Raises LoadError if it does not start."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as log:
        environment = {"IBEX_LOG_LEVEL": "warning", "IBEX_DRAIN_SECONDS": "0"} | dict(os.environ)
        server = subprocess.Popen(
            [Path(sys.executable).with_name("ibex"), "serve", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the one who loads: it stops the service in its own time.
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 (there is one thread)
        )
        try:
            _wait_until_ready(url, server, log)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=5):  # noqa: S310 (a URL of our own)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    log.seek(0)
    tail = "".join(log.readlines()[-_TAIL_LINES:])
    raise LoadError(f"The service did not become ready. It said:\n{tail}".rstrip())


def _module_name() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name.removesuffix(".__main__") if spec else "ibex_devtools.replay"
