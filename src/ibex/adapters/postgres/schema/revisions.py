"""The revision files of the code: one straight line, read without running them."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibex


class RevisionFilesError(Exception):
    """The files do not make one straight line (several heads, a missing parent, a duplicate). `id` is
    IBEX-E309."""

    id = "IBEX-E309"

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFile:
    """One file of `migrations/versions`. `sha256` is over the text with LF line ends, so that a checkout
    with CRLF is no edit. Non-transactional revisions say `TRANSACTIONAL = False`."""

    revision: str
    down_revision: str | None
    title: str
    path: Path
    sha256: str
    transactional: bool = True


@dataclass(frozen=True, slots=True)
class Revisions:
    """All revisions, oldest first."""

    directory: Path
    files: tuple[RevisionFile, ...]

    @property
    def head(self) -> str | None:
        """The newest revision; None when there is no file."""
        return self.files[-1].revision if self.files else None

    @property
    def sha256(self) -> str:
        """A digest of all files, by which a fingerprint knows what it was made from."""
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()

    @property
    def names(self) -> tuple[str, ...]:
        """The identifiers, oldest first."""
        return tuple(file.revision for file in self.files)

    def get(self, revision: str) -> RevisionFile | None:
        """The file of one revision, or None."""
        return next((file for file in self.files if file.revision == revision), None)


def migrations_directory() -> Path:
    """`ibex/_migrations` in an installed wheel, `migrations/` in a source checkout."""
    package = Path(ibex.__file__).resolve().parent
    for candidate in (package / "_migrations", package.parents[1] / "migrations"):
        if (candidate / "env.py").is_file():
            return candidate
    raise RevisionFilesError("The migrations are not where they belong.", "Install the service again from its wheel.")


def is_source_checkout(directory: Path) -> bool:
    """True where the directory belongs to a working copy, not to an installed wheel."""
    return directory.name == "migrations" and (directory.parent / "pyproject.toml").is_file()


def load_revisions(directory: Path) -> Revisions:
    """Read `directory/versions/*.py`. Raises RevisionFilesError."""
    files: dict[str, RevisionFile] = {}
    for path in sorted((directory / "versions").glob("*.py")):
        if path.name.startswith("_"):
            continue
        file = _read(path)
        if file.revision in files:
            raise RevisionFilesError(
                f"Two files are {file.revision}: {files[file.revision].path.name} and {path.name}.",
                "Give the newer one the next number.",
            )
        files[file.revision] = file
    return Revisions(directory, _in_order(files))


def _read(path: Path) -> RevisionFile:
    text = path.read_bytes().replace(b"\r\n", b"\n")
    try:
        values = _constants(ast.parse(text))
    except SyntaxError as error:
        raise RevisionFilesError(f"{path.name} is not Python: line {error.lineno}.", "Correct the file.") from None
    revision, down = values.get("revision"), values.get("down_revision")
    if not isinstance(revision, str) or not (down is None or isinstance(down, str)) or "down_revision" not in values:
        raise RevisionFilesError(
            f"{path.name} has no single revision and down_revision.",
            "Write both as plain strings; merges are not used.",
        )
    title = str(values.get("__doc__", "")).strip().split("\n", 1)[0]
    return RevisionFile(
        revision=revision,
        down_revision=down,
        title=title,
        path=path,
        sha256=hashlib.sha256(text).hexdigest(),
        transactional=values.get("TRANSACTIONAL", True) is not False,
    )


def _constants(module: ast.Module) -> dict[str, Any]:
    values: dict[str, Any] = {"__doc__": ast.get_docstring(module) or ""}
    for node in module.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name):
            try:
                values[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return values


def _in_order(files: dict[str, RevisionFile]) -> tuple[RevisionFile, ...]:
    children: dict[str | None, list[RevisionFile]] = {}
    for file in files.values():
        if file.down_revision is not None and file.down_revision not in files:
            raise RevisionFilesError(
                f"{file.path.name} follows {file.down_revision}, which is missing.",
                "Restore the missing file.",
            )
        children.setdefault(file.down_revision, []).append(file)
    ordered: list[RevisionFile] = []
    parent: str | None = None
    while following := children.pop(parent, []):
        if len(following) > 1:
            names = ", ".join(file.path.name for file in following)
            raise RevisionFilesError(
                f"Several heads: {names} all follow {parent or 'nothing'}.",
                "Let one follow the other by its down_revision.",
            )
        ordered.append(following[0])
        parent = following[0].revision
    if children:
        raise RevisionFilesError("The revisions go round in a circle.", "Correct the down_revision of the newest.")
    return tuple(ordered)
