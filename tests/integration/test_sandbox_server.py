"""The disposable server itself: encrypted, verified, durable, with little power, and local."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from cryptography import x509

from ibex_devtools.sandbox import Cluster


def connect(url: str, **options: Any) -> asyncpg.Record:
    """Connect, and return what the server says of the session."""
    parts = urlsplit(url)

    async def ask() -> asyncpg.Record:
        connection = await asyncpg.connect(
            host=parts.hostname,
            port=parts.port,
            user=parts.username,
            database=parts.path.removeprefix("/"),
            password=options.get("password", parts.password),
            ssl=options.get("ssl", ssl.create_default_context()),
        )
        try:
            session = await connection.fetchrow(
                "SELECT s.ssl, s.version, r.rolsuper, r.rolcreatedb, r.rolcreaterole, "
                "pg_get_userbyid(d.datdba) AS owner "
                "FROM pg_stat_ssl s, pg_roles r, pg_database d WHERE s.pid = pg_backend_pid() "
                "AND r.rolname = current_user AND d.datname = current_database()"
            )
            assert session is not None
            return session
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_the_session_is_encrypted_and_its_role_owns_the_database_but_not_the_server(
    empty_database_url: str,
) -> None:
    session = connect(empty_database_url)
    assert session["ssl"] is True
    assert session["version"] in {"TLSv1.2", "TLSv1.3"}
    assert session["owner"] == "ibex_owner"
    assert not session["rolsuper"]
    assert not session["rolcreatedb"]
    assert not session["rolcreaterole"]


def test_the_certificate_is_trusted_only_by_who_was_told_of_it(
    cluster: Cluster, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(empty_database_url)
    connect(empty_database_url, ssl=ssl.create_default_context(cafile=cluster.ca_file))


def test_the_certificate_is_for_this_host_alone(cluster: Cluster) -> None:
    certificate = x509.load_pem_x509_certificate(Path(cluster.ca_file).with_name("server.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == {"localhost", "127.0.0.1"}


def test_the_systems_own_roots_stay_trusted(cluster: Cluster) -> None:
    bundle = Path(cluster.trust_file).read_text()
    assert bundle.endswith(Path(cluster.ca_file).read_text())
    ssl.create_default_context(cafile=cluster.trust_file)


def test_without_tls_the_server_does_not_talk(empty_database_url: str) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match=r"no pg_hba\.conf entry"):
        connect(empty_database_url, ssl=False)


def test_passwords_are_scram_and_checked(cluster: Cluster, empty_database_url: str) -> None:
    stored = cluster.execute("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL;").splitlines()
    assert len(stored) == 2
    assert all(password.startswith("SCRAM-SHA-256$") for password in stored)
    with pytest.raises(asyncpg.InvalidPasswordError):
        connect(empty_database_url, password="wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        connect(empty_database_url, password="")


def test_the_server_listens_on_the_loopback_address_alone(cluster: Cluster) -> None:
    shown = cluster.execute("SHOW listen_addresses; SHOW unix_socket_directories;")
    assert shown == "127.0.0.1\n\n"
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # No packet is sent: it asks which address this machine would send from.
        probe.connect(("192.0.2.1", 9))
        with socket.socket() as stranger:
            assert stranger.connect_ex((probe.getsockname()[0], cluster.port)) != 0


def test_the_server_is_durable(cluster: Cluster) -> None:
    shown = cluster.execute("SHOW fsync; SHOW synchronous_commit; SHOW full_page_writes; SHOW server_version_num;")
    assert shown.splitlines()[:3] == ["on", "on", "on"]
    assert shown.splitlines()[3].startswith("17")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its rights up")
def test_the_server_does_not_run_as_root(cluster: Cluster) -> None:
    data = Path(cluster.ca_file).parent / "data"
    pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    assert data.stat().st_uid != 0
    assert data.stat().st_mode & 0o777 == 0o700
    if Path("/proc").exists():
        assert Path(f"/proc/{pid}").stat().st_uid == data.stat().st_uid
