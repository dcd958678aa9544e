"""The PostgreSQL itself is restarted, crashes, and comes up again elsewhere with the same data."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibex_devtools.sandbox import Sandbox
from tests.faults.support.stage import ground_on, trusting, with_a_new_store
from tests.faults.support.table import Row
from tests.faults.support.till import Tally
from tests.faults.support.traffic import open_day
from tests.fixtures.shared_server import build_template

RECOVERY_SECONDS = 10.0


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Unlike pytest's, open to the account that the server of a root runs as."""
    with tempfile.TemporaryDirectory(prefix="ibex-test-") as path:
        Path(path).chmod(0o711)
        yield Path(path)


@pytest.mark.timeout(240)
async def test_a_shop_goes_on_through_a_restart_a_crash_and_a_failover(
    tmp_path: Path,
    open_directory: Path,
    report: Callable[[Row], None],
    asyncpg_leavings: None,  # noqa: ARG001 (its handler is what is wanted)
) -> None:
    keep = open_directory / "server"
    with Sandbox(keep=keep) as sandbox:
        with trusting(sandbox.cluster):
            template = await asyncio.to_thread(build_template, sandbox.cluster)
        async with ground_on(sandbox.cluster, template, tmp_path, sandbox=sandbox) as ground:
            stage = await with_a_new_store(ground)
            neon = stage.neon
            for name, immediate in (("server restarted", False), ("server crashed and recovered", True)):
                tally = Tally()
                stage = await with_a_new_store(ground)
                async with open_day(stage, tally) as day:
                    await asyncio.sleep(0.5)
                    await neon.restart_server(immediate=immediate, down_seconds=0.5)
                    over = time.monotonic()
                    await day.goes_on(within_seconds=RECOVERY_SECONDS)
                row = stage.row(name, tally, injected=1, recovery_seconds=tally.first_good_after(over))
                assert (row.lost, row.doubled) == (0, 0)
                report(row)
            tally = Tally()
            stage = await with_a_new_store(ground)
            async with open_day(stage, tally) as day:
                await asyncio.sleep(0.5)
                await asyncio.to_thread(sandbox.kill)
                await asyncio.to_thread(sandbox.close)
                with Sandbox(keep=keep) as other:
                    neon.fail_over(other.cluster)
                    over = time.monotonic()
                    await day.goes_on(within_seconds=RECOVERY_SECONDS)
                    await day.end()
                    stage.cluster = other.cluster
                    row = stage.row("failed over", tally, injected=1, recovery_seconds=tally.first_good_after(over))
                    assert (row.lost, row.doubled) == (0, 0)
                    report(row)
