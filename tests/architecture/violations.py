"""What a rule of the architecture finds: a file, a line, the rule and the reason for it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One place that breaks a rule. `file` is relative to the root that was looked at."""

    file: str
    line: int
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file that was read and parsed."""

    file: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    """Every node of the tree, outer ones first."""

    @property
    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call, with the dotted name of what is called."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, dotted(node.func)

    def violation(self, node: ast.AST, rule: str, reason: str) -> Violation:
        """That `node` breaks `rule`."""
        return Violation(self.file, getattr(node, "lineno", 1), rule, reason)


def assert_none(violations: Iterable[Violation]) -> None:
    """Fails with one line for each violation."""
    found = sorted(violations)
    assert not found, "\n" + "\n".join(str(violation) for violation in found)


def python_sources(root: Path, *folders: str) -> Iterator[Source]:
    """Every Python file below the folders of `root`, in a fixed order."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            yield Source(path.relative_to(root).as_posix(), text, *_parsed(text))


@lru_cache(maxsize=2000)
def _parsed(text: str) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """Several rules read the same files, and none changes a tree."""
    tree = ast.parse(text)
    return tree, tuple(ast.walk(tree))


def text_files(root: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every file that git tracks or would: what is ignored is left out, and so is what is no text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    for name in sorted(set(listed.stdout.decode().split("\0"))):
        path = root / name
        if name and path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if b"\0" not in data:
                yield name, data.decode("utf-8", errors="replace")


def dotted(node: ast.AST) -> str:
    """`a.b.c` for an attribute of an attribute of a name; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def imported(node: ast.AST) -> list[str]:
    """The full names that an import statement brings in; [] for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []
