"""A stand-in in a process of its own, for callers that have no event loop or need theirs for themselves."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import Any, Self

from ibex_devtools.neon.address import Address
from ibex_devtools.neon.faults import Fault
from ibex_devtools.neon.line import Network
from ibex_devtools.neon.stand_in import StandInError
from ibex_devtools.sandbox import Cluster

_CLOSE_TIMEOUT_SECONDS = 20


class NeonProcess(Address):
    """Use it as a context manager. It takes the commands of `ibex_devtools.neon.control`.

    restart is not among them: the sandbox belongs to its owner.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        network: Network | None = None,
        pooler_port: int | None = None,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        self.cluster = cluster
        self.port = port
        self._network = network or Network()
        self._options = [f"--port={port}", f"--seed={seed}"]
        if pooler_port is not None:
            self._options.append(f"--pooler-port={pooler_port}")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start it. Raises StandInError."""
        command = [sys.executable, "-m", "ibex_devtools.neon", "--attach", *self._options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        try:
            ready = self._exchange(self.cluster.to_json())
            self.port, self.trust_file = ready["port"], ready["trust_file"]
            self.command("network", **{name: getattr(self._network, name) for name in Network.__slots__})
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it. May be called again."""
        process, self._process = self._process, None
        if process is not None:
            try:
                # The end of its input is all that it waits for.
                process.communicate(timeout=_CLOSE_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def command(self, name: str, *arguments: str, **options: Any) -> Any:
        """Give a command, and return its answer. Raises StandInError."""
        words = [name, *arguments, *(f"{key}={json.dumps(value)}" for key, value in options.items())]
        return self._exchange(" ".join(map(shlex.quote, words)))

    def arm(self, fault: Fault, **options: Any) -> int:
        """As `NeonStandIn.arm`; returns the number by which `disarm` and `counts` know it."""
        return int(self.command("arm", fault, **options))

    def _exchange(self, line: str) -> Any:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise StandInError("the stand-in is not open")
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise StandInError("the stand-in's process has ended")
        decoded = json.loads(answer)
        if "error" in decoded:
            raise StandInError(decoded["error"])
        return decoded["ok"]
