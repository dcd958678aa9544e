"""From a bearer token to an actor.

Tokens are opaque and looked up by their SHA-256. What was found is kept for 8 seconds in this process, which
is also how long a revoked token, a changed role or a changed setting of the store may still count. One
look-up is made at a time for a token. Whoever sends tokens that are not valid is slowed down by address; a
token that was valid lately is not, so that nobody can lock out a shop from behind its own router.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ibex.domain.identity.model import Actor
from ibex.domain.identity.ports import TokenReader
from ibex.domain.identity.secrets import hash_secret, is_well_formed
from ibex.domain.shared.errors import Unauthenticated
from ibex.entrypoints.http.refusals import Refusal

ACTOR_SECONDS: Final = 8.0
MAX_ACTORS: Final = 10_000
MAX_TOKEN_LENGTH: Final = 200
MAX_FAILURES: Final = 30
FAILURE_WINDOW_SECONDS: Final = 60.0
MAX_ADDRESSES: Final = 10_000

Monotonic = Callable[[], float]


@dataclass(slots=True)
class _Window:
    began: float
    failures: int


class FailureLimiter:
    """Counts invalid tokens by client address, a minute at a time, for 10,000 addresses at most."""

    def __init__(self, monotonic: Monotonic = time.monotonic) -> None:
        self._monotonic = monotonic
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def seconds_to_wait(self, address: str) -> int:
        """0, or how long the address has to wait."""
        address = caller_of(address)
        window = self._windows.get(address)
        if window is None:
            return 0
        left = window.began + FAILURE_WINDOW_SECONDS - self._monotonic()
        if left <= 0:
            del self._windows[address]
            return 0
        return int(left) + 1 if window.failures >= MAX_FAILURES else 0

    def failed(self, address: str) -> None:
        """One more failure."""
        address = caller_of(address)
        window = self._windows.setdefault(address, _Window(self._monotonic(), 0))
        window.failures += 1
        if len(self._windows) > MAX_ADDRESSES:
            self._windows.popitem(last=False)


def caller_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 one, of which a caller has all addresses."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


@dataclass(slots=True)
class _Known:
    actor: Actor
    until: float


class Authenticator:
    """Finds the actor of an Authorization header."""

    def __init__(self, tokens: TokenReader, *, monotonic: Monotonic = time.monotonic) -> None:
        self._tokens = tokens
        self._monotonic = monotonic
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._searches: dict[bytes, asyncio.Task[Actor | None]] = {}
        self._failures = FailureLimiter(monotonic)

    async def actor(self, header: bytes | None, address: str) -> Actor:
        """Raises Unauthenticated, Refusal (too_many_failures), or TemporarilyUnavailable."""
        if header is None:
            raise Unauthenticated("Send a token: Authorization: Bearer ibex_live_...")
        secret = _bearer_secret(header)
        digest = hash_secret(secret)
        known = self._known.get(digest)
        if known is not None:
            if known.until > self._monotonic():
                return known.actor
        elif seconds := self._failures.seconds_to_wait(address):
            raise Refusal(
                "too_many_failures",
                f"Too many invalid tokens came from this address. Wait {seconds} seconds.",
                headers={"retry-after": str(seconds)},
            )
        actor = await self._search(digest) if is_well_formed(secret) else None
        if actor is None:
            self._known.pop(digest, None)
            self._failures.failed(address)
            raise Unauthenticated("The token is not valid.")
        self._keep(digest, actor)
        return actor

    async def _search(self, digest: bytes) -> Actor | None:
        search = self._searches.get(digest)
        if search is None:
            search = asyncio.ensure_future(self._tokens.find_actor(digest))
            self._searches[digest] = search
            search.add_done_callback(lambda _: self._searches.pop(digest, None))
        # A caller that goes away must not take the answer from the others.
        return await asyncio.shield(search)

    def _keep(self, digest: bytes, actor: Actor) -> None:
        self._known[digest] = _Known(actor, self._monotonic() + ACTOR_SECONDS)
        self._known.move_to_end(digest)
        if len(self._known) > MAX_ACTORS:
            self._known.popitem(last=False)


def _bearer_secret(header: bytes) -> str:
    scheme, _, secret = header.partition(b" ")
    secret = secret.strip()
    if scheme.lower() != b"bearer" or not secret or len(secret) > MAX_TOKEN_LENGTH:
        raise Unauthenticated("Send a token: Authorization: Bearer ibex_live_...")
    return secret.decode("latin-1")
