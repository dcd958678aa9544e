"""Pages of a list that stay stable while rows arrive: a cursor names the last row seen, never an offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from ibex.domain.shared.errors import InvalidValue

T = TypeVar("T")
DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """At most ``limit`` rows after the row whose sort key is ``after`` (None: from the beginning)."""

    limit: int = DEFAULT_PAGE
    after: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise InvalidValue(f"Ask for 1 to {MAX_PAGE} rows.", field="limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """The rows, and the sort key to go on after, or None at the end."""

    rows: Sequence[T]
    next_after: tuple[str, ...] | None
