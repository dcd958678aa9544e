"""Lints changed copies of the package, one after another: `python lint_trees.py TREE < cases.json > results.json`.

A process of its own, because the linter finds the package by importing it by name, and here the real one is loaded.
A case is [contract id, file, line to append]; its result is [kept, what the linter said].
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import importlinter.cli  # noqa: F401 (it configures the linter)
from importlinter.application import use_cases
from importlinter.application.output import console


def main() -> None:
    """Each case on a tree that is whole but for its one line."""
    tree = Path(sys.argv[1])
    sys.path.insert(0, str(tree / "src"))
    results = []
    for contract, name, line in json.load(sys.stdin):
        path = tree / name
        before = path.read_text(encoding="utf-8") if path.exists() else None
        path.write_text((before or "") + line + "\n", encoding="utf-8")
        importlib.invalidate_caches()
        with console.capture() as said:
            kept = use_cases.lint_imports(
                config_filename=str(tree / "pyproject.toml"),
                limit_to_contracts=(contract,) if contract else (),
                cache_dir=None,
                no_logo=True,
            )
        results.append([kept, said.get()])
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
