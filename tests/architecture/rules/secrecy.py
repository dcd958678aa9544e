"""No connection string in any file: what looks like one holds a placeholder, or is a listed case of a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.violations import Violation, text_files

# user:password@host after any scheme.
_WITH_PASSWORD: Final = re.compile(r"\b[a-z][a-z0-9+.-]*://(?P<user>[^\s:/@'\"`]*):(?P<password>[^\s@'\"`]*)@")
# libpq's other form, host=... password=..., in either order; commas would make it a call with arguments.
_LIBPQ: Final = re.compile(
    r"\bhost=[^\s,()]+(\s+\w+=[^\s,()]+)*\s+password=[^\s,()]+|\bpassword=[^\s,()]+(\s+\w+=[^\s,()]+)*\s+host=[^\s,()]+"
)
# What a reader, and a scanner of secrets, takes for a placeholder at once.
_PLACEHOLDER: Final = re.compile(r"PASSWORD|<[^>]*>|\{[^}]*\}|\*+|\.\.\.|\$\{?[A-Z_]+\}?")
# What tests write for a password: one that must appear in no output, or one that nobody could mistake for real.
_MADE_UP: Final = re.compile(r"S3cr3t\S*|p")

# Files whose strings are made up on purpose, each with the reason.
ALLOWED: Final = {
    "tests/unit/environment/": "cases of the parser of DATABASE_URL, accepted and refused; made up",
    "tests/architecture/test_": "snippets that show this very rule biting",
    "uv.lock": "addresses of packages",
}


def connection_strings(root: Path) -> Iterator[Violation]:
    """Every connection string with a password that is no placeholder, outside of the listed files."""
    for name, text in text_files(root):
        if any(name.startswith(prefix) for prefix in ALLOWED):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) < 10_000 and _is_secret(line, name.startswith("tests/")):  # longer lines are minified scripts
                yield Violation(
                    name,
                    number,
                    "no-connection-strings",
                    "a connection string with a password; write PASSWORD in its place, and set DATABASE_URL",
                )


def _is_secret(line: str, of_a_test: bool) -> bool:
    for match in _WITH_PASSWORD.finditer(line):
        password = match["password"]
        if not _PLACEHOLDER.fullmatch(password) and not (of_a_test and _MADE_UP.fullmatch(password)):
            return True
    libpq = _LIBPQ.search(line)
    return bool(libpq and not _PLACEHOLDER.search(libpq.group()))
