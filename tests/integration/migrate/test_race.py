"""Ten deploys at once, one of them killed: one schema, and a ledger that tells the truth."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ibex_devtools.sandbox import Cluster
from tests.fixtures.revisions import RevisionDirectory, environment_of, migrate, migrate_arguments

DEPLOYS = 10
DEADLINE_SECONDS = 180
LOCK_WAIT_SECONDS = 150
"""Ten deploys come one after the other; on a busy machine each may take ten seconds."""


def revisions_with_a_slow_one(tmp_path: Path) -> RevisionDirectory:
    directory = RevisionDirectory(tmp_path / "migrations")
    directory.add("0001", "CREATE TABLE ibex.one (id int PRIMARY KEY);")
    directory.add("0002", "CREATE TABLE ibex.two (id int PRIMARY KEY); SELECT pg_sleep(3);")
    directory.add("0003", "CREATE TABLE ibex.three (id int PRIMARY KEY);")
    return directory


def start_deploy(url: str, directory: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(
            migrate_arguments(directory, "deploy", "--lock-wait", str(LOCK_WAIT_SECONDS)),
            env=environment_of(url),
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def query(cluster: Cluster, url: str, statement: str) -> list[str]:
    name = url.rsplit("/", 1)[1].partition("?")[0]
    return cluster.execute(statement, database=name).split()


def wait_for_the_slow_statement(cluster: Cluster, url: str) -> None:
    name = url.rsplit("/", 1)[1].partition("?")[0]
    busy = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event = 'PgSleep'"
    deadline = time.monotonic() + DEADLINE_SECONDS
    while query(cluster, url, busy) != ["1"]:
        assert time.monotonic() < deadline, "the slow revision never started"
        time.sleep(0.05)


def holder(cluster: Cluster, url: str, deploys: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """The deploy that wrote the running row: the ledger's actor ends with its pid."""
    words = query(cluster, url, "SELECT actor FROM ibex.migration_log WHERE outcome = 'running'")
    return next(deploy for deploy in deploys if str(deploy.pid) in words)


@pytest.mark.timeout(240)
def test_ten_at_once_and_the_one_that_works_is_killed(
    cluster: Cluster, empty_database_url: str, tmp_path: Path
) -> None:
    directory = revisions_with_a_slow_one(tmp_path)
    logs = [tmp_path / f"{number}.log" for number in range(DEPLOYS)]
    deploys = [start_deploy(empty_database_url, directory.path, log) for log in logs]
    try:
        wait_for_the_slow_statement(cluster, empty_database_url)
        killed = holder(cluster, empty_database_url, deploys)
        killed.kill()
        codes = [deploy.wait(timeout=DEADLINE_SECONDS) for deploy in deploys]
    finally:
        for deploy in deploys:
            deploy.kill()
            deploy.wait()
    output = "\n".join(log.read_text() for log in logs)
    assert sorted(codes) == [-signal.SIGKILL] + [0] * (DEPLOYS - 1), output
    assert "waiting for another deploy: pid" in output
    assert "0002: an earlier deploy was cut off and rolled back" in output
    rows = query(cluster, empty_database_url, "SELECT revision || ':' || outcome FROM ibex.migration_log ORDER BY id")
    assert rows == ["0001:done", "0002:interrupted", "0002:done", "0003:done"]
    assert query(cluster, empty_database_url, "SELECT version_num FROM ibex.alembic_version") == ["0003"]
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'ibex'::regnamespace ORDER BY 1"
    assert query(cluster, empty_database_url, tables) == ["alembic_version", "migration_log", "one", "three", "two"]
    assert migrate(empty_database_url, directory.path, "status").code == 0


def test_alone_and_killed_the_next_deploy_recovers(cluster: Cluster, empty_database_url: str, tmp_path: Path) -> None:
    directory = revisions_with_a_slow_one(tmp_path)
    deploy = start_deploy(empty_database_url, directory.path, tmp_path / "log")
    wait_for_the_slow_statement(cluster, empty_database_url)
    os.kill(deploy.pid, signal.SIGKILL)
    deploy.wait()
    status = migrate(empty_database_url, directory.path, "status")
    assert (status.code, "0002  unfinished" in status.output) == (1, True), status.output
    again = migrate(empty_database_url, directory.path, "deploy")
    assert again.code == 0, again.output
    rows = query(cluster, empty_database_url, "SELECT revision || ':' || outcome FROM ibex.migration_log ORDER BY id")
    assert rows == ["0001:done", "0002:interrupted", "0002:done", "0003:done"]


def test_a_backend_that_is_ended_in_the_middle_is_no_failure(
    cluster: Cluster, empty_database_url: str, tmp_path: Path
) -> None:
    directory = revisions_with_a_slow_one(tmp_path)
    deploy = start_deploy(empty_database_url, directory.path, tmp_path / "log")
    wait_for_the_slow_statement(cluster, empty_database_url)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    query(cluster, empty_database_url, end)
    assert deploy.wait(timeout=DEADLINE_SECONDS) == 75, (tmp_path / "log").read_text()
    rows = query(cluster, empty_database_url, "SELECT revision || ':' || outcome FROM ibex.migration_log ORDER BY id")
    assert rows == ["0001:done", "0002:interrupted"]
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
