"""The core decides; it does not look at the clock, roll dice, make ids, print, or count money in floats."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.violations import Source, Violation, imported, python_sources

RULE: Final = "pure-core"
FOLDER: Final = "src/ibex/domain"

# Of the standard library, what reaches out of the process or differs from run to run.
IMPURE_MODULES: Final = {
    "asyncio": "waiting is the adapters' business",
    "io": "the core reads and writes no files",
    "logging": "what happened is told by audit entries and events",
    "os": "the core knows no environment",
    "pathlib": "the core reads and writes no files",
    "random": "chance comes through a port",
    "secrets": "chance comes through a port",
    "socket": "the core knows no network",
    "sqlite3": "the core knows no database",
    "subprocess": "the core starts no processes",
    "sys": "the core knows no process",
    "tempfile": "the core reads and writes no files",
    "threading": "the core holds no locks: the database does",
    "time": "time comes through the clock port",
}
_CLOCKS: Final = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.monotonic")
_IDS: Final = ("uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8", "getnode")
_EFFECTS: Final = ("print", "open", "input", "breakpoint", "exec", "eval")


def impure_core(root: Path) -> Iterator[Violation]:
    """Everything in the core that is not a decision on values."""
    for source in python_sources(root, FOLDER):
        for node in source.nodes:
            yield from _imports(source, node)
            yield from _floats(source, node)
        for call, name in source.calls:
            if name.endswith(_CLOCKS):
                yield source.violation(call, RULE, f"{name}() reads the clock; time comes through the clock port")
            elif name.rpartition(".")[2] in _IDS:
                yield source.violation(call, RULE, f"{name}() makes an id; ids come through the id port")
            elif name in _EFFECTS:
                yield source.violation(call, RULE, f"{name}() reaches out of the core")


def _imports(source: Source, node: ast.AST) -> Iterator[Violation]:
    for name in imported(node):
        top = name.partition(".")[0]
        if top == "ibex":
            if not name.startswith("ibex.domain"):
                yield source.violation(node, RULE, f"{name} is not of the core, which knows nothing around it")
        elif top not in sys.stdlib_module_names:
            yield source.violation(node, RULE, f"{top} is no part of the standard library, and the core has no other")
        elif top in IMPURE_MODULES:
            yield source.violation(node, RULE, f"{top} is kept out: {IMPURE_MODULES[top]}")


def _floats(source: Source, node: ast.AST) -> Iterator[Violation]:
    if isinstance(node, ast.Constant) and type(node.value) is float:
        yield source.violation(node, RULE, f"{node.value} is a float; amounts and quantities are exact decimals")
    elif isinstance(node, ast.Name) and node.id == "float":
        yield source.violation(node, RULE, "float loses cents; amounts and quantities are exact decimals")
