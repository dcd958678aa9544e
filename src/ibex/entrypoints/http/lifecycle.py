"""Is this process starting, serving, or on its way out?"""

from __future__ import annotations


class Lifecycle:
    """Shared by the server, which learns of SIGTERM, and the edge, which tells callers."""

    def __init__(self) -> None:
        self.draining = False

    def drain(self) -> None:
        """From now on readiness says 503, and answers ask callers to close their connections."""
        self.draining = True
