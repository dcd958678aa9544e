"""A real PgBouncer in transaction mode, as behind Neon's -pooler hosts: on loopback, gone with its owner.

`python -m ibex_devtools.neon.pgbouncer` says whether it is installed, and how to install it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from ibex_devtools.sandbox import Cluster
from ibex_devtools.sandbox.account import choose_account, make_root
from ibex_devtools.sandbox.cluster import ADMINISTRATOR, OWNER
from ibex_devtools.sandbox.keeper import die_with_parent

HOW_TO_INSTALL: Final = (
    "PgBouncer is not installed: apt-get install pgbouncer (Debian, Ubuntu), dnf install pgbouncer (Fedora), "
    "brew install pgbouncer (macOS), or set PGBOUNCER to its path"
)
START_TIMEOUT_SECONDS: Final = 10.0
STOP_TIMEOUT_SECONDS: Final = 5.0
# Distributions put it where only root looks.
_PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")

# As Neon documents its own, but for the sizes: https://neon.com/docs/connect/connection-pooling
_SETTINGS: Final = """\
[databases]
* = host=localhost port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
max_client_conn = 1000
default_pool_size = {pool_size}
{prepared}
auth_type = scram-sha-256
auth_file = {directory}/users.txt
server_tls_sslmode = verify-full
server_tls_ca_file = {directory}/ca.pem
query_wait_timeout = 120
server_login_retry = 1
log_connections = 0
log_disconnections = 0
"""


class PgBouncerError(Exception):
    """It is not installed, or did not start; the message says how to get it, or what its log says."""


def find() -> str | None:
    """The path of the program, or None."""
    named = os.environ.get("PGBOUNCER")
    if named:
        return named if os.access(named, os.X_OK) else None
    return shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))


def version(program: str) -> tuple[int, int]:
    """Major and minor version."""
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None:
        raise PgBouncerError(f"{program} --version says {text!r}")
    return int(found[1]), int(found[2])


class PgBouncer:
    """Use it as a context manager; `port` is then where it listens.

    `prepared_statements`: how many named statements it keeps for each client. 0 is the harder case, and all
    that versions before 1.21 can do; Neon keeps 1000.
    """

    def __init__(self, cluster: Cluster, *, pool_size: int = 20, prepared_statements: int = 0) -> None:
        self._cluster = cluster
        self._pool_size = pool_size
        self._prepared = prepared_statements
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self.port = 0

    def __enter__(self) -> Self:
        """Start it. Raises PgBouncerError."""
        program = find()
        if program is None:
            raise PgBouncerError(HOW_TO_INSTALL)
        try:
            self._start(program)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it and remove its files. May be called again."""
        process, self._process = self._process, None
        if process is not None:
            # SIGTERM at once; SIGINT would wait for clients to leave.
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, program: str) -> None:
        prepared = ""
        if version(program) >= (1, 21):
            prepared = f"max_prepared_statements = {self._prepared}"
        elif self._prepared:
            raise PgBouncerError(f"{program} is too old to keep prepared statements: 1.21 or later can")
        account = choose_account()
        directory = self._directory = make_root(account)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        shutil.copy(self._cluster.ca_file, directory / "ca.pem")
        users = (
            f'"{OWNER}" "{self._cluster.owner_password}"\n"{ADMINISTRATOR}" "{self._cluster.administrator_password}"\n'
        )
        settings = _SETTINGS.format(
            server_port=self._cluster.port,
            port=self.port,
            pool_size=self._pool_size,
            prepared=prepared,
            directory=directory,
        )
        for name, text in (("users.txt", users), ("pgbouncer.ini", settings)):
            path = directory / name
            path.touch(mode=0o600)
            path.write_text(text)
            account.own(path)
        account.own(directory / "ca.pem")
        log = directory / "pgbouncer.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [program, str(directory / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                user=account.uid,
                group=account.gid,
                extra_groups=None if account.uid is None else [],
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 (one system call)
            )
        self._await_listening(log)

    def _await_listening(self, log: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise PgBouncerError(f"PgBouncer did not start: {log.read_text()[-2000:].strip()}")


def _main() -> int:
    program = find()
    if program is None:
        print(HOW_TO_INSTALL)
        return 1
    print(f"{program} {'.'.join(map(str, version(program)))}")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
