"""`ibex serve` as an operator runs it: a process of its own, a real database, real signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ibex.adapters.postgres.engine import connect_direct
from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster

IBEX = Path(sys.executable).with_name("ibex")
STOPPED_BY_SIGTERM = -signal.SIGTERM


class Service:
    """A running `ibex serve`, its output in a file."""

    def __init__(self, environment: dict[str, str], output: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [IBEX, "serve"],
                env=environment | {"PORT": str(self.port), "IBEX_DRAIN_SECONDS": "0"} | settings,
                cwd=output.parent,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str, token: str = "") -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=20)

    def wait_until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output.read_text()
            try:
                if true():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"it never came: {self.output.read_text()}")

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: self.get("/health/ready").status_code == 200)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]


@contextmanager
def service(environment: dict[str, str], output: Path, **settings: str) -> Iterator[Service]:
    running = Service(environment, output, **settings)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.terminate()
            try:
                running.process.wait(15)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


@pytest.fixture
def environment(cluster: Cluster, fresh_database_url: str) -> dict[str, str]:
    """The environment of a database that this test alone uses."""
    return os.environ | cluster.environment(fresh_database_url.rpartition("/")[2].partition("?")[0])


@pytest.fixture
def token(environment: dict[str, str], tmp_path: Path) -> str:
    """The token of a new store's owner."""
    arguments = [
        "stores",
        "create",
        "--name",
        "Shop",
        "--currency",
        "EUR",
        "--timezone",
        "Europe/Rome",
        "--owner",
        "Ann",
    ]
    made = subprocess.run(
        [IBEX, *arguments], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    return next(word for word in made.stdout.split() if word.startswith("ibex_live_"))


@contextmanager
def locked_products(environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """Nobody can read products until the yielded function is called."""
    holder = subprocess.Popen(
        ["psql", "-qAt", environment["DATABASE_URL"]],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("BEGIN; LOCK TABLE ibex.products; SELECT 'locked';\n")
    holder.stdin.flush()
    assert holder.stdout.readline().strip() == "locked"

    def release() -> None:
        holder.communicate("ROLLBACK;\n", timeout=10)

    try:
        yield release
    finally:
        if holder.poll() is None:
            holder.kill()
            holder.wait()


def test_a_request_in_flight_is_finished_after_sigterm(environment: dict[str, str], token: str, output: Path) -> None:
    with service(environment, output) as running:
        running.wait_until_ready()
        with locked_products(environment) as release, ThreadPoolExecutor() as threads:
            answer = threads.submit(running.get, "/v1/products", token)
            time.sleep(0.5)
            running.terminate()
            time.sleep(0.5)
            assert not answer.done()
            with pytest.raises(httpx.ConnectError):
                running.get("/health/live")
            release()
            assert answer.result(10).status_code == 200
        assert running.process.wait(10) == STOPPED_BY_SIGTERM


def test_a_request_that_never_ends_is_cut_off_in_time(environment: dict[str, str], token: str, output: Path) -> None:
    with service(environment, output, IBEX_SHUTDOWN_GRACE_SECONDS="1") as running:
        running.wait_until_ready()
        with locked_products(environment), ThreadPoolExecutor() as threads:
            answer = threads.submit(running.get, "/v1/products", token)
            time.sleep(0.5)
            running.terminate()
            assert running.process.wait(12) == STOPPED_BY_SIGTERM
            assert isinstance(answer.exception(5), httpx.TransportError) or answer.result().status_code >= 500


def test_after_sigterm_it_is_not_ready_but_still_answers(environment: dict[str, str], token: str, output: Path) -> None:
    with service(environment, output, IBEX_DRAIN_SECONDS="1.5") as running:
        running.wait_until_ready()
        running.terminate()
        began = time.monotonic()
        running.wait_until(lambda: running.get("/health/ready").json().get("code") == "draining", 1)
        assert time.monotonic() - began < 0.5
        answer = running.get("/v1/me", token)
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert running.process.wait(10) == STOPPED_BY_SIGTERM
        assert time.monotonic() - began > 1.4


def test_a_second_signal_does_not_wait(environment: dict[str, str], output: Path) -> None:
    with service(environment, output, IBEX_DRAIN_SECONDS="30") as running:
        running.wait_until_ready()
        running.terminate()
        time.sleep(0.2)
        running.terminate()
        assert running.process.wait(10) == STOPPED_BY_SIGTERM


async def test_no_connection_is_left_behind(environment: dict[str, str], token: str, output: Path) -> None:
    settings = Settings.from_environ(environment, cwd=output.parent)
    connection = await connect_direct(settings.database, "test")
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ibex' AND datname = current_database()"
    try:
        with service(environment, output) as running:
            running.wait_until_ready()
            assert running.get("/v1/me", token).status_code == 200
            assert await connection.fetchval(count) > 0
        assert await connection.fetchval(count) == 0
    finally:
        await connection.close()


def test_workers_drain_like_one_process(environment: dict[str, str], token: str, output: Path) -> None:
    with service(environment, output, IBEX_WORKERS="2") as running:
        running.wait_until_ready()
        with locked_products(environment) as release, ThreadPoolExecutor() as threads:
            answer = threads.submit(running.get, "/v1/products", token)
            time.sleep(0.5)
            running.terminate()
            time.sleep(1)
            assert not answer.done()
            release()
            assert answer.result(10).status_code == 200
        assert running.process.wait(15) in (0, STOPPED_BY_SIGTERM)
        started = [line for line in running.lines() if "Started server process" in str(line["event"])]
        assert len(started) == 2


def test_it_refuses_a_schema_that_is_behind(cluster: Cluster, empty_database_url: str, output: Path) -> None:
    environment = os.environ | cluster.environment(empty_database_url.rpartition("/")[2].partition("?")[0])
    with service(environment, output) as running:
        assert running.process.wait(30) == 1
    assert "ibex migrate deploy" in output.read_text()


def test_without_the_database_it_starts_and_is_not_ready(environment: dict[str, str], output: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening: connections are refused
        port = nobody.getsockname()[1]
        url = environment["DATABASE_URL"]
        known = url.rpartition("@")[2].partition("/")[0].rpartition(":")[2]
        with service(environment, output, DATABASE_URL=url.replace(f":{known}/", f":{port}/")) as running:
            running.wait_until(lambda: running.get("/health/live").status_code == 200)
            problem = running.get("/health/ready")
            assert problem.status_code == 503
            assert problem.json()["code"] == "not_ready"
            assert running.get("/v1/me", "ibex_live_x").status_code == 401


def test_the_log_is_json_without_secrets(environment: dict[str, str], token: str, output: Path) -> None:
    password = environment["DATABASE_URL"].partition("//")[2].partition("@")[0].partition(":")[2]
    with service(environment, output) as running:
        running.wait_until_ready()
        me = running.get("/v1/me?", token).json()
        running.get("/v1/products?search=secret-search", token)
        request_id = running.get("/v1/nothing", token).json()["request_id"]
    lines = running.lines()
    text = output.read_text()
    assert token not in text
    assert token[20:40] not in text
    assert password not in text
    assert "secret-search" not in text
    assert len([line for line in lines if "Started server process" in str(line["event"])]) == 1
    answers = [line for line in lines if line["event"] == "request"]
    first = next(line for line in answers if line["path"] == "/v1/me")
    assert first["operator_id"] == me["operator_id"]
    assert first["store_id"] == me["store"]["id"]
    assert first["route"] == "/v1/me"
    assert first["status"] == 200
    lost = next(line for line in answers if line["request_id"] == request_id)
    assert lost["code"] == "route_not_found"
    assert "operator_id" not in lost
