"""Every environment variable that the service reads, in one frozen object. Nothing else reads the
environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ibex.environment.ambient import ambient_problems
from ibex.environment.database_url import parse_database_url
from ibex.environment.hosts import HostRules
from ibex.environment.reader import Reader
from ibex.environment.values import ConfigurationError, DatabaseSettings, EndpointMode, Secret
from ibex.environment.variables import KNOWN_NAMES, VARIABLES, Variable

__all__ = [
    "VARIABLES",
    "ConfigurationError",
    "DatabaseSettings",
    "Secret",
    "Settings",
    "Variable",
    "load_settings",
    "redact",
]

Environment = Literal["production", "sandbox"]


_LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the process was told. Build it with `load_settings()`; tests use `from_environ`."""

    environment: Environment
    database: DatabaseSettings
    host: str = "0.0.0.0"  # a container listens on every interface; the platform's edge is in front
    port: int = 8000
    workers: int = 1
    replicas: int = 1
    pool_size: int = 10
    pool_wait_seconds: float = 5.0
    connect_timeout_seconds: float = 15.0
    statement_timeout_seconds: float = 15.0
    lock_timeout_seconds: float = 5.0
    shutdown_grace_seconds: int = 20
    drain_seconds: float = 2.0
    max_in_flight: int = 160
    rate_limit_per_second: int = 1000
    log_level: str = "info"
    metrics_token: Secret | None = None
    tracing: bool = False
    on_railway: bool = False
    railway_draining_seconds: int | None = None
    replica_id: str = ""
    git_commit: str = ""
    host_suffixes: tuple[str, ...] = ()
    unknown_variables: tuple[str, ...] = ()
    trust_store_override: bool = False
    webhook_loopback: bool = False

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


def is_deployed() -> bool:
    """True where a production service may be: on Railway, or with a DATABASE_URL outside a sandbox."""
    railway = any(name.startswith("RAILWAY_") for name in os.environ)
    return railway or ("DATABASE_URL" in os.environ and os.environ.get("IBEX_ENVIRONMENT") != "sandbox")


def redact(text: str) -> str:
    """`text` without the DATABASE_URL and the password of this process, for tracebacks of defects."""
    raw = os.environ.get("DATABASE_URL", "")
    text = text.replace(raw, "**********") if len(raw) >= 4 else text
    settings, _ = load_settings_and_problems()
    return settings.database.redact(text) if settings else text


def read_environ(environ: Mapping[str, str], *, cwd: Path) -> tuple[Settings | None, list[ConfigurationError]]:
    """The settings, or None and every problem that was found."""
    reader = Reader(environ)
    reader.problems.extend(ambient_problems(environ, cwd))
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
    loopback = reader.choice("IBEX_WEBHOOK_LOOPBACK", ("refused", "allowed"), "refused") == "allowed"
    if loopback and environment != "sandbox":
        reader.problems.append(
            ConfigurationError(
                "IBEX-E123",
                "IBEX_WEBHOOK_LOOPBACK is allowed, but this is no sandbox.",
                "Remove IBEX_WEBHOOK_LOOPBACK: webhooks go to public addresses only.",
            )
        )
    none_named: tuple[str, ...] = ()
    suffixes = reader.attempt(lambda: _host_suffixes(environ.get("IBEX_DATABASE_HOST_SUFFIXES", "")), none_named)
    endpoint: EndpointMode = reader.choice("IBEX_DATABASE_ENDPOINT", ("direct", "as-given", "pooled"), "direct")
    rules = HostRules(suffixes=suffixes, allow_loopback=environment == "sandbox")
    database = reader.attempt(lambda: _database(environ, rules, endpoint), None)
    # A development server is for this machine alone, unless somebody says otherwise.
    values = _plain_values(reader, default_host="127.0.0.1" if environment == "sandbox" else "0.0.0.0")
    if reader.problems or database is None:
        return None, reader.problems
    return Settings(
        environment=environment,
        database=database,
        on_railway=on_railway,
        host_suffixes=suffixes,
        tracing=_wants_traces(environ),
        replica_id=environ.get("RAILWAY_REPLICA_ID", ""),
        git_commit=environ.get("RAILWAY_GIT_COMMIT_SHA", "") or environ.get("IBEX_GIT_COMMIT", ""),
        unknown_variables=tuple(sorted(n for n in environ if n.startswith("IBEX_") and n not in KNOWN_NAMES)),
        webhook_loopback=loopback,
        trust_store_override=any(environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")),
        **values,
    ), []


def _plain_values(reader: Reader, *, default_host: str) -> dict[str, Any]:
    draining = reader.environ.get("RAILWAY_DEPLOYMENT_DRAINING_SECONDS")
    return {
        "host": reader.environ.get("IBEX_HOST") or default_host,
        "port": reader.integer("PORT", 8000, 1, 65535),
        "workers": reader.integer("IBEX_WORKERS", 1, 1, 64),
        "replicas": reader.integer("IBEX_REPLICAS", 1, 1, 50),
        "pool_size": reader.integer("IBEX_POOL_SIZE", 10, 1, 200),
        "pool_wait_seconds": reader.number("IBEX_POOL_WAIT_SECONDS", 5.0, 0.1, 60),
        "connect_timeout_seconds": reader.number("IBEX_CONNECT_TIMEOUT_SECONDS", 15.0, 10, 120),
        "statement_timeout_seconds": reader.number("IBEX_STATEMENT_TIMEOUT_SECONDS", 15.0, 1, 300),
        "lock_timeout_seconds": reader.number("IBEX_LOCK_TIMEOUT_SECONDS", 5.0, 0.1, 60),
        "shutdown_grace_seconds": reader.integer("IBEX_SHUTDOWN_GRACE_SECONDS", 20, 1, 300),
        "drain_seconds": reader.number("IBEX_DRAIN_SECONDS", 2.0, 0, 60),
        "max_in_flight": reader.integer("IBEX_MAX_IN_FLIGHT", 160, 1, 10_000),
        "rate_limit_per_second": reader.integer("IBEX_RATE_LIMIT", 1000, 0, 100_000),
        "log_level": reader.choice("IBEX_LOG_LEVEL", _LEVELS, "info"),
        "metrics_token": reader.attempt(lambda: _metrics_token(reader.environ.get("IBEX_METRICS_TOKEN", "")), None),
        "railway_draining_seconds": int(draining) if draining and draining.isdigit() else None,
    }


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
            "IBEX-E101",
            "DATABASE_URL is not set." + hint,
            "Set it to the connection string that Neon's console shows.",
        )
    return parse_database_url(raw, rules, endpoint)


def _wants_traces(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables, which its library reads itself, ask for traces."""
    named = any(environ.get(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT") for which in ("", "TRACES_"))
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    return named and not off


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
