"""A certificate made on the spot, and the bundle that makes it trusted."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from ibex_devtools.sandbox.account import Account

# Where the roots are when OpenSSL's own default file does not exist (it often names a directory instead).
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def make_certificate(root: Path, account: Account) -> None:
    """Write server.crt and server.key for localhost, ca.pem, and trust.pem: that and the system's roots."""
    import trustme  # noqa: PLC0415  (a fifth of a second, spent while initdb runs)

    authority = trustme.CA(organization_name="IBEX sandbox")
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    authority_pem = authority.cert_pem.bytes()
    (root / "ca.pem").write_bytes(authority_pem)
    (root / "trust.pem").write_bytes(_system_roots() + b"\n" + authority_pem)
    (root / "server.crt").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    for name in ("ca.pem", "trust.pem", "server.crt"):
        (root / name).chmod(0o644)
    key = root / "server.key"
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(leaf.private_key_pem.bytes())
    account.own(key)


def _system_roots() -> bytes:
    """The roots trusted so far, so that package installers still work inside; empty if there are none."""
    candidates = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_SYSTEM_BUNDLES)
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_bytes()
    return b""
