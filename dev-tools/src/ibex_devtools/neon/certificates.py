"""The stand-in's certificates: the good one, and those that a client must refuse."""

from __future__ import annotations

import datetime as dt
import enum
import os
import ssl
import tempfile
from pathlib import Path
from typing import Final

import trustme

_DAY: Final = dt.timedelta(days=1)


class Certificate(enum.StrEnum):
    """What the stand-in shows."""

    GOOD = "good"
    EXPIRED = "expired"
    WRONG_NAME = "wrong-name"
    UNKNOWN_AUTHORITY = "unknown-authority"


class Certificates:
    """An authority of its own, with a certificate of each kind for the same names, made when first needed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._authority = trustme.CA(organization_name="IBEX Neon stand-in")
        self._contexts: dict[Certificate, ssl.SSLContext] = {}

    @property
    def authority_pem(self) -> bytes:
        """The root to trust."""
        return self._authority.cert_pem.bytes()

    def write_trust(self, others: Path) -> Path:
        """Write a bundle of `others` and the root; the caller removes it."""
        descriptor, name = tempfile.mkstemp(prefix="ibex-neon-", suffix=".pem")
        with os.fdopen(descriptor, "wb") as file:
            file.write(others.read_bytes() + b"\n" + self.authority_pem)
        path = Path(name)
        path.chmod(0o644)
        return path

    def context(self, kind: Certificate) -> ssl.SSLContext:
        """A server's context that shows a certificate of this kind, and notes what name a client asks for."""
        if kind not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.sni_callback = _note_name
            self._issue(kind).configure_cert(context)
            self._contexts[kind] = context
        return self._contexts[kind]

    def _issue(self, kind: Certificate) -> trustme.LeafCert:
        now = dt.datetime.now(dt.UTC)
        match kind:
            case Certificate.EXPIRED:
                return self._authority.issue_cert(*self._names, not_before=now - 30 * _DAY, not_after=now - _DAY)
            case Certificate.WRONG_NAME:
                return self._authority.issue_cert("ep-other-456.sandbox.localhost")
            case Certificate.UNKNOWN_AUTHORITY:
                return trustme.CA(organization_name="Nobody's").issue_cert(*self._names)
            case Certificate.GOOD:
                return self._authority.issue_cert(*self._names)


def _note_name(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    """The ssl module tells the name to this callback alone; keep it with the connection."""
    connection.ibex_asked_name = name  # type: ignore[attr-defined]


def asked_name(connection: object) -> str | None:
    """The name (SNI) that the client of this SSLObject asked for; None when it named none."""
    name: str | None = getattr(connection, "ibex_asked_name", None)
    return name
