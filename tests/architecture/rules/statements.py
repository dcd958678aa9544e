"""Every statement that an adapter sends names the store of every row that it touches.

Statements are string constants and f-strings. A placeholder that stands for a constant of a module is replaced by its
text; one for a `Conditions` by the column that it was made with, which it always compares with the store.
What SQLAlchemy builds (the registry of the command line) has no text to read: tests/contract/test_stores.py asks it for
another store's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.architecture.violations import Source, Violation, dotted, imported, python_sources

RULE: Final = "store-in-every-statement"
FOLDER: Final = "src/ibex/adapters"

# Tables of the whole service, not of one store.
SHARED_TABLES: Final = {
    "alembic_version": "where the schema is",
    "migration_log": "how the schema got there",
}
# Statements that cannot know the store, by module and by a piece of their text.
EXCEPTIONS: Final = {
    ("src/ibex/adapters/postgres/tokens.py", "FROM ibex.api_tokens t"): "the token's hash is what tells the store",
    ("src/ibex/adapters/postgres/sessions.py", "FROM ibex.report_sessions r"): "the session's hash tells the store",
}

_TABLE: Final = re.compile(
    # A bracket after the name makes it a function, except after INTO, where it opens the list of columns.
    r"\b(?:(?P<into>INTO)|FROM|JOIN|UPDATE|USING)\s+(?:ONLY\s+)?ibex\.(?P<table>[a-z_]+)\b(?(into)|(?!\s*\())"
    r"(?:\s+(?:AS\s+)?(?P<alias>(?!SET\b|WHERE\b|ON\b|JOIN\b|LEFT\b|CROSS\b|ORDER\b|VALUES\b|SELECT\b|GROUP\b)[a-z_]\w*))?",
    re.IGNORECASE,
)
_STATEMENT: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|JOIN)\b.*\bibex\.", re.DOTALL)


def storeless_statements(root: Path) -> Iterator[Violation]:
    """References to a store's table in a statement that does not tie them to the store."""
    constants = _constants(root)
    for source in python_sources(root, FOLDER):
        known = _visible(source, constants)
        conditions = _condition_columns(source)
        for node, text in _texts(source, known, conditions):
            if not _STATEMENT.search(text) or _excepted(source.file, text):
                continue
            for match in _TABLE.finditer(text):
                if match["table"] not in SHARED_TABLES and not _tied(match, text):
                    name = f"ibex.{match['table']}" + (f" {match['alias']}" if match["alias"] else "")
                    reason = f"{name} is not tied to a store: another store's rows would be read or written"
                    yield source.violation(node, RULE, reason)


def unused_exceptions(root: Path) -> Iterator[Violation]:
    """Exceptions that no statement needs any more."""
    for file, piece in EXCEPTIONS:
        path = root / file
        if not path.is_file() or piece not in " ".join(path.read_text(encoding="utf-8").split()):
            yield Violation(file, 1, RULE, f"the exception for {piece!r} is not needed any more: remove it")


def _excepted(file: str, text: str) -> bool:
    flat = " ".join(text.split())
    return any(file == where and piece in flat for where, piece in EXCEPTIONS)


def _tied(match: re.Match[str], text: str) -> bool:
    if match["table"] == "stores":
        # A store's own row: its id is the store.
        wanted = rf"\b{match['alias'] or 'stores'}\.id\b" if not match["into"] else r"\bid\b"
        return bool(re.search(wanted, text))
    if match["into"]:
        # The columns that are listed right after the table.
        columns = re.match(r"[^(]*\(([^)]*)\)", text[match.end() :])
        return bool(columns and re.search(r"\bstore_id\b", columns.group(1)))
    names = [match["alias"]] if match["alias"] else [match["table"]]
    if any(re.search(rf"\b{name}\.store_id\b", text) for name in names if name):
        return True
    # Without an alias the bare column will do, where it can only be this table's.
    alone = len(_TABLE.findall(text)) == 1
    return alone and not match["alias"] and bool(re.search(r"(?<![.\w])store_id\s*(=|IN\b)", text))


def _constants(root: Path) -> dict[str, dict[str, ast.expr]]:
    """For each module the expressions that its names are bound to."""
    found: dict[str, dict[str, ast.expr]] = {}
    for source in python_sources(root, FOLDER):
        module = source.file.removeprefix("src/").removesuffix(".py").replace("/", ".")
        names = found.setdefault(module, {})
        for node in source.tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                names[node.target.id] = node.value
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names[node.targets[0].id] = node.value
    return found


def _visible(source: Source, constants: Mapping[str, dict[str, ast.expr]]) -> dict[str, ast.expr]:
    module = source.file.removeprefix("src/").removesuffix(".py").replace("/", ".")
    names = dict(constants.get(module, {}))
    for node in source.nodes:
        for full in imported(node) if isinstance(node, ast.ImportFrom) else ():
            home, _, name = full.rpartition(".")
            if name in constants.get(home, {}):
                names[name] = constants[home][name]
    return names


def _condition_columns(source: Source) -> list[str]:
    """The first argument of every `Conditions(...)` in the module."""
    columns = []
    for node in source.nodes:
        if isinstance(node, ast.Call) and dotted(node.func).endswith("Conditions") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                columns.append(first.value)
    return columns


def _texts(source: Source, known: Mapping[str, ast.expr], conditions: list[str]) -> Iterator[tuple[ast.AST, str]]:
    inside = set[int]()
    for node in source.nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))  # a docstring is no statement
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr | ast.BinOp):
            inside.update(id(child) for child in ast.walk(node))
        if isinstance(node, ast.JoinedStr | ast.BinOp | ast.Constant):
            text = _text(node, known, conditions, depth=5)
            if text:
                yield node, text


def _text(node: ast.expr, known: Mapping[str, ast.expr], conditions: list[str], depth: int) -> str:
    if depth == 0:
        return ""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known, conditions, depth) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, known, conditions, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, known, conditions, depth) + _text(node.right, known, conditions, depth)
    if isinstance(node, ast.Name) and node.id in known:
        return _text(known[node.id], known, conditions, depth - 1)
    if isinstance(node, ast.Name) and "conditions" in node.id:
        return " AND ".join(f"{column} = $1" for column in conditions)
    return " ? "
