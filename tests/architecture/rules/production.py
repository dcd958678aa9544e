"""What starts the service in production does nothing that belongs to development, and is the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.violations import Violation

FOLDERS: Final = ("scripts", ".railway")
DEVELOPMENT: Final = (
    (r"migrate\s+(new|downgrade|fingerprint|stamp|revision|autogenerate|drop|reset|push|resolve)\b", "deploy alone"),
    (r"\balembic\b", "alembic alone knows neither the lock nor the ledger"),
    (r"\bibex-sandbox\b|ibex_devtools|dev-tools\b", "the sandbox is for development"),
    (r"IBEX_ENVIRONMENT|\bsandbox\b", "production is the default, and nothing says otherwise"),
    (r"--reload\b|--debug\b", "the service runs as it was built"),
    (r"--group\b|--dev\b|--all-groups\b|\bmake\s+\w+", "development's tools are not installed here"),
    (r"(?<!\w)\.env\b|dotenv", "no file sets the environment"),
    (r"uvicorn\b", "`ibex serve` sets what must not be left at its default"),
    (r"\bcreate_all\b|\bpsql\b", "migrations alone change the schema"),
)
# A step of a start script: `ibex check --before-deploy`, however the shell writes it.
_STEP: Final = re.compile(r"^\s*(?:exec\s+|&\s*|Invoke-Step\s+)?ibex\s+(?P<step>[a-z][a-z -]*[a-z])", re.MULTILINE)


def development_verbs(root: Path) -> Iterator[Violation]:
    """Words of development in what runs in production. Comments are read too: they are where habits begin."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file():
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                for pattern, reason in DEVELOPMENT:
                    found = re.search(pattern, line)
                    if found:
                        name = path.relative_to(root).as_posix()
                        yield Violation(name, number, "no-development", f"{found.group()}: {reason}")


def steps(script: Path) -> list[str]:
    """What a start script runs, in order: ["check", "migrate deploy", "serve"]."""
    return [match["step"] for match in _STEP.finditer(script.read_text(encoding="utf-8"))]


def unequal_scripts(root: Path) -> Iterator[Violation]:
    """The two start scripts, if their steps are not the same three."""
    shell, power = root / "scripts/start-production.sh", root / "scripts/start-production.ps1"
    for script in (shell, power):
        found = steps(script)
        if [step.split(" --")[0] for step in found] != ["check", "migrate deploy", "serve"]:
            name = script.relative_to(root).as_posix()
            yield Violation(name, 1, "same-steps", f"runs {found} instead of check, migrate deploy, serve")
    if steps(shell) != steps(power):
        reason = f"runs {steps(power)}, start-production.sh runs {steps(shell)}"
        yield Violation("scripts/start-production.ps1", 1, "same-steps", reason)
    last = [line for line in shell.read_text(encoding="utf-8").splitlines() if line.strip()][-1]
    if not last.startswith("exec "):
        reason = "does not end with exec, so SIGTERM would end the shell and nothing would be drained"
        yield Violation("scripts/start-production.sh", 1, "same-steps", reason)
