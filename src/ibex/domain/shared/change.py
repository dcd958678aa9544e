"""A field that a change leaves as it is."""

from __future__ import annotations

from typing import Any

from ibex.domain.shared.errors import PreconditionFailed


class Unset:
    """The type of UNSET; None may be a value, so it cannot say "leave it"."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = Unset()


def given(change: object) -> dict[str, Any]:
    """The fields of a change that are not UNSET."""
    fields = getattr(change, "__dataclass_fields__")  # noqa: B009 - the type does not tell that it is a dataclass
    values = {name: getattr(change, name) for name in fields}
    return {name: value for name, value in values.items() if not isinstance(value, Unset)}


def must_have_version(what: str, current: int, expected: int | None) -> None:
    """Raises PreconditionFailed if the caller knows another version of the thing; None expects nothing."""
    if expected not in (None, current):
        raise PreconditionFailed(f"The {what} has changed since it was read; read it again.", current=current)
