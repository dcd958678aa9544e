"""The process that owns the server, and outlives its owner just long enough to stop it.

It runs as a file of its own (`python -I -S keeper.py JSON`) and so imports nothing but the standard library.
It reads one command a line from its standard input and answers each with one line of JSON. When the input
ends, for whatever reason (the owner left, or was killed with no chance to say so), it shuts the server down
and removes its files.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 20.0
POLL_SECONDS = 0.005
LOG_TAIL_CHARACTERS = 3000
_PR_SET_PDEATHSIG = 1
_IPC_RMID = 0


class KeeperError(Exception):
    """A command could not be carried out; the message goes back to the owner."""


def die_with_parent(signum: int) -> None:
    """Ask Linux to send `signum` to this process when its parent ends; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)


def children_of(parent: int) -> list[int]:
    """Process ids of the direct children of `parent`."""
    pairs: list[tuple[int, int]] = []
    if Path("/proc/self/stat").exists():
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                # The command name, in brackets, may hold blanks: count the fields after it.
                fields = stat.read_text().rpartition(")")[2].split()
                pairs.append((int(stat.parent.name), int(fields[1])))
    else:
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        pairs = [(int(pid), int(ppid)) for pid, ppid in (line.split() for line in listing.stdout.splitlines())]
    return [pid for pid, ppid in pairs if ppid == parent]


class Keeper:
    """One server: its directory, its account and its process."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.root = Path(options["root"])
        self.data = self.root / "data"
        self.log = self.root / "server.log"
        self.binaries = Path(options["binaries"])
        self.remove: list[str] = options["remove"]
        self.environment: dict[str, str] = options["environment"]
        self.account: dict[str, Any] = {}
        if options["uid"] is not None:
            self.account = {"user": options["uid"], "group": options["gid"], "extra_groups": []}
        self.server: subprocess.Popen[bytes] | None = None

    def initdb(self, password_file: str) -> None:
        """Make the data directory. Syncing it is left out: the server syncs all that it writes afterwards."""
        arguments = ["-D", str(self.data), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
        arguments += ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments += [f"--pwfile={password_file}", "--no-sync", "--no-instructions"]
        with self.log.open("ab") as log:
            done = subprocess.run([self.binaries / "initdb", *arguments], check=False, stdout=log, **self._spawn())
        if done.returncode != 0:
            raise KeeperError(f"initdb failed: {self._log_tail()}")

    def start(self, port: str) -> None:
        """Start the server on `port` and return when it accepts connections."""
        if self.server is not None:
            raise KeeperError("the server is running already")
        arguments = ["-D", str(self.data), "-p", port, "-c", f"config_file={self.root / 'postgresql.conf'}"]
        with self.log.open("ab") as log:
            self.server = subprocess.Popen(
                [self.binaries / "postgres", *arguments],
                stdout=log,
                # The second net: should this process be killed too, the kernel tells the server.
                preexec_fn=lambda: die_with_parent(signal.SIGINT),  # noqa: PLW1509 (there is one thread)
                **self._spawn(),
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._is_ready():
            if self.server.poll() is not None:
                self.server = None
                raise KeeperError(f"PostgreSQL did not start: {self._log_tail()}")
            if time.monotonic() > deadline:
                self.stop("immediate")
                raise KeeperError(f"PostgreSQL was not ready after {START_TIMEOUT_SECONDS:.0f} s: {self._log_tail()}")
            time.sleep(POLL_SECONDS)

    def stop(self, mode: str) -> None:
        """Shut down: "fast" with a checkpoint, "immediate" leaves recovery to the next start."""
        if self.server is None:
            return
        self.server.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        try:
            self.server.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.server = None

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would."""
        if self.server is None:
            return
        # Stopped first, so that it cannot start a process that the list does not hold.
        self.server.send_signal(signal.SIGSTOP)
        for pid in [*children_of(self.server.pid), self.server.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.wait()
        self.server = None

    def close(self) -> None:
        """Stop the server and remove what is to be removed."""
        self.stop("fast")
        self._release_shared_memory()
        for path in map(Path, self.remove):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _spawn(self) -> dict[str, Any]:
        return {
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            # The caller's working directory may be closed to the server's account.
            "cwd": self.root,
            "env": self.environment,
            **self.account,
        }

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _is_ready(self) -> bool:
        """Read the lock file, as pg_ctl does. The one that a killed server left holds another pid."""
        lines = self._postmaster_lines()
        pid = self.server.pid if self.server else None
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _release_shared_memory(self) -> None:
        """Free the System V segment of a server that was killed: it is not in the data directory."""
        lines = self._postmaster_lines()
        if len(lines) >= 7 and len(lines[6].split()) == 2:
            ctypes.CDLL(None).shmctl(int(lines[6].split()[1]), _IPC_RMID, None)

    def _log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()


def serve(keeper: Keeper) -> None:
    """Carry out one command a line until the input ends."""
    commands = {"initdb": keeper.initdb, "start": keeper.start, "stop": keeper.stop}
    for line in sys.stdin:
        name, _, argument = line.strip().partition(" ")
        try:
            if name == "kill":
                keeper.kill()
            else:
                commands[name](argument)
            answer: dict[str, str | None] = {"error": None}
        except (KeeperError, OSError, subprocess.SubprocessError) as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Serve until the owner is gone, then clean up."""
    keeper = Keeper(json.loads(sys.argv[1]))
    # Told to end: leave through the cleaning up below. Told again meanwhile: it is being done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        # The answer to an owner that is gone fails: the same as its leaving.
        with contextlib.suppress(BrokenPipeError):
            serve(keeper)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        keeper.close()
        # Nothing is left to flush, and the pipe may be broken.
        os._exit(0)


if __name__ == "__main__":
    main()
