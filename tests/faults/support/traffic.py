"""A shop's day in a few seconds: tills that sell with keys, one that has none, and somebody who looks things up."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.faults.support.stage import Stage
from tests.faults.support.till import Tally, Till

KEYED_TILLS: Final = 4
READERS: Final = 2
PAUSE_SECONDS: Final = 0.02
_serial = itertools.count(1)


class Day:
    """The traffic that is going on."""

    def __init__(self, stage: Stage, tally: Tally) -> None:
        self.tally = tally
        self._stage = stage
        self._open = True
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, *, may_be_cut_off: bool = False) -> None:
        """Open the doors."""
        works = [self._sell_with_keys] * KEYED_TILLS + [self._look_up] * READERS + [self._sell_without_keys]
        for number, work in enumerate(works):
            till = self._stage.till(self.tally, may_be_cut_off=may_be_cut_off)
            self._tasks.append(asyncio.create_task(work(till, number)))

    async def end(self) -> None:
        """Close the doors, and let everybody in the shop be served."""
        self._open = False
        await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        """Send everybody home."""
        self._open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def goes_on(self, *, within_seconds: float) -> float:
        """Seconds until both a read and a sale with a key have been begun and answered well. Raises AssertionError."""
        began = time.monotonic()
        async with asyncio.timeout(within_seconds):
            till = self._stage.till(self.tally)
            key = f"again-{next(_serial)}"
            await till.sell(self._stage.sale(key), key)
            while True:
                response = await till.ask("GET", f"/v1/products/{self._stage.products[0]['id']}")
                if response is not None and response.status_code == 200:
                    return time.monotonic() - began

    async def _sell_with_keys(self, till: Till, number: int) -> None:
        while self._open:
            key = f"keyed-{next(_serial)}"
            await till.sell(self._stage.sale(key, shift=number), key)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _sell_without_keys(self, till: Till, number: int) -> None:
        while self._open:
            name = f"keyless-{next(_serial)}"
            await till.sell_once(self._stage.sale(name, shift=number), name)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _look_up(self, till: Till, number: int) -> None:
        paths = [f"/v1/products/{self._stage.products[number % 5]['id']}", "/v1/invoices?limit=5", "/v1/ledger?limit=5"]
        for path in itertools.cycle(paths):
            if not self._open:
                return
            await till.ask("GET", path)
            await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def open_day(stage: Stage, tally: Tally, *, may_be_cut_off: bool = False) -> AsyncIterator[Day]:
    """Traffic within the block; at its end everybody has an answer."""
    day = Day(stage, tally)
    day.begin(may_be_cut_off=may_be_cut_off)
    try:
        yield day
        await day.end()
    except BaseException:
        await day.abandon()
        raise
