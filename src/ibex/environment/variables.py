"""The table of every variable: docs/OPERATIONS.md is tested against it, misspelled names are found by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Variable:
    """One row of the settings table in docs/OPERATIONS.md. `default` is the text that means the default."""

    name: str
    type: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable(
        "DATABASE_URL",
        "URL",
        "none: required",
        "Neon's connection string, pooled or direct, as the console shows it",
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
        "`direct` strips `-pooler` from the host, `as-given` keeps it, `pooled` says that it is a pooler",
    ),
    Variable(
        "IBEX_DATABASE_HOST_SUFFIXES",
        "comma-separated names",
        "",
        "Hosts accepted although they are not Neon's: a full name or a suffix such as `.db.example.com`",
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
    Variable(
        "IBEX_STATEMENT_TIMEOUT_SECONDS",
        "number 1..300",
        "15",
        "How long one statement of a request may take",
    ),
    Variable(
        "IBEX_LOCK_TIMEOUT_SECONDS",
        "number 0.1..60",
        "5",
        "How long a statement of a request may wait for a row that another one has locked",
    ),
    Variable(
        "IBEX_SHUTDOWN_GRACE_SECONDS",
        "integer 1..300",
        "20",
        "How long requests in flight may take to finish after SIGTERM",
    ),
    Variable("IBEX_WORKERS", "integer 1..64", "1", "Worker processes of one replica"),
    Variable("IBEX_REPLICAS", "integer 1..50", "1", "Replicas of the service, for the connection budget"),
    Variable(
        "IBEX_DRAIN_SECONDS",
        "number 0..60",
        "2",
        "How long the service still accepts requests after SIGTERM, while it says that it is not ready",
    ),
    Variable(
        "IBEX_MAX_IN_FLIGHT",
        "integer 1..10000",
        "160",
        "Requests that one worker works on at once; more are refused at once with 503",
    ),
    Variable(
        "IBEX_RATE_LIMIT",
        "integer 0..100000",
        "1000",
        "Requests a second that one token may make of one worker, twice as many at once; 0 limits nothing",
    ),
    Variable("IBEX_HOST", "address", "0.0.0.0; 127.0.0.1 in the sandbox", "Address that the service listens on"),
    Variable("IBEX_LOG_LEVEL", "debug, info, warning, error", "info", "The lowest level that is logged"),
    Variable(
        "IBEX_METRICS_TOKEN",
        "secret, 16 characters or more",
        "none: /metrics is closed",
        "Bearer token that reads /metrics",
    ),
    Variable(
        "OTEL_*",
        "OpenTelemetry's own",
        "",
        "`OTEL_EXPORTER_OTLP_ENDPOINT` turns traces on, where the extra `otel` is installed",
    ),
    Variable(
        "RAILWAY_*",
        "set by Railway",
        "",
        "Their presence means Railway: proxy headers are trusted, a sandbox is refused",
    ),
    Variable(
        "RAILWAY_DEPLOYMENT_DRAINING_SECONDS",
        "integer",
        "0",
        "Compared by `ibex check` with the grace period",
    ),
    Variable(
        "RAILWAY_GIT_COMMIT_SHA",
        "text",
        "",
        "Recorded by `ibex migrate deploy`; `IBEX_GIT_COMMIT` where there is no Railway",
    ),
    Variable(
        "IBEX_WEBHOOK_LOOPBACK",
        "refused, allowed",
        "refused",
        "`allowed` lets webhooks go to this machine, by plain HTTP too: for tests, and in a sandbox alone",
    ),
    Variable("IBEX_GIT_COMMIT", "text", "", "The commit that is deployed, recorded in the ledger of migrations"),
)

KNOWN_NAMES: Final = frozenset(variable.name for variable in VARIABLES)
