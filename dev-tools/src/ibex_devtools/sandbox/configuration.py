"""The server's settings: what production has, on one machine."""

from __future__ import annotations

from pathlib import Path

_SETTINGS = """\
# Loopback and TLS only: no unix socket.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
hba_file = '{root}/pg_hba.conf'
ssl = on
ssl_cert_file = '{root}/server.crt'
ssl_key_file = '{root}/server.key'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
# Durable, as in production: a measurement without it would be worth nothing.
fsync = on
synchronous_commit = on
full_page_writes = on
# What Neon's smallest compute has.
max_connections = 104
# In the data directory, so that nothing stays behind after a kill.
dynamic_shared_memory_type = mmap
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %q%a/%d '
"""

_ACCESS = """\
# TYPE   DATABASE  USER  ADDRESS       METHOD
hostssl  all       all   127.0.0.1/32  scram-sha-256
"""


def write_configuration(root: Path) -> None:
    """Write postgresql.conf and pg_hba.conf: no secrets in them, readable by the server's account."""
    for name, text in (("postgresql.conf", _SETTINGS.format(root=root)), ("pg_hba.conf", _ACCESS)):
        (root / name).write_text(text)
        (root / name).chmod(0o644)
