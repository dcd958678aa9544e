"""What a check found, and the exit code that follows from all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ibex.entrypoints import exit_codes

Level = Literal["ok", "note", "warning", "error", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report. `check` names what was looked at, `id` is stable and None where all is well."""

    check: str
    level: Level
    message: str
    id: str | None = None
    fix: str | None = None
    exit_code: int = exit_codes.FINDINGS


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check=check, level="ok", message=message)


def note(check: str, id: str, message: str, fix: str | None = None) -> Finding:
    """Worth knowing; never fails a deploy."""
    return Finding(check=check, level="note", message=message, id=id, fix=fix)


def warning(check: str, id: str, message: str, fix: str) -> Finding:
    """Fails with --deploy only."""
    return Finding(check=check, level="warning", message=message, id=id, fix=fix)


def error(check: str, id: str, message: str, fix: str, exit_code: int = exit_codes.FINDINGS) -> Finding:
    """Fails."""
    return Finding(check=check, level="error", message=message, id=id, fix=fix, exit_code=exit_code)


def skipped(check: str, message: str) -> Finding:
    """Not looked at, because an earlier check failed."""
    return Finding(check=check, level="skipped", message=message)


def exit_code(findings: Iterable[Finding], *, deploy: bool) -> int:
    """78 before 69 before 75 before 1: the first thing to repair decides."""
    found = list(findings)
    codes = {finding.exit_code for finding in found if finding.level == "error"}
    for code in (exit_codes.CONFIGURATION, exit_codes.UNAVAILABLE, exit_codes.TRY_AGAIN, exit_codes.FINDINGS):
        if code in codes:
            return code
    if deploy and any(finding.level == "warning" for finding in found):
        return exit_codes.FINDINGS
    return exit_codes.OK
