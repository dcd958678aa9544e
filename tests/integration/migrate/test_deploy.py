"""`ibex migrate` as an operator meets it: real processes, a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ibex.adapters.postgres.engine import Connection, connect_direct, tls_context
from ibex.entrypoints.migrate.lock import DEPLOY_LOCK
from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster
from tests.fixtures.revisions import RevisionDirectory, environment_of, ibex, migrate, migrate_arguments

LEDGER = "SELECT revision, action, outcome FROM ibex.migration_log ORDER BY id"


@pytest.fixture
def directory(tmp_path: Path) -> RevisionDirectory:
    made = RevisionDirectory(tmp_path / "migrations")
    made.add("0001", "CREATE TABLE ibex.one (id int);", undo="DROP TABLE ibex.one")
    made.add("0002", "CREATE TABLE ibex.two (id int); INSERT INTO ibex.two VALUES (1);", undo="DROP TABLE ibex.two")
    return made


@pytest.fixture
async def connection(empty_database_url: str) -> Iterator[Connection]:  # type: ignore[misc]
    settings = Settings.from_environ(environment_of(empty_database_url), cwd=Path("/nonexistent"))
    opened = await connect_direct(settings.database, "test")
    yield opened
    await opened.close()


async def ledger(connection: Connection) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in await connection.fetch(LEDGER)]


async def test_an_empty_database_is_built_and_a_second_deploy_does_nothing(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    first = migrate(empty_database_url, directory.path, "deploy", env={"IBEX_GIT_COMMIT": "abc123"})
    assert (first.code, "[2/2] 0002" in first.output) == (0, True), first.output
    second = migrate(empty_database_url, directory.path, "deploy")
    assert (second.code, "where this code needs it" in second.output) == (0, True)
    row = await connection.fetchrow("SELECT * FROM ibex.migration_log WHERE revision = '0001'")
    assert row is not None
    assert row["started_at"] < row["finished_at"]
    assert row["duration_ms"] >= 0
    assert (row["git_commit"], row["error"]) == ("abc123", None)
    assert "pid" in row["actor"]
    assert await connection.fetchval("SELECT version_num FROM ibex.alembic_version") == "0002"
    assert migrate(empty_database_url, directory.path, "status").code == 0


async def test_the_statements_reach_the_server_as_they_were_written(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    directory.add("0003", """CREATE TABLE ibex.j AS SELECT '{\\"a\\":true,\\"b\\":\\"50% :x\\"}'::jsonb AS v;""")
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    assert await connection.fetchval("SELECT v->>'b' FROM ibex.j") == "50% :x"


async def test_a_failed_revision_leaves_nothing_and_blocks_until_it_is_resolved(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    directory.add("0003", "CREATE TABLE ibex.three (id int);\nSELECT 1 / 0;")
    failed = migrate(empty_database_url, directory.path, "deploy")
    assert failed.code == 1
    assert "22012: division by zero" in failed.output
    assert await connection.fetchval("SELECT to_regclass('ibex.three')") is None
    assert (await ledger(connection))[-1] == ("0003", "apply", "failed")
    directory.add("0003", "CREATE TABLE ibex.three (id int);")
    blocked = migrate(empty_database_url, directory.path, "deploy")
    assert (blocked.code, "IBEX-E302" in blocked.output) == (1, True)
    resolved = migrate(empty_database_url, directory.path, "resolve", "0003", "--rolled-back", "--reason", "typo")
    assert resolved.code == 0, resolved.output
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    assert [row for row in await ledger(connection) if row[0] == "0003"] == [
        ("0003", "apply", "failed"),
        ("0003", "rolled-back", "done"),
        ("0003", "apply", "done"),
    ]


async def test_the_line_of_an_error_is_shown(empty_database_url: str, directory: RevisionDirectory) -> None:
    directory.add("0003", "SELECT 1;\nCREATE TABLE ibex.x (a nosuchtype);\nSELECT 2;")
    failed = migrate(empty_database_url, directory.path, "deploy")
    assert "at: CREATE TABLE ibex.x (a nosuchtype);" in failed.output


async def test_done_by_hand_is_recorded_and_moves_the_version(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    directory.add("0003", "SELECT 1 / 0;")
    assert migrate(empty_database_url, directory.path, "deploy").code == 1
    assert migrate(empty_database_url, directory.path, "resolve", "0003", "--applied", "--reason", "r").code == 0
    assert await connection.fetchval("SELECT version_num FROM ibex.alembic_version") == "0003"
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    again = migrate(empty_database_url, directory.path, "resolve", "0003", "--applied", "--reason", "r")
    assert (again.code, "already" in again.output) == (1, True)


async def test_decisions_that_do_not_fit_are_refused(empty_database_url: str, directory: RevisionDirectory) -> None:
    def resolve(revision: str, decision: str) -> tuple[int, str]:
        done = migrate(empty_database_url, directory.path, "resolve", revision, decision, "--reason", "r")
        return done.code, done.output

    assert "no ledger yet" in resolve("0001", "--applied")[1]
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    directory.add("0003", "SELECT 3")
    directory.add("0004", "SELECT 4")
    assert "nothing to resolve" in resolve("0003", "--rolled-back")[1]
    assert "is applied" in resolve("0002", "--rolled-back")[1]
    assert "not the next revision" in resolve("0004", "--applied")[1]
    assert "may still change" in resolve("0003", "--accept-edit")[1]
    assert "no revision 0009" in resolve("0009", "--applied")[1]


async def test_an_edited_revision_is_refused_until_the_edit_is_accepted(
    empty_database_url: str, directory: RevisionDirectory
) -> None:
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    path = directory.file("0001")
    path.write_text(path.read_text().replace("Test 0001.", "Another title."))
    refused = migrate(empty_database_url, directory.path, "deploy")
    assert (refused.code, "IBEX-E303" in refused.output) == (1, True)
    accepted = migrate(empty_database_url, directory.path, "resolve", "0001", "--accept-edit", "--reason", "title")
    assert accepted.code == 0
    assert migrate(empty_database_url, directory.path, "deploy").code == 0


async def test_a_missing_file_and_several_heads_are_refused(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    directory.add("0003", "SELECT 3")
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    kept = directory.file("0002").read_text()
    directory.file("0002").unlink()
    assert "IBEX-E309" in migrate(empty_database_url, directory.path, "deploy").output
    directory.file("0002").write_text(kept)
    other = directory.path / "versions" / "0004_other.py"
    other.write_text(directory.file("0002").read_text().replace("'0002'", "'0004'"))
    refused = migrate(empty_database_url, directory.path, "deploy")
    assert (refused.code, "Several heads" in refused.output) == (1, True)
    assert len(await ledger(connection)) == 3


async def test_ahead_is_told_apart_from_behind_and_from_a_branch(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    assert migrate(empty_database_url, directory.path, "status").code == 1
    third = directory.add("0003", "CREATE TABLE ibex.three (id int)")
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    third.unlink()
    ahead = migrate(empty_database_url, directory.path, "deploy")
    assert (ahead.code, "ahead of this code (0002) by 0003" in ahead.output) == (0, True)
    assert migrate(empty_database_url, directory.path, "status").code == 0
    assert migrate(empty_database_url, directory.path, "drift").code == 0
    await connection.execute("DROP TABLE ibex.three")
    drifted = migrate(empty_database_url, directory.path, "drift")
    assert (drifted.code, "missing: table three" in drifted.output) == (2, True)
    await connection.execute("UPDATE ibex.alembic_version SET version_num = 'ffff'")
    unknown = migrate(empty_database_url, directory.path, "deploy")
    assert (unknown.code, "IBEX-E304" in unknown.output) == (1, True)


async def test_nothing_is_applied_on_a_schema_that_was_changed_by_hand(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    await connection.execute("ALTER TABLE ibex.one ADD COLUMN sneaked int")
    directory.add("0003", "CREATE TABLE ibex.three (id int)")
    refused = migrate(empty_database_url, directory.path, "deploy")
    assert (refused.code, "unexpected: column one.sneaked" in refused.output) == (2, True)
    assert await connection.fetchval("SELECT to_regclass('ibex.three')") is None
    accepted = migrate(empty_database_url, directory.path, "resolve", "0002", "--accept-drift", "--reason", "r")
    assert accepted.code == 0, accepted.output
    assert migrate(empty_database_url, directory.path, "deploy").code == 0


async def test_a_last_revision_that_misses_the_fingerprint_is_rolled_back(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    assert migrate(empty_database_url, directory.path, "fingerprint").code == 0
    directory.add("0003", "CREATE TABLE ibex.three (id int)", undo="DROP TABLE ibex.three")
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    assert migrate(empty_database_url, directory.path, "fingerprint", "--check").code == 2
    assert migrate(empty_database_url, directory.path, "fingerprint").code == 0
    assert migrate(empty_database_url, directory.path, "downgrade", "0002").code == 0
    fingerprint = directory.path / "fingerprint.json"
    fingerprint.write_text(fingerprint.read_text().replace('"column three.id": "integer', '"column three.id": "bigint'))
    refused = migrate(empty_database_url, directory.path, "deploy")
    assert (refused.code, "changed: column three.id" in refused.output) == (2, True), refused.output
    assert await connection.fetchval("SELECT to_regclass('ibex.three')") is None
    assert (await ledger(connection))[-1] == ("0003", "apply", "gave-up")


async def test_a_lock_timeout_is_retried_and_then_given_up_without_blocking(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    directory.add("0003", "ALTER TABLE ibex.one ADD COLUMN b int")
    async with connection.transaction():
        await connection.execute("LOCK TABLE ibex.one")
        busy = migrate(empty_database_url, directory.path, "deploy", "--attempts", "2", "--lock-timeout", "0.2")
    assert busy.code == 75
    assert "attempt 1 of 2" in busy.output
    assert (await ledger(connection))[-1] == ("0003", "apply", "gave-up")
    assert migrate(empty_database_url, directory.path, "deploy").code == 0


async def test_a_statement_timeout_is_a_failure(empty_database_url: str, directory: RevisionDirectory) -> None:
    directory.add("0003", "SELECT pg_sleep(20)")
    slow = migrate(empty_database_url, directory.path, "deploy", "--statement-timeout", "1")
    assert (slow.code, "57014" in slow.output) == (1, True)


async def test_who_waits_is_told_who_holds_the_lock(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    await connection.execute("SET application_name = 'somebody else'")
    await connection.execute("SELECT pg_advisory_lock($1)", DEPLOY_LOCK)
    waited = migrate(empty_database_url, directory.path, "deploy", "--lock-wait", "1")
    assert waited.code == 75
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    assert f"pid {pid}, somebody else, connected for" in waited.output
    assert await connection.fetchval("SELECT to_regclass('ibex.migration_log')") is None


async def test_what_no_transaction_allows_runs_outside_of_one(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    concurrently = "CREATE INDEX CONCURRENTLY one_id ON ibex.one (id)"
    directory.add("0003", concurrently, extra="TRANSACTIONAL = False")
    assert migrate(empty_database_url, directory.path, "deploy").code == 0
    assert await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ibex.one_id'::regclass")
    directory.add("0004", "CREATE INDEX CONCURRENTLY one_no ON ibex.one (nope)", extra="TRANSACTIONAL = False")
    failed = migrate(empty_database_url, directory.path, "deploy")
    assert (failed.code, "a part may be there" in failed.output) == (1, True)


async def test_a_dry_run_prints_the_sql_and_writes_nothing(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    dry = migrate(empty_database_url, directory.path, "deploy", "--dry-run")
    assert dry.code == 0
    assert "CREATE TABLE ibex.one (id int);" in dry.output
    assert "INSERT INTO ibex.alembic_version" in dry.output
    assert await connection.fetchval("SELECT to_regnamespace('ibex')") is None


async def test_tables_that_nobody_recorded_are_left_alone(
    empty_database_url: str, directory: RevisionDirectory, connection: Connection
) -> None:
    await connection.execute("CREATE SCHEMA ibex; CREATE TABLE ibex.legacy (id int)")
    refused = migrate(empty_database_url, directory.path, "status")
    assert (refused.code, "IBEX-E306" in refused.output) == (1, True)
    deployed = migrate(empty_database_url, directory.path, "deploy")
    assert (deployed.code, "IBEX-E306" in deployed.output) == (1, True)
    assert await connection.fetchval("SELECT to_regclass('ibex.migration_log')") is None


def test_deploy_never_loads_the_http_side(empty_database_url: str) -> None:
    script = (
        "import sys; from ibex.entrypoints.cli import main; sys.argv = ['ibex', 'migrate', 'deploy']\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "http = ('litestar', 'uvicorn', 'httptools', 'uvloop', 'msgspec', 'advanced_alchemy', 'ibex.domain',"
        " 'ibex.bootstrap', 'ibex.entrypoints.http')\n"
        "bad = [m for m in sys.modules if m.startswith(http)]\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment_of(empty_database_url),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["stamp", "revision", "autogenerate", "drop", "reset", "push"])
def test_verbs_that_go_round_deploy_are_refused_everywhere(verb: str) -> None:
    done = migrate("unused", None, verb, "head")
    assert (done.code, "refused" in done.output) == (78, True)


@pytest.mark.parametrize("arguments", [("downgrade", "base"), ("fingerprint",), ("new", "a title")])
def test_verbs_of_development_are_refused_in_production(arguments: tuple[str, ...]) -> None:
    url = "postgresql://u:S3cr3tpw@ep-x-1.us-east-2.aws.neon.tech/db"
    done = migrate(url, None, *arguments, env={"IBEX_ENVIRONMENT": "production"})
    assert (done.code, "refused" in done.output) == (78, True)


def test_a_new_revision_follows_the_newest(tmp_path: Path, directory: RevisionDirectory) -> None:
    (tmp_path / "pyproject.toml").touch()
    environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = ibex(environ, *migrate_arguments(directory.path, "new", "Add it!")[1:])
    assert done.code == 0, done.output
    text = (directory.path / "versions" / "0003_add_it.py").read_text()
    assert "revision = '0003'" in text
    assert "down_revision = '0002'" in text


async def test_the_ways_in_which_a_database_is_out_of_reach_have_exit_codes(
    cluster: Cluster, empty_database_url: str, directory: RevisionDirectory
) -> None:
    password = cluster.owner_password
    wrong_password = empty_database_url.replace(password, "N0tTheOne")
    wrong_database = cluster.url("no_such_database")
    wrong_port = empty_database_url.replace(f":{cluster.port}/", ":1/")
    wrong_name = empty_database_url.replace("localhost", "127.0.0.2")
    for url, code, id_ in (
        (wrong_password, 78, "IBEX-E205"),
        (wrong_database, 78, "IBEX-E205"),
        (wrong_port, 69, "IBEX-E202"),
        (wrong_name, 69, "IBEX-E202"),
    ):
        done = migrate(url, directory.path, "deploy")
        assert (done.code, id_ in done.output) == (code, True), done.output
        assert password not in done.output
        assert "N0tTheOne" not in done.output


async def test_raw_connections_need_tls(empty_database_url: str, cluster: Cluster) -> None:
    """The sandbox behaves as Neon does: without TLS there is no way in."""
    with pytest.raises((asyncpg.PostgresError, ConnectionError)):
        await asyncpg.connect(
            host="localhost",
            port=cluster.port,
            user="ibex_owner",
            password=cluster.owner_password,
            database="ibex",
            ssl=False,
        )
    assert tls_context().check_hostname
    assert empty_database_url
