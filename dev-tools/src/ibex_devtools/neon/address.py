"""How clients reach a stand-in."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ibex_devtools.neon.names import DOMAIN, child_variables
from ibex_devtools.sandbox import Cluster

ENDPOINT: Final = "ep-test-123"


def host_name(*, pooled: bool = False) -> str:
    """The direct or the pooled host name."""
    return f"{ENDPOINT}{'-pooler' if pooled else ''}.{DOMAIN}"


class Address:
    """URLs, variables and arguments for the clients of a stand-in before `cluster`."""

    cluster: Cluster
    port: int  # on the loopback address
    trust_file: str  # the authorities to trust: what the sandbox trusts, and the stand-in's own

    def url(self, database: str = "ibex", *, pooled: bool = False) -> str:
        """The owner's DATABASE_URL through the stand-in, in the form that Neon hands out."""
        parts = urlsplit(self.cluster.url(database))
        credentials = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{credentials}@{host_name(pooled=pooled)}:{self.port}"))

    def environment(
        self, database: str = "ibex", *, pooled: bool = False, base: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """`base` with all that a process needs to use `database` through the stand-in, and to find it."""
        base = base or {}
        return {
            **base,
            **self.cluster.environment(database),
            "DATABASE_URL": self.url(database, pooled=pooled),
            "SSL_CERT_FILE": self.trust_file,
            **child_variables(base),
        }

    def connect_arguments(self, database: str = "ibex", *, pooled: bool = False) -> dict[str, Any]:
        """Arguments of asyncpg.connect that verify the certificate. Use them within `local_names`."""
        parts = urlsplit(self.url(database, pooled=pooled))
        return {
            "host": parts.hostname,
            "port": parts.port,
            "user": parts.username,
            "password": parts.password,
            "database": database,
            "ssl": ssl.create_default_context(cafile=self.trust_file),
            # What was prepared on one backend does not exist on the next one that the pooler picks.
            **({"statement_cache_size": 0} if pooled else {}),
        }
