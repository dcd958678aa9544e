"""What the fault suite has found, one row for each fault: printed at the end, and written into docs/RELIABILITY.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

PROPERTY: Final = "fault"
"""The name under which a test hands its row to the run that prints the table."""
BEGIN: Final = "<!-- table: written by `make faults` -->"
END: Final = "<!-- end of table -->"
HEADINGS: Final = ("fault", "injected", "requests", "lost", "doubled", "5xx by kind", "slowest answer", "recovered in")


@dataclass(slots=True, kw_only=True)
class Row:
    """One fault. Seconds are measured, not derived."""

    fault: str
    injected: int = 0
    requests: int = 0
    lost: int = 0
    """Sales whose caller was told that they happened, and that are not in the books."""
    doubled: int = 0
    """Sales that are in the books more than once."""
    failures: dict[str, int] = field(default_factory=dict)
    """Answers of 500 and above, by status and code."""
    slowest_seconds: float = 0.0
    recovery_seconds: float | None = None
    """From the end of the fault to the first good answer; None where nothing was out."""

    def to_json(self) -> str:
        """As a test's property."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Row:
        """The row that `to_json` wrote."""
        return cls(**json.loads(text))

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.failures.items())) or "none"
        recovery = "-" if self.recovery_seconds is None else f"{self.recovery_seconds:.1f} s"
        numbers = (self.injected, self.requests, self.lost, self.doubled)
        return (self.fault, *map(str, numbers), kinds, f"{self.slowest_seconds:.1f} s", recovery)


def failures_of(answers: Counter[tuple[int, str]]) -> dict[str, int]:
    """From a tally's answers to a row's failures."""
    return {f"{status} {code}": count for (status, code), count in answers.items() if status >= 500}


def markdown(rows: Iterable[Row]) -> str:
    """The table, with its columns aligned for readers of the text."""
    table = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]

    def render(line: Iterable[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([render(table[0]), rule, *(render(line) for line in table[1:])])


def write_into(document: Path, heading: str, rows: Iterable[Row]) -> None:
    """Replace the table between the marks. Raises ValueError if the document has no marks."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no place for the table")
    document.write_text(f"{before}{BEGIN}\n{heading}\n\n{markdown(rows)}\n\n{END}{after}", encoding="utf-8")
