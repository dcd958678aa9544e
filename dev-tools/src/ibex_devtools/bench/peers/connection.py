"""How both peers reach the database: from the same variables as IBEX, with the same checks of TLS."""

from __future__ import annotations

import os
import ssl
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.engine import URL


def database_url() -> URL:
    """SQLAlchemy's form of DATABASE_URL."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return URL.create(
        "postgresql+asyncpg",
        username=parts.username,
        password=parts.password,
        host=parts.hostname,
        port=parts.port,
        database=parts.path.lstrip("/"),
    )


def engine_options() -> dict[str, Any]:
    """A pool as large as IBEX's."""
    return {
        "pool_size": int(os.environ["PEER_POOL"]),
        "max_overflow": 0,
        "connect_args": {"ssl": ssl.create_default_context()},
    }
