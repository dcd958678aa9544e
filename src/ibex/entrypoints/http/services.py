"""What the edge can call: one field for each use case or port. `ibex.bootstrap` fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ibex.domain.identity.ports import TokenReader
from ibex.domain.shared.journal import Journal


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this instance can serve. ``detail`` is a sentence for an operator, without secrets."""

    ready: bool
    detail: str = ""


class ReadinessProbe(Protocol):
    """Asks the database."""

    async def check(self) -> Readiness:
        """One question with a deadline of its own. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the controllers need. Add a field for a use case, and fill it in `ibex.bootstrap`."""

    tokens: TokenReader
    readiness: ReadinessProbe
    journal: Journal
