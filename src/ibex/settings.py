"""Every environment variable that the service reads, in one frozen object. Nothing else reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from ibex.database_url import (
    ConfigurationError,
    DatabaseSettings,
    EndpointMode,
    HostRules,
    Secret,
    parse_database_url,
)

__all__ = ["VARIABLES", "ConfigurationError", "DatabaseSettings", "Secret", "Settings", "Variable", "load_settings"]

Environment = Literal["production", "sandbox"]
T = TypeVar("T")
S = TypeVar("S", bound=str)


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the settings table in docs/OPERATIONS.md. `default` is the text that means the default."""

    name: str
    type: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable(
        "DATABASE_URL", "URL", "none: required", "Neon's connection string, pooled or direct, as the console shows it"
    ),
    Variable("PORT", "integer 1..65535", "8000", "Port that the service listens on; Railway sets it"),
    Variable(
        "IBEX_ENVIRONMENT",
        "production, sandbox",
        "production",
        "`sandbox` allows a loopback database host and nothing else; refused on Railway",
    ),
    Variable(
        "IBEX_DATABASE_ENDPOINT",
        "direct, as-given, pooled",
        "direct",
        "`direct` strips `-pooler` from the host; `as-given` keeps the host; `pooled` says that it is a pooler whatever its name",
    ),
    Variable(
        "IBEX_DATABASE_HOST_SUFFIXES",
        "comma-separated names",
        "",
        "Hosts that are accepted although they are not Neon's: a full name or a suffix such as `.db.example.com`",
    ),
    Variable("IBEX_POOL_SIZE", "integer 1..200", "10", "Connections to the database that one worker may hold"),
    Variable(
        "IBEX_POOL_WAIT_SECONDS",
        "number 0.1..60",
        "5",
        "How long a request waits for a free connection before it is refused",
    ),
    Variable(
        "IBEX_CONNECT_TIMEOUT_SECONDS",
        "number 10..120",
        "15",
        "How long one attempt to connect may take, a cold start of the database included",
    ),
    Variable("IBEX_STATEMENT_TIMEOUT_SECONDS", "number 1..300", "15", "How long one statement of a request may take"),
    Variable(
        "IBEX_SHUTDOWN_GRACE_SECONDS",
        "integer 1..300",
        "20",
        "How long requests in flight may take to finish after SIGTERM",
    ),
    Variable("IBEX_WORKERS", "integer 1..64", "1", "Worker processes of one replica"),
    Variable("IBEX_HOST", "address", "0.0.0.0", "Address that the service listens on"),
    Variable("IBEX_LOG_LEVEL", "debug, info, warning, error", "info", "The lowest level that is logged"),
    Variable(
        "IBEX_METRICS_TOKEN",
        "secret, 16 characters or more",
        "none: /metrics is closed",
        "Bearer token that reads /metrics",
    ),
    Variable(
        "RAILWAY_*",
        "set by Railway",
        "",
        "Their presence means Railway: proxy headers are trusted, a sandbox is refused",
    ),
    Variable("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "integer", "0", "Compared by `ibex check` with the grace period"),
    Variable(
        "RAILWAY_GIT_COMMIT_SHA",
        "text",
        "",
        "Recorded by `ibex migrate deploy`; `IBEX_GIT_COMMIT` where there is no Railway",
    ),
    Variable("IBEX_GIT_COMMIT", "text", "", "The commit that is deployed, recorded in the ledger of migrations"),
)

_KNOWN_NAMES: Final = frozenset(variable.name for variable in VARIABLES)
_LEVELS: Final = ("debug", "info", "warning", "error")
# Names that would quietly change what asyncpg or uvicorn do; PGID is a user id of container images.
_AMBIENT_PG: Final = re.compile(r"PG[A-Z_]+\Z")
_AMBIENT_UVICORN: Final = re.compile(r"(UVICORN_.*|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS)\Z")
_ENV_FILE_EXAMPLES: Final = (".example", ".sample", ".template")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the process was told. Build it with `load_settings()`; tests use `from_environ`."""

    environment: Environment
    database: DatabaseSettings
    host: str = "0.0.0.0"  # a container listens on every interface; the platform's edge is in front
    port: int = 8000
    workers: int = 1
    pool_size: int = 10
    pool_wait_seconds: float = 5.0
    connect_timeout_seconds: float = 15.0
    statement_timeout_seconds: float = 15.0
    shutdown_grace_seconds: int = 20
    log_level: str = "info"
    metrics_token: Secret | None = None
    on_railway: bool = False
    railway_draining_seconds: int | None = None
    replica_id: str = ""
    git_commit: str = ""
    host_suffixes: tuple[str, ...] = ()
    unknown_variables: tuple[str, ...] = ()
    trust_store_override: bool = False

    @property
    def trust_proxy_headers(self) -> bool:
        """Only Railway's edge sets X-Real-IP and X-Forwarded-*; anywhere else a client could."""
        return self.on_railway

    @property
    def is_sandbox(self) -> bool:
        """True for the disposable database of development."""
        return self.environment == "sandbox"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, cwd: Path) -> Settings:
        """Read and check everything. Raises the first ConfigurationError (IBEX-E1xx)."""
        settings, problems = read_environ(environ, cwd=cwd)
        if settings is None:
            raise problems[0]
        return settings


def load_settings() -> Settings:
    """The settings of this process: the only place that reads os.environ."""
    return Settings.from_environ(os.environ, cwd=Path.cwd())


def load_settings_and_problems() -> tuple[Settings | None, list[ConfigurationError]]:
    """Like `load_settings`, for `ibex check`: all problems at once instead of the first."""
    return read_environ(os.environ, cwd=Path.cwd())


def read_environ(environ: Mapping[str, str], *, cwd: Path) -> tuple[Settings | None, list[ConfigurationError]]:
    """The settings, or None and every problem that was found."""
    reader = _Reader(environ)
    reader.problems.extend(_ambient_problems(environ, cwd))
    on_railway = any(name.startswith("RAILWAY_") for name in environ)
    environment: Environment = reader.choice("IBEX_ENVIRONMENT", ("production", "sandbox"), "production", "IBEX-E117")
    if environment == "sandbox" and on_railway:
        reader.problems.append(
            ConfigurationError(
                "IBEX-E118",
                "IBEX_ENVIRONMENT is sandbox, but this is Railway.",
                "Remove IBEX_ENVIRONMENT from the service's variables.",
            )
        )
    none_named: tuple[str, ...] = ()
    suffixes = reader.attempt(lambda: _host_suffixes(environ.get("IBEX_DATABASE_HOST_SUFFIXES", "")), none_named)
    endpoint: EndpointMode = reader.choice("IBEX_DATABASE_ENDPOINT", ("direct", "as-given", "pooled"), "direct")
    rules = HostRules(suffixes=suffixes, allow_loopback=environment == "sandbox")
    database = reader.attempt(lambda: _database(environ, rules, endpoint), None)
    values = _plain_values(reader)
    if reader.problems or database is None:
        return None, reader.problems
    return Settings(
        environment=environment,
        database=database,
        on_railway=on_railway,
        host_suffixes=suffixes,
        replica_id=environ.get("RAILWAY_REPLICA_ID", ""),
        git_commit=environ.get("RAILWAY_GIT_COMMIT_SHA", "") or environ.get("IBEX_GIT_COMMIT", ""),
        unknown_variables=tuple(sorted(n for n in environ if n.startswith("IBEX_") and n not in _KNOWN_NAMES)),
        trust_store_override=any(environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")),
        **values,
    ), []


def _plain_values(reader: _Reader) -> dict[str, Any]:
    draining = reader.environ.get("RAILWAY_DEPLOYMENT_DRAINING_SECONDS")
    return {
        "host": reader.environ.get("IBEX_HOST") or "0.0.0.0",
        "port": reader.integer("PORT", 8000, 1, 65535),
        "workers": reader.integer("IBEX_WORKERS", 1, 1, 64),
        "pool_size": reader.integer("IBEX_POOL_SIZE", 10, 1, 200),
        "pool_wait_seconds": reader.number("IBEX_POOL_WAIT_SECONDS", 5.0, 0.1, 60),
        "connect_timeout_seconds": reader.number("IBEX_CONNECT_TIMEOUT_SECONDS", 15.0, 10, 120),
        "statement_timeout_seconds": reader.number("IBEX_STATEMENT_TIMEOUT_SECONDS", 15.0, 1, 300),
        "shutdown_grace_seconds": reader.integer("IBEX_SHUTDOWN_GRACE_SECONDS", 20, 1, 300),
        "log_level": reader.choice("IBEX_LOG_LEVEL", _LEVELS, "info"),
        "metrics_token": reader.attempt(lambda: _metrics_token(reader.environ.get("IBEX_METRICS_TOKEN", "")), None),
        "railway_draining_seconds": int(draining) if draining and draining.isdigit() else None,
    }


class _Reader:
    """Reads single variables and collects the problems instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[ConfigurationError] = []

    def attempt(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except ConfigurationError as problem:
            self.problems.append(problem)
            return otherwise

    def choice(self, name: str, allowed: tuple[S, ...], default: S, id: str = "IBEX-E120") -> S:
        raw = self.environ.get(name, "") or default
        for value in allowed:
            if raw == value:
                return value
        self.problems.append(
            ConfigurationError(id, f"{name} is none of {', '.join(allowed)}.", f"Set one of them, or remove {name}.")
        )
        return default

    def number(self, name: str, default: float, low: float, high: float) -> float:
        raw = self.environ.get(name, "")
        if not raw:
            return default
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", raw) and low <= float(raw) <= high:
            return float(raw)
        self.problems.append(_not_a_number(name, "number", low, high))
        return default

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        raw = self.environ.get(name, "")
        if not raw:
            return default
        if re.fullmatch(r"[0-9]{1,6}", raw) and low <= int(raw) <= high:
            return int(raw)
        self.problems.append(_not_a_number(name, "whole number", low, high))
        return default


def _not_a_number(name: str, kind: str, low: float, high: float) -> ConfigurationError:
    return ConfigurationError(
        "IBEX-E120", f"{name} is not a {kind} from {low:g} to {high:g}.", f"Correct it, or remove {name}."
    )


def _ambient_problems(environ: Mapping[str, str], cwd: Path) -> list[ConfigurationError]:
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


def _database(environ: Mapping[str, str], rules: HostRules, endpoint: EndpointMode) -> DatabaseSettings:
    raw = environ.get("DATABASE_URL")
    if raw is None:
        others = sorted(
            name
            for name in environ
            if re.fullmatch(r"(POSTGRES|PG|NEON|DATABASE|DB)_?\w*UR[LI]", name) and environ[name]
        )
        hint = f" {others[0]} is set, but it is not read." if others else ""
        raise ConfigurationError(
            "IBEX-E101", "DATABASE_URL is not set." + hint, "Set it to the connection string that Neon's console shows."
        )
    return parse_database_url(raw, rules, endpoint)


def _host_suffixes(raw: str) -> tuple[str, ...]:
    suffixes = tuple(part.strip().lower() for part in raw.split(",") if part.strip())
    for suffix in suffixes:
        if not re.fullmatch(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)+", suffix) or suffix.replace(".", "").isdigit():
            raise ConfigurationError(
                "IBEX-E121",
                "IBEX_DATABASE_HOST_SUFFIXES holds something that is no host name of two labels or more.",
                "Name hosts such as db.example.com or .db.example.com, separated by commas.",
            )
    return suffixes


def _metrics_token(raw: str) -> Secret | None:
    if not raw:
        return None
    if len(raw) < 16 or not raw.isprintable() or " " in raw:
        raise ConfigurationError(
            "IBEX-E122",
            "IBEX_METRICS_TOKEN is shorter than 16 characters or has a space in it.",
            "Set 32 random characters, or remove it to close /metrics.",
        )
    return Secret(raw)
