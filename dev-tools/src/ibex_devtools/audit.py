"""`make audit`: known vulnerabilities of what is shipped, and secrets in what is tracked.

Vulnerabilities come from pip-audit over the locked production dependencies. Where the advisory service cannot be
reached nothing is known, which is said and is no failure; what it does find is. Secrets are looked for by
detect-secrets in every tracked file, and our own tokens by their checksum, so that an example of one is no finding.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from ibex.domain.identity.secrets import is_well_formed

# Detectors of things with a shape of their own. Those that go by entropy or by the word "password" take every digest
# and every test for a secret.
DETECTORS: Final = (
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
)
OUR_TOKEN: Final = re.compile(r"ibex_live_[0-9A-Za-z]{49}")
# Bad and good URLs are what these are about; none of their passwords opens anything.
NO_SECRETS_IN: Final = ("tests/", "docs/", "uv.lock")
TIMEOUT_SECONDS: Final = 300


def tracked_files(root: Path) -> list[Path]:
    """Every file that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True)
    return [root / name for name in listed.stdout.split("\0") if name]


def secrets_in(files: Iterable[Path], root: Path) -> list[str]:
    """``file:line: what`` for each secret found."""
    found = []
    with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}):
        for path in files:
            name = str(path.relative_to(root))
            if not path.is_file():
                continue
            if not name.startswith(NO_SECRETS_IN):
                found += [f"{name}:{hit.line_number}: {hit.type}" for hit in scan_file(str(path))]
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
                if any(is_well_formed(token) for token in OUR_TOKEN.findall(line)):
                    found.append(f"{name}:{number}: a token of ours")
    return found


def vulnerabilities(report: str) -> tuple[list[str], int, int]:
    """From pip-audit's JSON: what was found, how many were looked up, and how many could not be."""
    dependencies = json.loads(report)["dependencies"]
    skipped = [each for each in dependencies if "skip_reason" in each]
    found = [
        f"{each['name']} {each['version']}: {hit['id']}, fixed in {', '.join(hit['fix_versions']) or 'nothing yet'}"
        for each in dependencies
        for hit in each.get("vulns", ())
    ]
    return found, len(dependencies) - len(skipped), len(skipped)


def audit_dependencies(root: Path) -> list[str]:
    """What is known against the locked production dependencies."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        export = ["uv", "export", "-q", "--locked", "--no-dev", "--no-emit-project", "--no-hashes"]
        locked = subprocess.run(export, cwd=root, capture_output=True, check=True, text=True)
        requirements.write(locked.stdout)
        requirements.flush()
        command = [sys.executable, "-m", "pip_audit", "-r", requirements.name, "--no-deps", "--disable-pip"]
        ran = subprocess.run(
            [*command, "-f", "json", "--progress-spinner", "off"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    if not ran.stdout.strip():
        print("Dependencies: NOT AUDITED, the advisory service cannot be reached from here.")
        return []
    found, looked_up, skipped = vulnerabilities(ran.stdout)
    note = f", {skipped} could not be looked up from here" if skipped else ""
    print(f"Dependencies: {looked_up} looked up{note}, {len(found)} with a known vulnerability.")
    return found


def main() -> int:
    """Exit code 1 with findings."""
    root = Path.cwd()
    files = tracked_files(root)
    secrets = secrets_in(files, root)
    print(f"Secrets: {len(files)} tracked files, {len(secrets)} found.")
    findings = [*secrets, *audit_dependencies(root)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
