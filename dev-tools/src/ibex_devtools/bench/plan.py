"""How long and how often is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole run takes about repeats x seconds x contenders."""

    quick: bool
    repeats: int
    headline_seconds: float
    """Of each run of a sale of 3 lines."""
    case_seconds: float
    """Of each run of anything else."""
    growth_entries: int
    export_entries: int
    only: frozenset[str] = frozenset()

    def wants(self, name: str) -> bool:
        """Whether this part or case is asked for."""
        return not self.only or name in self.only

    def wants_part(self, part: str, names: frozenset[str]) -> bool:
        """Whether a part is asked for, by its own name or by that of one of its cases."""
        return not self.only or part in self.only or bool(self.only & names)


def full(only: frozenset[str]) -> Plan:
    """What docs/PERFORMANCE.md is made from."""
    return Plan(
        quick=False,
        repeats=5,
        headline_seconds=10,
        case_seconds=2,
        growth_entries=10_000_000,
        export_entries=1_000_000,
        only=only,
    )


def quick(only: frozenset[str]) -> Plan:
    """Enough to see that everything runs, and large changes."""
    return Plan(
        quick=True,
        repeats=1,
        headline_seconds=2,
        case_seconds=1,
        growth_entries=200_000,
        export_entries=100_000,
        only=only,
    )
