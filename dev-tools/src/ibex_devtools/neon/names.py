"""How clients find the stand-in's names where the system does not know that .localhost is this machine."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ibex_devtools.neon.local_names import sitecustomize

DOMAIN: Final = sitecustomize.SUFFIX.lstrip(".")


def resolves(name: str) -> bool:
    """Whether the system itself finds `name` on this machine."""
    try:
        found = socket.getaddrinfo(name, 5432, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(address[4][0] == sitecustomize.LOOPBACK for address in found)


@contextlib.contextmanager
def local_names() -> Iterator[None]:
    """Within this block names under DOMAIN are found in this process, on asyncio's loop and on uvloop's."""
    before = sitecustomize.install()
    try:
        yield
    finally:
        for owner, attribute, value in before:
            setattr(owner, attribute, value)


def child_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables with which a Python process finds the names.

    Programs of PostgreSQL's own want PGHOSTADDR=127.0.0.1 instead, which the service refuses to start with.
    """
    directory = str(Path(sitecustomize.__file__).parent)
    path = environment.get("PYTHONPATH")
    return {"PYTHONPATH": f"{directory}:{path}" if path else directory}
