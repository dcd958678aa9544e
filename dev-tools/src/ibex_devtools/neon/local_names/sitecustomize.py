"""Makes names under .sandbox.localhost mean this machine, in a Python process.

RFC 6761 says that every name under .localhost does, and systemd's resolver agrees; glibc's own, which
containers have, does not. The name must reach TLS unchanged, so connecting to an address is no way out.
Python imports a `sitecustomize` that it finds on its path: with this directory in PYTHONPATH a service needs
no change.
"""

from __future__ import annotations

import socket
from typing import Any

SUFFIX = ".sandbox.localhost"
LOOPBACK = "127.0.0.1"


def _is_local(host: object) -> bool:
    return isinstance(host, str) and host.lower().rstrip(".").endswith(SUFFIX)


def _local_getaddrinfo(original: Any) -> Any:
    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        return original(LOOPBACK if _is_local(host) else host, *rest, **named)

    return getaddrinfo


def _local_create_connection(original: Any) -> Any:
    def create_connection(loop: Any, factory: Any, host: Any = None, *rest: Any, **named: Any) -> Any:
        if _is_local(host):
            if named.get("ssl") and named.get("server_hostname") is None:
                named["server_hostname"] = host
            host = LOOPBACK
        return original(loop, factory, host, *rest, **named)

    return create_connection


def install() -> list[tuple[Any, str, Any]]:
    """Change how this process finds such names. Returns what was there before: owner, attribute, value."""
    before: list[tuple[Any, str, Any]] = [(socket, "getaddrinfo", socket.getaddrinfo)]
    socket.getaddrinfo = _local_getaddrinfo(socket.getaddrinfo)
    try:
        import uvloop  # noqa: PLC0415  (it resolves names in C, and is not everywhere)
    except ImportError:
        return before
    before.append((uvloop.Loop, "create_connection", uvloop.Loop.create_connection))
    uvloop.Loop.create_connection = _local_create_connection(uvloop.Loop.create_connection)  # type: ignore[method-assign]
    return before


if __name__ == "sitecustomize":
    install()
