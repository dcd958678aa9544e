"""Every trap of a connection string and its environment: accepted, or refused with the right id."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from ibex.environment.variables import VARIABLES
from ibex.settings import ConfigurationError, Secret, Settings

NEON = "ep-cool-darkness-123456.us-east-2.aws.neon.tech"
POOLED = "ep-cool-darkness-123456-pooler.us-east-2.aws.neon.tech"
# Holds what must be encoded, so that the raw and the encoded form differ.
PASSWORD = "npg_S3cr3t/p@ss#w0rd%!"
ENCODED = quote(PASSWORD, safe="")
USER = "neondb_owner"
ASK = "sslmode=require&channel_binding=require"


def url(host: str = NEON, *, scheme: str = "postgresql", tail: str = f"/neondb?{ASK}") -> str:
    return f"{scheme}://{USER}:{ENCODED}@{host}{tail}"


SANDBOX = {"IBEX_ENVIRONMENT": "sandbox"}
OVERRIDE = {"IBEX_DATABASE_HOST_SUFFIXES": ".db.example.com, pg.example.org"}

ACCEPTED: list[tuple[str, str, Mapping[str, str], str]] = [
    ("direct, as pasted", url(), {}, NEON),
    ("pooled, as pasted", url(POOLED), {}, NEON),
    ("postgres scheme", url(scheme="postgres"), {}, NEON),
    ("scheme in capitals", url(scheme="PostgreSQL"), {}, NEON),
    ("with a port", url(f"{NEON}:5432"), {}, NEON),
    ("host in capitals", url(NEON.upper()), {}, NEON),
    ("host with a final dot", url(NEON + "."), {}, NEON),
    ("no query at all", url(tail="/neondb"), {}, NEON),
    ("an empty query", url(tail="/neondb?"), {}, NEON),
    ("verify-full", url(tail="/neondb?sslmode=verify-full"), {}, NEON),
    ("verify-ca", url(tail="/neondb?sslmode=verify-ca"), {}, NEON),
    ("the system's roots by name", url(tail="/neondb?sslmode=verify-full&sslrootcert=system"), {}, NEON),
    ("channel binding preferred", url(tail="/neondb?sslmode=require&channel_binding=prefer"), {}, NEON),
    ("encoded database name", url(tail="/neon%20db"), {}, NEON),
    ("azure region", url("ep-x-1.eastus2.azure.neon.tech"), {}, "ep-x-1.eastus2.azure.neon.tech"),
    ("as given stays pooled", url(POOLED), {"IBEX_DATABASE_ENDPOINT": "as-given"}, POOLED),
    ("named suffix", url("a.db.example.com"), OVERRIDE, "a.db.example.com"),
    ("named host", url("pg.example.org"), OVERRIDE, "pg.example.org"),
    ("sandbox on loopback", url("localhost:5433"), SANDBOX, "localhost"),
    ("sandbox on 127.0.0.1", url("127.0.0.1"), SANDBOX, "127.0.0.1"),
    ("sandbox on ::1", url("[::1]:5433"), SANDBOX, "::1"),
    ("sandbox on Neon", url(), SANDBOX, NEON),
    ("an example of a .env file is no .env file", url(), {"TEST_FILE": ".env.example"}, NEON),
    ("a container's user id", url(), {"PGID": "1000"}, NEON),
    ("production said aloud", url(), {"IBEX_ENVIRONMENT": "production"}, NEON),
]

RAW = f"postgresql://{USER}:{PASSWORD}@{NEON}/neondb"
REFUSED: list[tuple[str, str | None, Mapping[str, str], str]] = [
    ("no URL", None, {}, "IBEX-E101"),
    ("an empty URL", "", {}, "IBEX-E101"),
    ("blanks only", "  ", {}, "IBEX-E101"),
    ("another variable is set", None, {"POSTGRES_URL": url()}, "IBEX-E101"),
    ("single quotes", f"'{url()}'", {}, "IBEX-E102"),
    ("double quotes", f'"{url()}"', {}, "IBEX-E102"),
    ("leading space", " " + url(), {}, "IBEX-E102"),
    ("trailing newline", url() + "\n", {}, "IBEX-E102"),
    ("a tab inside", url().replace("neondb?", "neon\tdb?"), {}, "IBEX-E102"),
    ("a psql command", f"psql '{url()}'", {}, "IBEX-E102"),
    ("a psql command without quotes", f"psql {url()}", {}, "IBEX-E102"),
    ("a whole assignment", f"DATABASE_URL={url()}", {}, "IBEX-E102"),
    ("an export", f"export DATABASE_URL={url()}", {}, "IBEX-E102"),
    ("an unresolved reference", "${{Neon.DATABASE_URL}}", {}, "IBEX-E102"),
    ("a shell variable", "$NEON_URL", {}, "IBEX-E102"),
    ("no scheme", f"{USER}:{ENCODED}@{NEON}/neondb", {}, "IBEX-E103"),
    ("key value pairs", f"host={NEON};user={USER};password={ENCODED}", {}, "IBEX-E103"),
    ("asyncpg driver", url(scheme="postgresql+asyncpg"), {}, "IBEX-E103"),
    ("psycopg driver", url(scheme="postgresql+psycopg"), {}, "IBEX-E103"),
    ("another database", url(scheme="mysql"), {}, "IBEX-E103"),
    ("a file", "sqlite:///ibex.db", {}, "IBEX-E103"),
    ("java", url(scheme="jdbc:postgresql"), {}, "IBEX-E103"),
    ("prisma", url(scheme="prisma+postgres"), {}, "IBEX-E103"),
    ("https", url(scheme="https"), {}, "IBEX-E103"),
    ("unencoded password", RAW, {}, "IBEX-E104"),
    ("unencoded @", f"postgresql://{USER}:S3cr3t@pw@{NEON}/neondb", {}, "IBEX-E104"),
    ("unencoded /", f"postgresql://{USER}:S3cr3t/pw@{NEON}/neondb", {}, "IBEX-E104"),
    ("unencoded #", f"postgresql://{USER}:S3cr3t#pw@{NEON}/neondb", {}, "IBEX-E104"),
    ("unencoded ?", f"postgresql://{USER}:S3cr3t?pw@{NEON}/neondb", {}, "IBEX-E104"),
    ("unencoded %", f"postgresql://{USER}:S3cr3t%pw@{NEON}/neondb", {}, "IBEX-E104"),
    ("unencoded [", f"postgresql://{USER}:S3cr3t[pw@{NEON}/neondb", {}, "IBEX-E104"),
    ("@ and / together", f"postgresql://{USER}:S3cr3t@x/y@{NEON}/neondb", {}, "IBEX-E104"),
    ("@ and ? together", f"postgresql://{USER}:S3cr3t@x?y@{NEON}/neondb", {}, "IBEX-E104"),
    ("@ and # together", f"postgresql://{USER}:S3cr3t@x#y@{NEON}/neondb", {}, "IBEX-E104"),
    ("bytes that are no UTF-8", f"postgresql://{USER}:S3cr3t%FFpw@{NEON}/neondb", {}, "IBEX-E104"),
    ("a NUL byte", f"postgresql://{USER}:S3cr3t%00pw@{NEON}/neondb", {}, "IBEX-E104"),
    ("a word for a port", url(f"{NEON}:port"), {}, "IBEX-E104"),
    ("a port out of range", url(f"{NEON}:70000"), {}, "IBEX-E104"),
    ("a port of more digits than Python converts", url(f"{NEON}:{'9' * 5000}"), {}, "IBEX-E104"),
    ("user and password swapped with the host", f"postgresql://{USER}@S3cr3t:{NEON}/db", {}, "IBEX-E105"),
    ("no password", f"postgresql://{USER}@{NEON}/neondb", {}, "IBEX-E105"),
    ("no user", f"postgresql://:{ENCODED}@{NEON}/neondb", {}, "IBEX-E105"),
    ("nobody at all", f"postgresql://{NEON}/neondb", {}, "IBEX-E105"),
    ("a hidden password", f"postgresql://{USER}:************@{NEON}/neondb", {}, "IBEX-E105"),
    ("a placeholder", f"postgresql://{USER}:<password>@{NEON}/neondb", {}, "IBEX-E105"),
    ("no database", url(tail=""), {}, "IBEX-E105"),
    ("an empty database", url(tail="/"), {}, "IBEX-E105"),
    ("two databases", url(tail="/neondb/other"), {}, "IBEX-E105"),
    ("several hosts", url(f"{NEON},{POOLED}"), {}, "IBEX-E106"),
    ("host in the query", url(tail="/neondb?host=10.0.0.1"), {}, "IBEX-E106"),
    ("hostaddr in the query", url(tail="/neondb?hostaddr=10.0.0.1"), {}, "IBEX-E106"),
    ("user in the query", url(tail="/neondb?user=postgres"), {}, "IBEX-E106"),
    ("password in the query", url(tail=f"/neondb?password={ENCODED}"), {}, "IBEX-E106"),
    ("service in the query", url(tail="/neondb?service=x"), {}, "IBEX-E106"),
    ("sslmode disable", url(tail="/neondb?sslmode=disable"), {}, "IBEX-E107"),
    ("sslmode allow", url(tail="/neondb?sslmode=allow"), {}, "IBEX-E107"),
    ("sslmode prefer", url(tail="/neondb?sslmode=prefer"), {}, "IBEX-E107"),
    ("sslmode misspelled", url(tail="/neondb?sslmode=required"), {}, "IBEX-E107"),
    ("sslmode empty", url(tail="/neondb?sslmode="), {}, "IBEX-E107"),
    ("sslmode twice", url(tail="/neondb?sslmode=require&sslmode=disable"), {}, "IBEX-E108"),
    ("sqlalchemy's ssl", url(tail="/neondb?ssl=require"), {}, "IBEX-E108"),
    ("options", url(tail="/neondb?options=-c%20statement_timeout%3D0"), {}, "IBEX-E108"),
    ("application name", url(tail="/neondb?application_name=x"), {}, "IBEX-E108"),
    ("connect timeout", url(tail="/neondb?connect_timeout=1"), {}, "IBEX-E108"),
    ("pgbouncer", url(tail="/neondb?pgbouncer=true"), {}, "IBEX-E108"),
    ("root certificate of one's own", url(tail="/neondb?sslrootcert=/tmp/ca.pem"), {}, "IBEX-E108"),
    ("localhost", url("localhost"), {}, "IBEX-E109"),
    ("localhost with a dot", url("localhost."), {}, "IBEX-E109"),
    ("a name under localhost", url("db.localhost"), {}, "IBEX-E109"),
    ("127.0.0.1", url("127.0.0.1:5432"), {}, "IBEX-E109"),
    ("127.1", url("127.1"), {}, "IBEX-E109"),
    ("a loopback address as a number", url("2130706433"), {}, "IBEX-E109"),
    ("a loopback address in hexadecimal", url("0x7f000001"), {}, "IBEX-E109"),
    ("0.0.0.0", url("0.0.0.0"), {}, "IBEX-E109"),
    ("::1", url("[::1]"), {}, "IBEX-E109"),
    ("a mapped loopback address", url("[::ffff:127.0.0.1]"), {}, "IBEX-E109"),
    ("10.0.0.0/8", url("10.1.2.3"), {}, "IBEX-E110"),
    ("172.16.0.0/12", url("172.16.0.9"), {}, "IBEX-E110"),
    ("192.168.0.0/16", url("192.168.1.1"), {}, "IBEX-E110"),
    ("link-local", url("169.254.169.254"), {}, "IBEX-E110"),
    ("carrier-grade NAT", url("100.64.0.1"), {}, "IBEX-E110"),
    ("unique local", url("[fd12::1]"), {}, "IBEX-E110"),
    ("link-local with a zone", url("[fe80::1%25eth0]"), {}, "IBEX-E110"),
    ("a service's name", url("postgres"), {}, "IBEX-E110"),
    ("Railway's private network", url("postgres.railway.internal"), {}, "IBEX-E110"),
    ("docker's host", url("host.docker.internal"), {}, "IBEX-E110"),
    ("mdns", url("shop.local"), {}, "IBEX-E110"),
    ("no host", f"postgresql://{USER}:{ENCODED}@/neondb", {}, "IBEX-E111"),
    ("a unix socket", f"postgresql://{USER}:{ENCODED}@%2Fvar%2Frun/neondb", {}, "IBEX-E111"),
    ("a unix socket in the query", "postgresql:///neondb?host=/var/run/postgresql", {}, "IBEX-E111"),
    ("a public address", url("8.8.8.8"), {}, "IBEX-E112"),
    ("another provider", url("db.abc.supabase.co"), {}, "IBEX-E112"),
    ("Railway's proxy", url("roundhouse.proxy.rlwy.net:12345"), {}, "IBEX-E112"),
    ("Neon as a prefix", url(f"{NEON}.evil.example.com"), {}, "IBEX-E112"),
    ("Neon without the dot", url("evilneon.tech"), {}, "IBEX-E112"),
    ("Neon's own site", url("neon.tech"), {}, "IBEX-E112"),
    ("an empty label", url("ep-x..neon.tech"), {}, "IBEX-E112"),
    ("a host beside the named ones", url("db.example.com.evil.net"), OVERRIDE, "IBEX-E112"),
    ("named suffix does not loosen loopback", url("127.0.0.1"), OVERRIDE, "IBEX-E109"),
    ("sandbox does not loosen private", url("10.0.0.1"), SANDBOX, "IBEX-E110"),
    ("sandbox does not loosen others", url("db.abc.supabase.co"), SANDBOX, "IBEX-E112"),
    ("sandbox does not loosen sslmode", url("localhost", tail="/db?sslmode=disable"), SANDBOX, "IBEX-E107"),
    ("a .env file", url(), {"TEST_FILE": ".env"}, "IBEX-E113"),
    ("a .env file of production", url(), {"TEST_FILE": ".env.production"}, "IBEX-E113"),
    ("a .env file in a sandbox", url("localhost"), SANDBOX | {"TEST_FILE": ".env"}, "IBEX-E113"),
    ("PGPASSWORD", url(), {"PGPASSWORD": "S3cr3t"}, "IBEX-E114"),
    ("PGHOST", url(), {"PGHOST": "10.0.0.1"}, "IBEX-E114"),
    ("PGSSLMODE", url(), {"PGSSLMODE": "disable"}, "IBEX-E114"),
    ("PGOPTIONS", url(), {"PGOPTIONS": "-c x=y"}, "IBEX-E114"),
    ("UVICORN_PORT", url(), {"UVICORN_PORT": "1"}, "IBEX-E115"),
    ("WEB_CONCURRENCY", url(), {"WEB_CONCURRENCY": "9"}, "IBEX-E115"),
    ("FORWARDED_ALLOW_IPS", url(), {"FORWARDED_ALLOW_IPS": "*"}, "IBEX-E115"),
    ("SSLKEYLOGFILE", url(), {"SSLKEYLOGFILE": "/tmp/keys"}, "IBEX-E116"),
    ("unknown environment", url(), {"IBEX_ENVIRONMENT": "staging"}, "IBEX-E117"),
    ("sandbox on Railway", url("localhost"), SANDBOX | {"RAILWAY_PROJECT_ID": "x"}, "IBEX-E118"),
    ("port in words", url(), {"PORT": "http"}, "IBEX-E120"),
    ("negative pool", url(), {"IBEX_POOL_SIZE": "-1"}, "IBEX-E120"),
    ("no pool", url(), {"IBEX_POOL_SIZE": "0"}, "IBEX-E120"),
    ("short connect timeout", url(), {"IBEX_CONNECT_TIMEOUT_SECONDS": "3"}, "IBEX-E120"),
    ("not a number", url(), {"IBEX_STATEMENT_TIMEOUT_SECONDS": "NaN"}, "IBEX-E120"),
    ("unknown level", url(), {"IBEX_LOG_LEVEL": "TRACE"}, "IBEX-E120"),
    ("unknown endpoint", url(), {"IBEX_DATABASE_ENDPOINT": "auto"}, "IBEX-E120"),
    ("a whole top-level domain", url(), {"IBEX_DATABASE_HOST_SUFFIXES": ".com"}, "IBEX-E121"),
    ("an address as a suffix", url(), {"IBEX_DATABASE_HOST_SUFFIXES": "10.0.0.1"}, "IBEX-E121"),
    ("short metrics token", url(), {"IBEX_METRICS_TOKEN": "short"}, "IBEX-E122"),
    ("webhooks to this machine", url(), {"IBEX_WEBHOOK_LOOPBACK": "allowed"}, "IBEX-E123"),
]


def _environ(raw: str | None, extra: Mapping[str, str], cwd: Path) -> dict[str, str]:
    environ = dict(extra)
    if name := environ.pop("TEST_FILE", None):
        (cwd / name).write_text(f"DATABASE_URL={url()}\n")
    if raw is not None:
        environ["DATABASE_URL"] = raw
    return environ


def _no_secret_in(text: str, *also: str) -> None:
    for secret in (PASSWORD, ENCODED, "S3cr3t", *also):
        assert secret not in text


@pytest.mark.parametrize(("raw", "extra", "host"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_accepted(raw: str, extra: Mapping[str, str], host: str, tmp_path: Path) -> None:
    settings = Settings.from_environ(_environ(raw, extra, tmp_path), cwd=tmp_path)
    assert settings.database.endpoint_host == host
    assert settings.database.password.reveal() == PASSWORD
    assert settings.database.user == USER
    for text in (repr(settings), str(settings), f"{settings.database}", f"{settings.database.password:>20}"):
        _no_secret_in(text)


@pytest.mark.parametrize(("raw", "extra", "id_"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_in_words_and_without_secrets(
    raw: str | None, extra: Mapping[str, str], id_: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(_environ(raw, extra, tmp_path), cwd=tmp_path)
    error = caught.value
    assert error.id == id_
    assert error.message.endswith(".")
    assert error.fix.endswith(".")
    _no_secret_in("".join(traceback.format_exception(error)) + repr(error) + str(error.__dict__))


def test_the_table_is_as_long_as_promised() -> None:
    assert len(ACCEPTED) + len(REFUSED) >= 60


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    from ibex.settings import read_environ  # noqa: PLC0415 - only this test looks behind from_environ

    settings, problems = read_environ({"PGHOST": "x", "PORT": "x", "SSLKEYLOGFILE": "x"}, cwd=tmp_path)
    assert settings is None
    assert [problem.id for problem in problems] == ["IBEX-E114", "IBEX-E116", "IBEX-E101", "IBEX-E120"]


def test_railway_is_recognised_and_its_proxy_headers_are_trusted(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": url(), "RAILWAY_DEPLOYMENT_DRAINING_SECONDS": "30", "RAILWAY_REPLICA_ID": "r1"}
    settings = Settings.from_environ(environ, cwd=tmp_path)
    assert (settings.on_railway, settings.trust_proxy_headers, settings.railway_draining_seconds) == (
        True,
        True,
        30,
    )
    assert not Settings.from_environ({"DATABASE_URL": url()}, cwd=tmp_path).trust_proxy_headers


def test_a_misspelled_setting_is_noticed(tmp_path: Path) -> None:
    settings = Settings.from_environ({"DATABASE_URL": url(), "IBEX_POOLSIZE": "9"}, cwd=tmp_path)
    assert settings.unknown_variables == ("IBEX_POOLSIZE",)


def test_a_secret_stays_one_wherever_it_goes() -> None:
    secret = Secret(PASSWORD)
    log = io.StringIO()
    logger = logging.getLogger("ibex-test")
    logger.addHandler(logging.StreamHandler(log))
    logger.warning("%s %r %s", secret, secret, {"password": secret})
    _no_secret_in(log.getvalue() + f"{secret}{secret!r}{[secret]}{secret!s}")
    with pytest.raises(TypeError):
        json.dumps({"password": secret})
    for copying in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copying(secret)
    assert secret == Secret(PASSWORD)
    assert secret != PASSWORD


def test_the_password_is_taken_out_of_foreign_text(tmp_path: Path) -> None:
    database = Settings.from_environ({"DATABASE_URL": url()}, cwd=tmp_path).database
    _no_secret_in(database.redact(f"could not log in with {PASSWORD} or {ENCODED} ({url()})"))


def test_the_operators_table_is_the_codes_table() -> None:
    manual = (Path(__file__).parents[3] / "docs/OPERATIONS.md").read_text()
    for variable in VARIABLES:
        default = f"`{variable.default}`" if variable.default and ":" not in variable.default else variable.default
        row = f"| `{variable.name}` | {variable.type} | {default} | {variable.meaning} |"
        assert row in manual, row
