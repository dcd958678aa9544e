"""Secrets are compared in constant time: `==` stops at the first byte that differs, and tells how many were right."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.violations import Violation, dotted, python_sources

RULE: Final = "constant-time-comparison"
_SECRET: Final = re.compile(r"_*(\w*_)?(secrets?|passwords?|tokens?|signatures?|hmac|hash|fingerprint)")
_MAKERS: Final = re.compile(r"(.*\.)?(reveal|hash_secret|hmac\.digest|compose_secret)")
_HOLDERS: Final = re.compile(r".*(Secret|Token|Password|SigningKey)")
"""Classes whose own attributes, however they are called, are secret to each other: `self` and `other` of `__eq__`."""
_OPERATORS: Final = (ast.Eq, ast.NotEq)


def careless_comparisons(root: Path) -> Iterator[Violation]:
    """Every `==` and `!=` of the service that has something secret on one side and no literal on the other."""
    for source in python_sources(root, "src"):
        holders = [n for n in source.nodes if isinstance(n, ast.ClassDef) and _HOLDERS.fullmatch(n.name)]
        inside = {id(inner) for holder in holders for inner in ast.walk(holder)}
        for node in source.nodes:
            if isinstance(node, ast.Compare) and any(isinstance(operator, _OPERATORS) for operator in node.ops):
                sides = [node.left, *node.comparators]
                if any(isinstance(side, ast.Constant) for side in sides):
                    continue
                if any(_secret(side) or (id(node) in inside and _own(side)) for side in sides):
                    yield source.violation(node, RULE, "compare secrets with hmac.compare_digest")


def _own(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and dotted(node.value) in ("self", "other")


def _secret(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):
        key = node.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return _SECRET.fullmatch(key.value) is not None
        return _secret(node.value)
    if isinstance(node, ast.Call):
        inside = isinstance(node.func, ast.Attribute) and _secret(node.func.value)
        return inside or _MAKERS.fullmatch(dotted(node.func)) is not None
    if isinstance(node, ast.Await):
        return _secret(node.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return _SECRET.fullmatch(name) is not None
