"""A service in a process of its own: started by a shell command, asked for its health, told to end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

POLL_SECONDS = 0.05


class Service:
    """Use it as a context manager: whatever happens, it is gone afterwards, with all that it started."""

    def __init__(self, command: str | list[str], *, environment: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", command] if isinstance(command, str) else command,
                env=dict(environment) | {"PORT": str(self.port)},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def health(self, path: str = "/health/ready") -> int:
        """The status of the health check as Railway asks it; 0 where nobody answers."""
        try:
            headers = {"host": "healthcheck.railway.app"}
            return httpx.get(self.base_url + path, headers=headers, timeout=5).status_code
        except httpx.TransportError:
            return 0

    def wait_until_healthy(self, path: str, timeout_seconds: float) -> float:
        """Seconds until the first 200. Fails with the log when the process ends, or the time does."""
        began = time.monotonic()
        while self.health(path) != 200:
            waited = time.monotonic() - began
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output()}"
            assert waited < timeout_seconds, f"not healthy after {waited:.0f} s:\n{self.output()}"
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    def terminate(self) -> None:
        """SIGTERM to the process that was started, and to no other: as a platform does it."""
        self.process.send_signal(signal.SIGTERM)

    def output(self) -> str:
        """The last lines that it wrote."""
        return self.log.read_text(errors="replace")[-4000:]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
