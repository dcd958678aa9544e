"""The database is away for a while, in the ways in which Neon's can be; a shop's traffic goes on meanwhile.

No 500, no hang, nothing lost, nothing doubled; sales with a key get through within one request's deadline where the
outage is shorter than that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import pytest

from ibex_devtools.neon import Fault
from tests.faults.support.stage import Stage
from tests.faults.support.table import Row
from tests.faults.support.till import Tally
from tests.faults.support.traffic import open_day

# Work before the fault, so that connections are warm, and after it, so that the pool shows what it is worth.
BEFORE_SECONDS: Final = 0.5
AFTER_SECONDS: Final = 0.5
RECOVERY_SECONDS: Final = 5.0


@asynccontextmanager
async def suspended(stage: Stage) -> AsyncIterator[int]:
    """Scaled to zero: those who come are held until the compute is awake, 1.5 s later."""
    stage.neon.suspend(delay_seconds=1.5, linger_seconds=0.1)
    # Busy connections keep a compute awake; here they are cut, as when it is suspended by force.
    stage.neon.cut_all()
    await asyncio.sleep(1.5)
    yield 1


@asynccontextmanager
async def suspended_and_refusing(stage: Stage) -> AsyncIterator[int]:
    """The proxy turns clients away with an error of its own until the compute is awake."""
    stage.neon.cut_all()
    stage.neon.suspend(delay_seconds=1.5, refuses=True)
    await asyncio.sleep(1.5)
    yield 1


@asynccontextmanager
async def refused(stage: Stage) -> AsyncIterator[int]:
    """Nothing listens, as in a restart of the proxy; open connections are cut."""
    async with stage.neon.refusing():
        stage.neon.cut_all(reset=True)
        await asyncio.sleep(1.5)
    yield 1


@asynccontextmanager
async def black_hole(stage: Stage) -> AsyncIterator[int]:
    """Nothing passes and nobody is told; what was held back arrives afterwards."""
    with stage.neon.black_hole():
        await asyncio.sleep(2.0)
    yield 1


@asynccontextmanager
async def stalled_connecting(stage: Stage) -> AsyncIterator[int]:
    """Accepted, and never a word: two attempts in three."""
    with stage.neon.arm(Fault.STALL_CONNECT, times=4) as stalled:
        stage.neon.cut_all()
        await asyncio.sleep(1.0)
        yield stalled.count


@asynccontextmanager
async def reset_connecting(stage: Stage) -> AsyncIterator[int]:
    """Every connection is reset as soon as it is made."""
    with stage.neon.arm(Fault.RESET_CONNECT, times=None) as reset:
        stage.neon.cut_all()
        await asyncio.sleep(1.0)
    yield reset.count


@asynccontextmanager
async def too_many_connections(stage: Stage) -> AsyncIterator[int]:
    """The server has none left for a moment."""
    with stage.neon.arm(Fault.REJECT, times=None, sqlstate="53300", message="too many connections") as rejected:
        stage.neon.cut_all()
        await asyncio.sleep(1.0)
    yield rejected.count


OUTAGES: Final[dict[str, Callable[[Stage], AbstractAsyncContextManager[int]]]] = {
    "suspended, cold start of 1.5 s": suspended,
    "suspended, proxy answers XX000 for 1.5 s": suspended_and_refusing,
    "connections refused for 1.5 s": refused,
    "black hole for 2 s": black_hole,
    "connecting stalls 4 times": stalled_connecting,
    "connecting reset for 1 s": reset_connecting,
    "53300 for 1 s": too_many_connections,
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", OUTAGES)
async def test_a_shop_goes_on_through_a_short_outage(stage: Stage, name: str, report: Callable[[Row], None]) -> None:
    tally = Tally()
    async with open_day(stage, tally) as day:
        await asyncio.sleep(BEFORE_SECONDS)
        assert tally.good_at, "nothing was sold before the fault"
        async with OUTAGES[name](stage) as injected:
            over = time.monotonic()
            await day.goes_on(within_seconds=RECOVERY_SECONDS)
        await asyncio.sleep(AFTER_SECONDS)
    recovery = tally.first_good_after(over)
    assert recovery is not None
    # The outage is shorter than a request's deadline: sales with a key and reads need no second request.
    keyless = len(tally.uncertain)
    assert tally.failures.get("503 temporarily_unavailable", 0) == 0, tally.failures
    assert tally.failures.get("503 outcome_unknown", 0) == keyless, tally.failures
    row = stage.row(name, tally, injected=injected, recovery_seconds=recovery)
    assert (row.lost, row.doubled) == (0, 0)
    report(row)
