"""What /metrics asks of the database: nothing, when nobody else does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from ibex.adapters.postgres import figures as figures_module
from ibex.adapters.postgres.figures import DatabaseFigures
from ibex.adapters.postgres.pool import PoolFigures
from ibex.domain.events.ports import Lag
from ibex.domain.shared.errors import TemporarilyUnavailable

LAG = Lag(events=3, due=2, waiting=1, overdue=timedelta(seconds=5))


@dataclass
class Database:
    """A pool that counts what comes back to it, and a queue and a probe that use it."""

    released_total: int = 0
    free: int = 1
    asked: int = 0
    away: bool = False
    schema_state: str = "unknown"
    pool: Any = field(init=False)

    def __post_init__(self) -> None:
        self.pool = self

    @property
    def figures(self) -> PoolFigures:
        return PoolFigures(size=2, in_use=0, free=self.free, opening=0, waiting=0, opened_total=1, failed_total=0)

    async def obstacle(self) -> str | None:
        self.released_total += 1
        self.schema_state = "current"
        return None

    async def lag(self) -> Lag:
        self.asked += 1
        self.released_total += 1
        if self.away:
            raise TemporarilyUnavailable("away")
        return LAG


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(figures_module, "KEPT_SECONDS", 0.0)
    return Database()


def reader(database: Database) -> DatabaseFigures:
    anything = cast("Any", database)
    return DatabaseFigures(anything, anything, anything)


async def test_nobody_uses_the_database_so_it_may_sleep(database: Database) -> None:
    figures = await reader(database).read()
    assert (database.asked, figures.outbox, figures.schema_state) == (0, None, "unknown")


async def test_it_is_asked_once_after_requests_have_used_it(database: Database) -> None:
    read = reader(database)
    database.released_total += 1
    for _ in range(4):
        await read.read()
    figures = await read.read()
    assert (database.asked, figures.outbox, figures.schema_state) == (1, LAG, "current")
    database.released_total += 1
    await read.read()
    assert database.asked == 2


async def test_without_a_connection_at_hand_none_is_made(database: Database) -> None:
    database.released_total, database.free = 1, 0
    await reader(database).read()
    assert database.asked == 0


async def test_a_database_that_is_away_leaves_the_last_figures(database: Database) -> None:
    read = reader(database)
    database.released_total += 1
    await read.read()
    database.away = True
    database.released_total += 1
    assert (await read.read()).outbox == LAG
    assert database.asked == 2
