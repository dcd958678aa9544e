"""How many inputs are tried: some hundred in every run, as many as --fuzz-examples allows in a long one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

QUICK = 300
Try = Callable[[SearchStrategy[Any], Callable[[Any], None]], None]


@pytest.fixture
def try_all(request: pytest.FixtureRequest) -> Try:
    """Tries a check on inputs of a strategy, and prints how many there were."""
    wanted = max(QUICK, 100 * int(request.config.getoption("--fuzz-examples")))

    def run(inputs: SearchStrategy[Any], check: Callable[[Any], None]) -> None:
        tried = 0

        @settings(max_examples=wanted, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(inputs)
        def one(value: Any) -> None:
            nonlocal tried
            tried += 1
            check(value)

        one()
        sys.stdout.write(f"{request.node.name}: {tried} inputs tried\n")

    return run
