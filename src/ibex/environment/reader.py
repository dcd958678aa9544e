"""Read single variables and collect what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from ibex.environment.values import ConfigurationError

T = TypeVar("T")
S = TypeVar("S", bound=str)


class Reader:
    """Reads single variables and collects the problems instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[ConfigurationError] = []

    def attempt(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except ConfigurationError as problem:
            self.problems.append(problem)
            return otherwise

    def choice(self, name: str, allowed: tuple[S, ...], default: S, id: str = "IBEX-E120") -> S:
        raw = self.environ.get(name, "") or default
        for value in allowed:
            if raw == value:
                return value
        self.problems.append(
            ConfigurationError(id, f"{name} is none of {', '.join(allowed)}.", f"Set one of them, or remove {name}.")
        )
        return default

    def number(self, name: str, default: float, low: float, high: float) -> float:
        raw = self.environ.get(name, "")
        if not raw:
            return default
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", raw) and low <= float(raw) <= high:
            return float(raw)
        self.problems.append(_not_a_number(name, "number", low, high))
        return default

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        raw = self.environ.get(name, "")
        if not raw:
            return default
        if re.fullmatch(r"[0-9]{1,6}", raw) and low <= int(raw) <= high:
            return int(raw)
        self.problems.append(_not_a_number(name, "whole number", low, high))
        return default


def _not_a_number(name: str, kind: str, low: float, high: float) -> ConfigurationError:
    return ConfigurationError(
        "IBEX-E120", f"{name} is not a {kind} from {low:g} to {high:g}.", f"Correct it, or remove {name}."
    )
