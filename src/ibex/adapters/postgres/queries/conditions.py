"""Building the WHERE of a list from the filters that were given; values are always parameters, never text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.paging import Page, PageRequest

T = TypeVar("T")


class Conditions:
    """Conditions joined by AND. The first parameter is the store, in every one of them."""

    def __init__(self, store_column: str, store_id: object) -> None:
        self._parts = [f"{store_column} = $1"]
        self.arguments: list[Any] = [store_id]

    def add(self, template: str, value: object) -> None:
        """Adds a condition in which ``{}`` stands for the value; nothing is added for None."""
        if value is not None:
            self.arguments.append(value)
            self._parts.append(template.replace("{}", f"${len(self.arguments)}"))

    def require(self, condition: str) -> None:
        """Adds a condition without a value."""
        self._parts.append(condition)

    def after(self, columns: str, types: Sequence[str], page: PageRequest, *, descending: bool = False) -> None:
        """Goes on after the page's cursor in the order of ``columns``. Raises InvalidValue for a foreign cursor."""
        if page.after is None:
            return
        if len(page.after) != len(types):
            raise InvalidValue("This cursor belongs to another list.", field="cursor")
        names = []
        for value, kind in zip(page.after, types, strict=True):
            self.arguments.append(value)
            names.append(f"${len(self.arguments)}::text::{kind}")
        self._parts.append(f"({columns}) {'<' if descending else '>'} ({', '.join(names)})")

    def limit(self, page: PageRequest) -> str:
        """A LIMIT of one row more than the page, which tells whether there is a next one."""
        self.arguments.append(page.limit + 1)
        return f"LIMIT ${len(self.arguments)}"

    def __str__(self) -> str:
        return " AND ".join(self._parts)


def page_of(rows: Sequence[T], keys: Sequence[tuple[str, ...]], page: PageRequest) -> Page[T]:
    """The page, without the row that was read to see whether there is more."""
    more = len(rows) > page.limit
    return Page(rows=rows[: page.limit], next_after=keys[page.limit - 1] if more else None)
