"""Lint the SQL of each revision with squawk, exactly as `ibex migrate deploy` runs it.

A finding is waived in the revision's own file, with a reason that a reviewer can weigh:

    # squawk: ignore prefer-bigint-over-int: counts edits of one row, two thousand million are enough

A waiver without a reason, for an unknown rule or for nothing is a finding itself, and so is squawk's own
comment in the SQL, because it needs no reason. Run as `python -m ibex_devtools.lint_migrations`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ibex.adapters.postgres.schema.revisions import (
    RevisionFile,
    Revisions,
    load_revisions,
    migrations_directory,
)
from ibex.entrypoints.migrate.script import one_revision

OLDEST_SERVER = "15.0"
MINIMUM_REASON_CHARACTERS = 15
_WAIVER = re.compile(r"^# squawk: ignore ([a-z0-9-]*):?[ \t]*(.*)$", re.MULTILINE)
_SILENT_WAIVER = re.compile(r"--\s*squawk-ignore", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `line` counts in the rendered SQL, which the report quotes."""

    file: str
    rule: str
    message: str
    sql: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.rule}: {self.message}" + (f"\n    {self.sql}" if self.sql else "")


def lint(revisions: Revisions) -> list[Finding]:
    """What squawk finds in every revision and nobody waived, and what is wrong with the waivers."""
    findings: list[Finding] = []
    for file in revisions.files:
        findings += lint_revision(file, one_revision(revisions, file))
    return findings


def lint_revision(file: RevisionFile, script: str) -> list[Finding]:
    """The findings of one revision."""
    text = file.path.read_text(encoding="utf-8")
    waivers = dict(_WAIVER.findall(text))
    found = _squawk(file, script)
    findings = [finding for finding in found if finding.rule not in waivers]
    for rule, reason in waivers.items():
        if len(reason.strip()) < MINIMUM_REASON_CHARACTERS:
            findings.append(Finding(file.path.name, rule or "waiver", "the waiver gives no reason"))
        elif rule not in {finding.rule for finding in found}:
            findings.append(Finding(file.path.name, rule, "the waiver waives nothing: remove it"))
    if _SILENT_WAIVER.search(text):
        findings.append(
            Finding(file.path.name, "waiver", "write `# squawk: ignore RULE: reason` instead of squawk-ignore")
        )
    return findings


def _squawk(file: RevisionFile, script: str) -> list[Finding]:
    program = Path(sys.executable).with_name("squawk")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"{file.path.stem}.sql"
        # squawk's own comments are taken out, so that they cannot hide a finding.
        path.write_text(_SILENT_WAIVER.sub("-- (not a waiver)", script), encoding="utf-8")
        done = subprocess.run(
            [program, "--pg-version", OLDEST_SERVER, "--reporter", "json", path],
            capture_output=True,
            text=True,
            cwd=directory,  # no configuration file is read from the checkout
            check=False,
        )
    if not done.stdout.strip():
        if done.returncode == 0:
            return []
        raise RuntimeError(f"squawk failed: {done.stderr.strip()}")
    lines = script.splitlines()
    return [
        Finding(file.path.name, entry["rule_name"], entry["message"], lines[entry["line"]].strip())
        for entry in json.loads(done.stdout)
    ]


def main() -> int:
    """Print the findings; 1 when there are any."""
    findings = lint(load_revisions(migrations_directory()))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
