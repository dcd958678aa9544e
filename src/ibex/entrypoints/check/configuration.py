"""Checks that need no network: the environment and what it means."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ibex.entrypoints import exit_codes
from ibex.entrypoints.check.findings import Finding, error, note, ok, warning
from ibex.settings import ConfigurationError, Settings

# For closing the pool and ending the process, after the last request.
DRAINING_MARGIN_SECONDS = 5

_VARIABLE_IDS = tuple(f"IBEX-E{number}" for number in range(101, 113))
_SOURCE_IDS = tuple(f"IBEX-E{number}" for number in range(113, 117))


def check_environment(settings: Settings | None, problems: Sequence[ConfigurationError]) -> list[Finding]:
    """The checks `configuration`, `variable` and `settings`, and with sound settings `railway`."""
    findings = [_of(problem) for problem in problems]
    failed = {finding.check for finding in findings}
    if "configuration" not in failed:
        findings.append(
            ok(
                "configuration",
                "DATABASE_URL is the only source: no .env file, no PG* or UVICORN_* variables.",
            )
        )
    if "variable" not in failed:
        findings.append(ok("variable", "DATABASE_URL is set and says where to connect without a doubt."))
    if settings is None:
        return findings
    findings.append(ok("settings", f"Every setting is in range; environment: {settings.environment}."))
    findings += _remarks(settings)
    return findings


def _of(problem: ConfigurationError) -> Finding:
    check = "settings"
    if problem.id in _VARIABLE_IDS:
        check = "variable"
    elif problem.id in _SOURCE_IDS:
        check = "configuration"
    return error(check, problem.id, problem.message, problem.fix, exit_codes.CONFIGURATION)


def _remarks(settings: Settings) -> list[Finding]:
    findings = []
    if settings.unknown_variables:
        names = ", ".join(settings.unknown_variables)
        findings.append(
            warning("settings", "IBEX-W401", f"Nobody reads {names}.", "Correct the name, or remove the variable.")
        )
    if settings.trust_store_override:
        findings.append(
            note(
                "settings",
                "IBEX-W402",
                "SSL_CERT_FILE or SSL_CERT_DIR replaces the system's certificates.",
                "Remove it, unless the platform sets it on purpose.",
            )
        )
    findings.append(_endpoint(settings))
    if settings.on_railway:
        findings.append(_draining(settings))
    return findings


def _endpoint(settings: Settings) -> Finding:
    database = settings.database
    if database.pooled:
        return warning(
            "endpoint",
            "IBEX-W404",
            "The service talks through the pooler: each statement costs more round trips.",
            "Remove IBEX_DATABASE_ENDPOINT: the service keeps a pool of its own.",
        )
    given = "pooled" if database.host_is_pooler else "direct"
    return ok("endpoint", f"The host given is {given}; the service connects to {database.endpoint_host}.")


def _draining(settings: Settings) -> Finding:
    draining = settings.railway_draining_seconds or 0
    needed = math.ceil(settings.drain_seconds + settings.shutdown_grace_seconds + DRAINING_MARGIN_SECONDS)
    if draining < needed:
        return warning(
            "railway",
            "IBEX-W409",
            f"Railway kills a replica {draining} s after SIGTERM; it may need {needed} s to finish its requests.",
            f"Set RAILWAY_DEPLOYMENT_DRAINING_SECONDS to {needed} or more.",
        )
    return ok("railway", f"Railway waits {draining} s after SIGTERM; {needed} s are needed.")
