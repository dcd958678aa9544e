"""What the identity area needs from outside."""

from __future__ import annotations

from typing import Protocol

from ibex.domain.identity.model import Actor


class TokenReader(Protocol):
    """Finds out who a bearer token belongs to."""

    async def find_actor(self, secret_hash: bytes) -> Actor | None:
        """The actor of the token with this SHA-256, or None if it is unknown, expired or revoked, or if its
        operator is not active. Raises TemporarilyUnavailable.
        """
        ...
