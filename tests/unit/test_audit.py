"""The audit of secrets and dependencies bites."""

from __future__ import annotations

import json
from pathlib import Path

from ibex.domain.identity.secrets import compose_secret
from ibex_devtools.audit import secrets_in, vulnerabilities


def test_secrets_are_found_by_file_and_line(tmp_path: Path) -> None:
    key = tmp_path / "key.py"
    key.write_text("x = 1\nkey = '-----BEGIN RSA " + "PRIVATE KEY-----'\n")
    token = tmp_path / "tests" / "token.py"
    token.parent.mkdir()
    token.write_text(f"t = '{compose_secret(bytes(32))}'\n")
    assert secrets_in([key, token], tmp_path) == ["key.py:2: Private Key", "tests/token.py:1: a token of ours"]


def test_an_example_of_a_token_is_no_secret(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Authorization: Bearer ibex_live_" + "x" * 49)
    assert secrets_in([page], tmp_path) == []


def test_a_known_vulnerability_is_a_finding_and_an_unknown_dependency_is_counted() -> None:
    report = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]},
            {"name": "b", "version": "1", "vulns": []},
            {"name": "c", "skip_reason": "not found"},
        ]
    }
    assert vulnerabilities(json.dumps(report)) == (["a 1: PYSEC-1, fixed in 2"], 2, 1)
