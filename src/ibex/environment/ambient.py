"""Files and variables that would quietly change how the driver or the server behave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ibex.environment.values import ConfigurationError

# Names that would quietly change what asyncpg or uvicorn do; PGID is a user id of container images.
_AMBIENT_PG: Final = re.compile(r"PG[A-Z][A-Z_]*\Z")
_AMBIENT_UVICORN: Final = re.compile(r"(UVICORN_.*|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS)\Z")
_ENV_FILE_EXAMPLES: Final = (".example", ".sample", ".template")


def ambient_problems(environ: Mapping[str, str], cwd: Path) -> list[ConfigurationError]:
    problems = []
    files = sorted(p.name for p in cwd.glob(".env*") if p.name == ".env" or p.name.startswith(".env."))
    if any(not name.endswith(_ENV_FILE_EXAMPLES) for name in files):
        problems.append(
            ConfigurationError(
                "IBEX-E113",
                "There is a .env file in the working directory.",
                "Move the values to the variables of the service and delete the file: nothing here reads it.",
            )
        )
    pg = sorted(name for name in environ if _AMBIENT_PG.match(name) and name != "PGID")
    if pg:
        problems.append(
            ConfigurationError(
                "IBEX-E114",
                f"Variables of another PostgreSQL client are set: {', '.join(pg)}.",
                "Remove them: only DATABASE_URL counts.",
            )
        )
    uvicorn = sorted(name for name in environ if _AMBIENT_UVICORN.match(name))
    if uvicorn:
        problems.append(
            ConfigurationError(
                "IBEX-E115",
                f"Variables that uvicorn would read are set: {', '.join(uvicorn)}.",
                "Remove them and use the IBEX_ variables, e.g. IBEX_WORKERS.",
            )
        )
    if environ.get("SSLKEYLOGFILE"):
        problems.append(
            ConfigurationError(
                "IBEX-E116",
                "SSLKEYLOGFILE is set: the keys of every TLS session would be written to a file.",
                "Remove it.",
            )
        )
    return problems
