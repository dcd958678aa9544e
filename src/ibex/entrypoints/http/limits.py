"""Every bound that the edge puts on a request, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLimits:
    """Bounds for one process."""

    body_bytes: int = 1024 * 1024
    """A route may take more with ``request_max_body_size=...``."""
    buffered_bytes: int = 64 * 1024 * 1024
    """Bodies of all requests together, as far as they have come; more are refused at once."""
    body_seconds: float = 10.0
    """From the first byte of the request to the last of its body."""
    request_seconds: float = 25.0
    """From the request's first byte to the answer's last, or what ``opt={"deadline_seconds": ...}`` says."""
    in_flight: int = 160
    """Requests being worked on at once, their bodies being there; more are refused at once."""
    rate_per_second: float = 1000.0
    """Requests of one token on the long run; 0 limits nothing."""
    rate_burst: int = 2000
    """Requests of one token at once."""
