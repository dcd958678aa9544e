"""The deployment as .railway/railway.ts describes it, read from that file.

The file keeps its commands and times as plain literals, `key: literal,` on a line of their own, so that this needs no
JavaScript. Anything else raises.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_LINE: Final = re.compile(r"^\s*(?P<key>\w+):\s*(?P<value>\"[^\"]*\"|\[[^\]]*\]|-?\d+|true|false),\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What Railway does with a commit. Times in seconds."""

    build: str
    pre_deploy: tuple[str, ...]
    start: str
    healthcheck_path: str
    healthcheck_timeout_seconds: int
    overlap_seconds: int
    draining_seconds: int
    restart_policy: str
    variables: dict[str, str]


def literals(text: str) -> dict[str, Any]:
    """Every `key: literal,` of the file. Raises ValueError on a key that is there twice."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            if match["key"] in found:
                raise ValueError(f"{match['key']} is there twice")
            found[match["key"]] = json.loads(match["value"])
    return found


def read_deployment(file: Path) -> Deployment:
    """The deployment. Raises KeyError for a step that is missing."""
    found = literals(file.read_text(encoding="utf-8"))
    return Deployment(
        build=found["buildCommand"],
        pre_deploy=tuple(found["preDeployCommand"]),
        start=found["startCommand"],
        healthcheck_path=found["healthcheckPath"],
        healthcheck_timeout_seconds=found["healthcheckTimeout"],
        overlap_seconds=found["overlapSeconds"],
        draining_seconds=found["drainingSeconds"],
        restart_policy=found["restartPolicyType"],
        variables={key: value for key, value in found.items() if key.isupper()},
    )
