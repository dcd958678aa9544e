"""The service's process is killed while it works, at moments that chance chooses."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ibex_devtools.sandbox import Cluster
from tests.faults.support.stage import Stage, ground_on, ready, start, with_a_new_store
from tests.faults.support.table import Row
from tests.faults.support.till import Tally
from tests.faults.support.traffic import open_day

START_SECONDS = 20.0
LEFT_BEHIND = """
SELECT pid, state, query FROM pg_stat_activity
WHERE datname = :'name' AND application_name = 'ibex' AND state IS DISTINCT FROM 'idle';
SELECT l.locktype, l.mode FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE d.datname = :'name' AND l.locktype = 'advisory';
"""


@pytest.mark.timeout(900)
async def test_killed_at_random_moments_nothing_is_half_written(
    cluster: Cluster,
    template_database: str,
    tmp_path: Path,
    full: bool,
    report: Callable[[Row], None],
    asyncpg_leavings: None,  # noqa: ARG001 (its handler is what is wanted)
) -> None:
    kills = 50 if full else 5
    chance = random.Random(50)
    tally = Tally()
    async with ground_on(cluster, template_database, tmp_path) as ground:
        stage = await with_a_new_store(ground)
        service = stage.service
        port = int(stage.http.base_url.port or 0)
        slowest = 0.0
        async with open_day(stage, tally, may_be_cut_off=True):
            for number in range(kills):
                await asyncio.sleep(chance.uniform(0.05, 0.8))
                service.process.kill()
                service.process.wait()
                began = time.monotonic()
                service = start(stage.environment, stage.cwd, tmp_path / f"service-{number}.log", port=port)
                try:
                    await ready(stage.http, service, within_seconds=START_SECONDS)
                except BaseException:
                    service.process.kill()
                    raise
                slowest = max(slowest, time.monotonic() - began)
        with service:
            await nothing_left_behind(stage)
            row = stage.row("service killed (SIGKILL) under load", tally, injected=kills, recovery_seconds=slowest)
    assert (row.lost, row.doubled) == (0, 0)
    report(row)
    assert tally.broken_off > 0, "nobody was waiting when the service was killed"


async def nothing_left_behind(stage: Stage) -> None:
    """Waits until no transaction and no advisory lock of a killed service is left."""
    left = "?"
    for _ in range(50):
        left = stage.cluster.execute(LEFT_BEHIND, {"name": stage.database}).strip()
        if not left:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"left behind: {left}")
