"""Two columns that must be the same: what the data say, and what the shop says."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

Figure = int | Decimal


@dataclass(slots=True)
class Comparison:
    """Figures side by side, and everything else that differs, in words."""

    figures: list[tuple[str, Figure, Figure]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def add(self, name: str, expected: Figure, found: Figure) -> None:
        """One figure from both sides."""
        self.figures.append((name, expected, found))
        if expected != found:
            self.differences.append(f"{name}: {_shown(expected)} expected, {_shown(found)} found")

    def require(self, expected: object, found: object, what: str) -> None:
        """Something that is not worth a line of its own unless it differs."""
        if expected != found:
            self.differences.append(f"{what}: {expected} expected, {found} found")

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def table(self, expected: str, found: str) -> str:
        """The figures under these two headings; then the differences, the first ten of them."""
        width = max(len(name) for name, _, _ in self.figures) + 2
        lines = [f"  {'':<{width}}{expected:>16}{found:>16}"]
        for name, one, other in self.figures:
            mark = "" if one == other else "   <-- differs"
            lines.append(f"  {name:<{width}}{_shown(one):>16}{_shown(other):>16}{mark}")
        if self.differences:
            lines.append(f"\n  {len(self.differences)} differences:")
            lines += [f"    {difference}" for difference in self.differences[:10]]
        return "\n".join(lines)


def _shown(figure: Figure) -> str:
    return f"{figure:,}"
