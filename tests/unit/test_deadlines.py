"""The table of deadlines in docs/OPERATIONS.md, against the code: each is what it says, and none is left out."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import click
import pytest

from ibex.adapters.postgres import engine
from ibex.entrypoints.cli import ibex
from ibex.environment.variables import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
MANUAL = ROOT / "docs/OPERATIONS.md"
PLACES = (
    "src/ibex/bootstrap.py",
    "src/ibex/adapters/postgres",
    "src/ibex/entrypoints/http",
    "src/ibex/entrypoints/commands",
    "src/ibex/entrypoints/check",
)
# How long something is remembered, or how often something is done: nobody waits for it.
NO_DEADLINES = {
    "http.auth.ACTOR_SECONDS",
    "http.auth.FAILURE_WINDOW_SECONDS",
    "http.metrics.SECONDS",
    "commands.worker_loops.CHORES_SECONDS",
    "commands.worker_loops._FIRST_PAUSE_SECONDS",
    "commands.worker_loops._LONGEST_PAUSE_SECONDS",
    "commands.worker.READY_PAUSE_SECONDS",
    "check.configuration.DRAINING_MARGIN_SECONDS",
    "check.database.CLOCK_SKEW_SECONDS",
    "postgres.pool._REAP_SECONDS",
    "postgres.pool._REMIND_SECONDS",
    "postgres.nudge.GATHER_SECONDS",
    "postgres.report_sums.REST_SECONDS",
    "postgres.report_sums._BREATH_SECONDS",
    "postgres.listener.PULSE_SECONDS",
    "postgres.listener.LONGEST_PAUSE_SECONDS",
    "postgres.figures.KEPT_SECONDS",
    "postgres.readiness.KEPT_SECONDS",
    "postgres.catalog.REMEMBERED_SECONDS",
    # Attempts of commands, inside of the attempt to connect that is in the table.
    "postgres.engine._RETRY_BASE_SECONDS",
    "postgres.engine._RETRY_CAP_SECONDS",
    "postgres.engine.MIN_CONNECT_TIMEOUT_SECONDS",
}


def rows() -> list[tuple[str, list[float], list[str]]]:
    """What, how many seconds, and where: from the table."""
    section = MANUAL.read_text().partition("\n## Deadlines\n")[2].partition("\n### ")[0]
    found = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and re.match(r"[0-9]", cells[1]):
            seconds = [float(number) for number in re.findall(r"([0-9.]+) s", cells[1])]
            found.append((cells[0], seconds, re.findall(r"`([^`]+)`", cells[2])))
    return found


def value_of(place: str) -> float:
    """The seconds that the code has there."""
    if place.startswith("IBEX_"):
        return float(next(variable.default for variable in VARIABLES if variable.name == place))
    if place.startswith("ibex "):
        *words, option = place.split()[1:]
        command: Any = ibex
        for word in words:
            command = command.get_command(click.Context(command), word)
        return float(next(each.default for each in command.params if option in each.opts))
    module, _, name = place.rpartition(".")
    if name[0].islower():  # the default of a dataclass's field
        module, _, holder = module.rpartition(".")
        return float(getattr(getattr(importlib.import_module(full(module)), holder)(), name))
    return float(getattr(importlib.import_module(full(module)), name))


def full(module: str) -> str:
    """``http.edge`` -> ``ibex.entrypoints.http.edge``."""
    first = module.partition(".")[0]
    if first == "bootstrap":
        return "ibex.bootstrap"
    return f"ibex.adapters.{module}" if first == "postgres" else f"ibex.entrypoints.{module}"


def constants() -> set[str]:
    """Every constant of a number of seconds where anything waits."""
    found = set()
    for place in PLACES:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            module = ".".join(file.relative_to(ROOT / "src/ibex").with_suffix("").parts)
            short = module.removeprefix("adapters.").removeprefix("entrypoints.")
            for node in ast.parse(file.read_text()).body:
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
                found |= {f"{short}.{name}" for name in names if re.search(r"(^|_)SECONDS$", name)}
    return found


@pytest.mark.parametrize(("what", "seconds", "places"), rows(), ids=[row[0] for row in rows()])
def test_a_deadline_is_what_the_table_says(what: str, seconds: list[float], places: list[str]) -> None:
    assert places, f"{what}: the table does not say where it is set"
    for place in places:
        if place == "postgres.engine._KEEP_ALIVE":
            options = {name: value for name, _, value in engine._KEEP_ALIVE}
            resting = options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"]
            assert seconds == [resting, options["TCP_USER_TIMEOUT"] / 1000]
        else:
            assert [value_of(place)] == seconds


def test_no_deadline_is_left_out() -> None:
    named = {place for _, _, places in rows() for place in places}
    assert len(named) > 25
    missing = constants() - named - NO_DEADLINES
    assert not missing, f"not in the table of docs/OPERATIONS.md: {sorted(missing)}"


def test_what_is_no_deadline_is_still_there() -> None:
    assert not NO_DEADLINES - constants()


def test_a_requests_deadlines_fit_into_one_another() -> None:
    """Waiting for a connection, a statement that is cut off and its repetition have to fit into a request."""
    connection, statement = value_of("IBEX_POOL_WAIT_SECONDS"), value_of("IBEX_STATEMENT_TIMEOUT_SECONDS")
    grace, answer = value_of("postgres.database.CLIENT_GRACE_SECONDS"), value_of("http.exchange.ANSWER_SECONDS")
    request = value_of("http.limits.EdgeLimits.request_seconds")
    assert connection + statement + grace + answer < request
    assert value_of("IBEX_LOCK_TIMEOUT_SECONDS") < statement
    assert value_of("http.limits.EdgeLimits.body_seconds") < request - statement + grace
    assert value_of("IBEX_SHUTDOWN_GRACE_SECONDS") + value_of("IBEX_DRAIN_SECONDS") < 60
