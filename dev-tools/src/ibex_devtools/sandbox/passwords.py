"""The passwords of a server whose files are kept, next to them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ibex_devtools.sandbox.account import SetupError

_FILE = "passwords.json"


def write_secret(path: Path, text: str) -> None:
    """Write a new file that its owner alone can read. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def write_passwords(root: Path, owner: str, administrator: str) -> None:
    """Keep the passwords for the next run: from now on `root` is a server that can be opened again."""
    write_secret(root / _FILE, json.dumps([owner, administrator]))


def read_passwords(root: Path) -> tuple[str, str] | None:
    """The owner's and the administrator's password of a kept server; None when there is none yet."""
    try:
        owner, administrator = json.loads((root / _FILE).read_text())
    except FileNotFoundError:
        return None
    return owner, administrator


def refuse_foreign(directory: Path) -> None:
    """Raise SetupError if `directory` holds anything but a kept server: files would be mixed up."""
    if any(directory.iterdir()) and not (directory / _FILE).is_file():
        raise SetupError(f"{directory} is neither empty nor kept by a sandbox")
