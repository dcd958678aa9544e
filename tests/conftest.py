"""What every test can use: the shared database, and asyncio as the one event loop."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["tests.fixtures.database", "tests.fixtures.fault_table"]

# A developer's own settings must decide nothing here, and must never be written to.
_AMBIENT_PREFIXES = ("PG", "IBEX_", "RAILWAY_", "DATABASE_URL", "SSLKEYLOGFILE")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this project."""
    parser.addoption(
        "--faults",
        choices=("quick", "full"),
        default="quick",
        help="how much of tests/faults to run: a quick part with every run, or all of it",
    )
    parser.addoption(
        "--write-table", action="store_true", help="with --faults=full: write the table into docs/RELIABILITY.md"
    )
    parser.addoption("--fuzz-examples", type=int, default=3, help="how many requests schemathesis makes up for a route")


def pytest_configure() -> None:
    """Runs in the controller and in each worker, before anything connects."""
    for name in list(os.environ):
        if name.startswith(_AMBIENT_PREFIXES):
            del os.environ[name]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The service runs on asyncio; session scope lets fixtures of any scope be async."""
    return "asyncio"
