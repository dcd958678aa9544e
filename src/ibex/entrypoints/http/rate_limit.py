"""How fast one token may ask, in one process.

A token bucket, kept as one number a token (GCRA): the time at which its bucket will be full again. Answers
carry the fields of the IETF's draft "RateLimit header fields for HTTP" (revision 10):
``RateLimit-Policy: "token";q=2000;w=2`` says that 2000 requests may come in 2 seconds,
``RateLimit: "token";r=1999;t=1`` that 1999 are left and that the bucket is full again in a second. With
several workers or replicas each has its own buckets.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from ibex.entrypoints.http.refusals import Refusal

MAX_TOKENS: Final = 10_000
_ROUNDING: Final = 1e-6


class RateLimiter:
    """``per_second`` requests a token on the long run, ``burst`` at once. Zero a second limits nothing."""

    def __init__(self, *, per_second: float, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.enabled = per_second > 0
        self._interval = 1 / per_second if self.enabled else 0.0
        self._burst = burst
        self._span = burst * self._interval
        self._monotonic = monotonic
        self._full_at: OrderedDict[UUID, float] = OrderedDict()
        self._policy = (b"ratelimit-policy", f'"token";q={burst};w={max(1, math.ceil(self._span))}'.encode())

    def take(self, token_id: UUID) -> list[tuple[bytes, bytes]]:
        """Takes one request from the token's bucket and returns the headers that say so. Raises Refusal."""
        if not self.enabled:
            return []
        now = self._monotonic()
        full_at = max(self._full_at.get(token_id, now), now) + self._interval
        wait = full_at - now - self._span
        if wait > _ROUNDING:
            seconds = max(1, math.ceil(wait))
            raise Refusal(
                "rate_limited",
                "This token asks too often. Wait, then go on more slowly.",
                headers={
                    "retry-after": str(seconds),
                    "ratelimit-policy": self._policy[1].decode(),
                    "ratelimit": f'"token";r=0;t={seconds}',
                },
            )
        self._full_at[token_id] = full_at
        self._full_at.move_to_end(token_id)
        if len(self._full_at) > MAX_TOKENS:
            self._full_at.popitem(last=False)
        left = int((self._span - (full_at - now)) / self._interval + _ROUNDING)
        until_full = math.ceil(full_at - now)
        return [self._policy, (b"ratelimit", f'"token";r={left};t={until_full}'.encode())]
