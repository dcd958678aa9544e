"""What processes have used, from /proc: CPU seconds, memory, and what everybody else on the machine did meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


def _stat(pid: int) -> list[str] | None:
    try:
        # The command's name, in brackets, may hold blanks: count the fields after it.
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def tree_of(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        left += parents.get(one, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of the processes, and of those of their children that have ended."""
    total = 0
    for pid in pids:
        fields = _stat(pid)
        if fields is not None:
            total += sum(int(field) for field in fields[11:15])
    return total * _TICK


def memory_mib(pids: Iterable[int]) -> float:
    """Resident memory that is the processes' own (proportional where it is shared)."""
    total = 0
    for pid in pids:
        try:
            text = (_PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def _machine_busy_seconds() -> float:
    fields = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) * _TICK


@dataclass(frozen=True, slots=True)
class Reading:
    """A moment: CPU seconds by group so far, and of the whole machine."""

    at: float
    groups: dict[str, float]
    machine: float


class Meter:
    """Reads the CPU of named groups of processes, each a process with its descendants."""

    def __init__(self, roots: dict[str, int]) -> None:
        self._roots = roots

    def read(self) -> Reading:
        """Now."""
        groups = {name: cpu_seconds(tree_of(pid)) for name, pid in self._roots.items()}
        return Reading(time.monotonic(), groups, _machine_busy_seconds())


@dataclass(frozen=True, slots=True)
class Used:
    """Between two readings: CPU seconds by group, and how many cores everybody else kept busy."""

    seconds: float
    groups: dict[str, float]
    other_cores: float


def used(before: Reading, after: Reading, also: float = 0.0) -> Used:
    """What was used between the two. ``also``: CPU seconds of ours that no group holds."""
    groups = {name: after.groups[name] - before.groups[name] for name in after.groups}
    seconds = after.at - before.at
    others = after.machine - before.machine - sum(groups.values()) - also
    return Used(seconds, groups, max(0.0, others / seconds))
