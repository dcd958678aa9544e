"""Files and functions that a reader can hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.violations import Violation, python_sources

LINES_OF_A_FILE: Final = 500
LINES_OF_A_FUNCTION: Final = 70


def too_long(root: Path) -> Iterator[Violation]:
    """Files of 500 lines and more, functions of more than 70."""
    for source in python_sources(root, "src"):
        lines = source.text.count("\n")
        if lines >= LINES_OF_A_FILE:
            reason = f"{lines} lines; a file does one thing in fewer than {LINES_OF_A_FILE}"
            yield Violation(source.file, lines, "short-files", reason)
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LINES_OF_A_FUNCTION:
                    reason = f"{node.name} has {length} lines; a reader can hold {LINES_OF_A_FUNCTION}"
                    yield source.violation(node, "short-functions", reason)
