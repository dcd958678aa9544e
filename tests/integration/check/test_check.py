"""Each finding of `ibex check`, provoked."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trustme

from ibex.adapters.postgres.engine import Connection, connect_direct
from ibex.adapters.postgres.reachability import why_unreachable
from ibex.adapters.postgres.schema.revisions import load_revisions, migrations_directory
from ibex.entrypoints.check import database as checks
from ibex.entrypoints.check.configuration import check_environment
from ibex.entrypoints.check.findings import Finding, exit_code
from ibex.entrypoints.check.network import check_network
from ibex.settings import ConfigurationError, Settings
from ibex_devtools.sandbox import Cluster
from tests.fixtures.revisions import environment_of, ibex, migrate

PASSWORD = "S3cr3t/p@ss"
NEON = "postgresql://u:S3cr3t%2Fp%40ss@ep-x-1.us-east-2.aws.neon.tech/db?sslmode=require"


def ids(findings: list[Finding]) -> list[str]:
    return [finding.id for finding in findings if finding.id]


def settings_of(url: str, **environ: str) -> Settings:
    return Settings.from_environ({"DATABASE_URL": url} | environ, cwd=Path("/nonexistent"))


def report(url: str, *arguments: str, **environ: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code and findings by check of `ibex check --json`."""
    done = ibex(environment_of(url) | environ, "check", "--json", *arguments)
    document = json.loads(done.output)
    assert document["exit_code"] == done.code
    return done.code, {finding["check"]: finding for finding in document["findings"] if finding["level"] != "note"}


@pytest.fixture
async def connection(fresh_database_url: str) -> Any:
    opened = await connect_direct(settings_of(fresh_database_url, IBEX_ENVIRONMENT="sandbox").database, "test")
    yield opened
    await opened.close()


def test_a_sound_database_passes_even_for_a_deploy(fresh_database_url: str) -> None:
    code, findings = report(fresh_database_url, "--deploy")
    assert code == 0, findings
    assert {finding["level"] for finding in findings.values()} == {"ok"}
    for check in ("configuration", "dns", "tcp", "tls", "authentication", "select-1", "server", "connections"):
        assert check in findings
    for check in ("clock", "schema", "drift", "session-lock", "endpoint", "settings", "variable"):
        assert check in findings


def test_the_three_verifications_of_an_operator(fresh_database_url: str) -> None:
    for check in ("configuration", "variable", "select-1"):
        code, findings = report(fresh_database_url, "--only", check)
        assert (code, list(findings)) == (0, [check])
    environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    assert ibex(environ, "check", "--only", "variable").code == 78
    assert ibex(environ | {"DATABASE_URL": NEON, "PGHOST": "x"}, "check", "--only", "configuration").code == 78


def test_all_problems_of_the_settings_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": NEON + "&sslmode=disable", "PGHOST": "x", "PORT": "x"}
    done = ibex(environ, "check", cwd=tmp_path)
    assert done.code == 78
    for id_ in ("IBEX-E108", "IBEX-E113", "IBEX-E114", "IBEX-E120"):
        assert id_ in done.output
    assert "S3cr3t" not in done.output
    assert "Not looked at: the settings are refused." in done.output


def test_the_schema_is_behind(empty_database_url: str) -> None:
    code, findings = report(empty_database_url)
    assert (code, findings["schema"]["id"], findings["schema"]["fix"]) == (1, "IBEX-E301", "Run: ibex migrate deploy")


async def test_drift(fresh_database_url: str, connection: Connection) -> None:
    await connection.execute("ALTER TABLE ibex.stores ADD COLUMN sneaked int")
    code, findings = report(fresh_database_url)
    assert (code, findings["drift"]["id"]) == (1, "IBEX-E307")
    assert "column stores.sneaked" in findings["drift"]["message"]


async def test_a_failed_revision(fresh_database_url: str, connection: Connection) -> None:
    await connection.execute(
        "INSERT INTO ibex.migration_log (revision, action, outcome, sha256, actor, git_commit)"
        " SELECT revision, 'apply', 'failed', sha256, 'x', '' FROM ibex.migration_log ORDER BY id DESC LIMIT 1"
    )
    code, findings = report(fresh_database_url)
    assert (code, findings["schema"]["id"]) == (1, "IBEX-E306")  # the version table says that it is applied
    previous = load_revisions(migrations_directory()).names[-2]
    await connection.execute("UPDATE ibex.alembic_version SET version_num = $1", previous)
    code, findings = report(fresh_database_url)
    assert (code, findings["schema"]["id"]) == (1, "IBEX-E302")


async def test_a_schema_ahead_is_only_a_note(fresh_database_url: str, connection: Connection) -> None:
    await connection.execute(
        "INSERT INTO ibex.migration_log (revision, action, outcome, sha256, actor, git_commit)"
        " SELECT '9999', 'apply', 'done', sha256, 'x', '' FROM ibex.migration_log ORDER BY id DESC LIMIT 1;"
        " UPDATE ibex.alembic_version SET version_num = '9999'"
    )
    done = ibex(environment_of(fresh_database_url), "check", "--deploy")
    assert (done.code, "IBEX-W308" in done.output) == (0, True), done.output


def test_wrong_credentials_and_closed_ports(fresh_database_url: str, cluster: Cluster) -> None:
    wrong = fresh_database_url.replace(cluster.owner_password, "N0tTheOne")
    code, findings = report(wrong)
    assert (code, findings["authentication"]["id"]) == (78, "IBEX-E205")
    code, findings = report(fresh_database_url.replace(f":{cluster.port}/", ":1/"))
    assert (code, findings["tcp"]["id"], findings["select-1"]["level"]) == (69, "IBEX-E202", "skipped")


def test_a_superuser_is_a_warning_that_fails_a_deploy(
    cluster: Cluster, template_database: str, fresh_database_url: str
) -> None:
    assert template_database
    name = fresh_database_url.rsplit("/", 1)[1].partition("?")[0]
    code, findings = report(cluster.administrator_url(name))
    assert (code, findings["role"]["id"]) == (0, "IBEX-W405")
    assert report(cluster.administrator_url(name), "--deploy")[0] == 1


def test_a_connection_budget_that_cannot_hold(fresh_database_url: str) -> None:
    code, findings = report(fresh_database_url, "--deploy", IBEX_POOL_SIZE="50")
    assert (code, findings["connections"]["id"]) == (1, "IBEX-W407")


def test_misspelled_settings_and_a_pooled_endpoint(fresh_database_url: str) -> None:
    assert report(fresh_database_url, IBEX_POOLSIZE="3")[1]["settings"]["id"] == "IBEX-W401"
    assert report(fresh_database_url, IBEX_DATABASE_ENDPOINT="pooled")[1]["endpoint"]["id"] == "IBEX-W404"


def test_draining_shorter_than_the_grace_period() -> None:
    short = settings_of(NEON, RAILWAY_PROJECT_ID="x")
    assert ids(check_environment(short, [])) == ["IBEX-W409"]
    enough = settings_of(NEON, RAILWAY_DEPLOYMENT_DRAINING_SECONDS="27")
    assert ids(check_environment(enough, [])) == []
    assert ids(check_environment(replace(enough, trust_store_override=True), [])) == ["IBEX-W402"]


async def test_a_name_that_resolves_to_a_private_address(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = settings_of(fresh_database_url, IBEX_ENVIRONMENT="sandbox")
    assert ids(await check_network(sandbox)) == []
    assert ids(await check_network(replace(sandbox, environment="production"))) == ["IBEX-E211"]
    loop = asyncio.get_running_loop()

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(loop, "getaddrinfo", unknown)
    assert ids(await check_network(sandbox)) == ["IBEX-E201"]


@contextmanager
def server_with(certificate: trustme.LeafCert | None) -> Iterator[int]:
    """A server that answers PostgreSQL's question for TLS, with this certificate or with no."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)

    def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate is not None:
            certificate.configure_cert(context)
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                if client.recv(8):
                    client.sendall(b"S" if certificate else b"N")
                    if certificate:
                        context.wrap_socket(client, server_side=True).recv(1)
            except OSError:
                pass
            finally:
                client.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)  # closing alone would leave accept waiting for its 20 s
    listener.close()
    thread.join(timeout=25)


@pytest.mark.parametrize("kind", ["no tls", "unknown authority", "another name", "ends soon", "expired"])
async def test_certificates_and_names(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    trusted = trustme.CA() if kind == "unknown authority" else authority
    trusted.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    days = {"ends soon": 2, "expired": -1}.get(kind, 90)
    leaf = authority.issue_cert(
        "elsewhere.example.com" if kind == "another name" else "localhost",
        not_after=datetime.now(UTC) + timedelta(days=days, hours=1),
    )
    with server_with(None if kind == "no tls" else leaf) as port:
        url = f"postgresql://u:S3cr3t%2Fp%40ss@localhost:{port}/db"
        findings = await check_network(settings_of(url, IBEX_ENVIRONMENT="sandbox"))
    expected = {"no tls": "IBEX-E203", "ends soon": "IBEX-W410"}.get(kind, "IBEX-E204")
    assert ids(findings) == [expected]
    assert exit_code(findings, deploy=False) == (0 if kind == "ends soon" else 78)


class Answers:
    """Just enough of a connection for a check of what a server may answer."""

    def __init__(self, value: object, version: tuple[int, int] = (17, 0), delay_seconds: float = 0) -> None:
        self._value, self._version, self._delay = value, version, delay_seconds

    async def fetchval(self, *_: object) -> object:
        await asyncio.sleep(self._delay)
        return self._value

    async def fetchrow(self, *_: object) -> object:
        return self._value

    def get_server_version(self) -> object:
        return asyncpg.types.ServerVersion(self._version[0], self._version[1], 0, "final", 0)


async def test_answers_that_no_sandbox_gives() -> None:
    settings = settings_of(NEON)
    answers: Any = Answers(2)
    assert ids(await checks._select_1(answers, settings)) == ["IBEX-E209"]
    answers = Answers(1, delay_seconds=0.06)
    assert ids(await checks._select_1(answers, settings)) == ["IBEX-W403"]
    answers = Answers("", (14, 9))
    assert ids(await checks._server(answers, settings)) == ["IBEX-E210"]
    answers = Answers(datetime.now(UTC) + timedelta(seconds=5))
    assert ids(await checks._clock(answers, settings)) == ["IBEX-W408"]
    owner: Any = Answers({"rolsuper": False, "may_drop": True, "rolname": "x"})
    assert ids(await checks._role(owner, settings)) == ["IBEX-W406"]
    other: Any = Answers({"rolsuper": False, "may_drop": False, "rolname": "x"})
    assert ids(await checks._role(other, settings)) == []


@pytest.mark.parametrize(
    ("error", "id_", "verdict"),
    [
        (socket.gaierror(), "IBEX-E201", "unavailable"),
        (ConnectionRefusedError(), "IBEX-E202", "unavailable"),
        (TimeoutError(), "IBEX-E202", "unavailable"),
        (ssl.SSLError(), "IBEX-E203", "unavailable"),
        (ConnectionError(), "IBEX-E203", "configuration"),
        (ssl.SSLCertVerificationError(), "IBEX-E204", "configuration"),
        (asyncpg.InvalidPasswordError(), "IBEX-E205", "configuration"),
        (asyncpg.InvalidCatalogNameError(), "IBEX-E205", "configuration"),
        (asyncpg.CannotConnectNowError(), "IBEX-E206", "try-again"),
        (asyncpg.TooManyConnectionsError(), "IBEX-E206", "try-again"),
        (asyncpg.ProtocolViolationError(), "IBEX-E207", "unavailable"),
    ],
)
def test_a_refused_connection_is_classified(error: Exception, id_: str, verdict: str) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed"
    reason = why_unreachable(error)
    assert (reason.id, reason.verdict) == (id_, verdict)


def test_the_first_thing_to_repair_decides_the_exit_code() -> None:
    problem = ConfigurationError("IBEX-E101", "m.", "f.")
    findings = check_environment(None, [problem])
    assert exit_code(findings, deploy=False) == 78
    warn = Finding(check="x", level="warning", message="m")
    assert (exit_code([warn], deploy=False), exit_code([warn], deploy=True)) == (0, 1)


def test_nothing_ever_shows_the_password(fresh_database_url: str, cluster: Cluster) -> None:
    for arguments in (("check",), ("check", "--json"), ("migrate", "status", "--json"), ("migrate", "drift")):
        done = ibex(environment_of(fresh_database_url), *arguments)
        assert done.code == 0
        assert cluster.owner_password not in done.output
    assert cluster.owner_password not in migrate(fresh_database_url, None, "deploy").output


def test_before_a_deploy_a_schema_that_is_behind_is_no_error(empty_database_url: str) -> None:
    assert report(empty_database_url)[0] == 1
    done = ibex(environment_of(empty_database_url), "check", "--before-deploy")
    assert done.code == 0
    assert "note     schema           IBEX-E301: " in done.output


def test_before_a_deploy_every_other_error_still_is_one(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    assert ibex(environ, "check", "--before-deploy", cwd=tmp_path).code == 78
