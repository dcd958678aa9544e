"""The pool, with connections that only know whether they are open."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, cast

import asyncpg
import pytest

from ibex.adapters.postgres import pool as pool_module
from ibex.adapters.postgres.pool import Pool, PoolTimeoutError, backoff

SOON = 0.05
LATER = 1.0


class FakeConnection:
    """Open until it is closed or terminated."""

    def __init__(self) -> None:
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109 (as asyncpg's)
        assert timeout > 0
        self.closed = True

    def terminate(self) -> None:
        self.closed = True


class Server:
    """Makes connections, or does whatever the test tells it to do."""

    def __init__(self) -> None:
        self.made: list[FakeConnection] = []
        self.asked: list[float] = []
        self.behaviour: Callable[[], Any] | None = None

    async def connect(self, seconds: float) -> Any:
        self.asked.append(seconds)
        if self.behaviour is not None:
            await self.behaviour()
        self.made.append(FakeConnection())
        return self.made[-1]

    def pool(self, size: int = 2, *, wait: float = LATER, connect: float = LATER, idle: float = 100.0) -> Pool:
        return Pool(self.connect, size=size, wait_seconds=wait, connect_seconds=connect, max_idle_seconds=idle)


@pytest.fixture
def server() -> Server:
    return Server()


def fake(connection: object) -> FakeConnection:
    return cast("FakeConnection", connection)


async def test_a_connection_is_made_when_it_is_needed_and_used_again(server: Server) -> None:
    pool = server.pool()
    assert pool.figures.opened_total == 0
    first = await pool.acquire(LATER)
    pool.release(first, sound=True)
    assert await pool.acquire(LATER) is first
    assert len(server.made) == 1


async def test_the_one_that_was_used_last_is_used_first_so_that_the_rest_can_grow_old(server: Server) -> None:
    pool = server.pool()
    one, two = await pool.acquire(LATER), await pool.acquire(LATER)
    pool.release(one, sound=True)
    pool.release(two, sound=True)
    assert await pool.acquire(LATER) is two


async def test_beyond_its_size_callers_wait_in_line(server: Server) -> None:
    pool = server.pool(size=1)
    held = await pool.acquire(LATER)
    served: list[int] = []

    async def ask(number: int) -> None:
        connection = await pool.acquire(LATER)
        served.append(number)
        pool.release(connection, sound=True)

    tasks = []
    for number in range(3):
        tasks.append(asyncio.create_task(ask(number)))
        await asyncio.sleep(0)
    assert pool.figures.waiting == 3
    pool.release(held, sound=True)
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2]
    assert len(server.made) == 1


async def test_who_waits_too_long_is_told_and_leaves_nothing_behind(server: Server) -> None:
    pool = server.pool(size=1, wait=SOON)
    held = await pool.acquire(LATER)
    with pytest.raises(PoolTimeoutError):
        await pool.acquire(LATER)
    assert pool.figures.waiting == 0
    pool.release(held, sound=True)
    assert pool.figures.free == 1


async def test_the_callers_deadline_counts_when_it_is_nearer(server: Server) -> None:
    pool = server.pool(size=1)
    await pool.acquire(LATER)
    began = time.monotonic()
    with pytest.raises(PoolTimeoutError):
        await pool.acquire(SOON)
    assert time.monotonic() - began < LATER / 2


async def test_a_connection_given_to_a_caller_that_just_went_away_is_not_lost(server: Server) -> None:
    pool = server.pool(size=1)
    held = await pool.acquire(LATER)
    waiting = asyncio.create_task(pool.acquire(LATER))
    await asyncio.sleep(0)
    pool.release(held, sound=True)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (pool.figures.free, pool.figures.in_use) == (1, 0)


async def test_giving_up_does_not_break_off_a_connection_that_is_nearly_there(server: Server) -> None:
    async def slow() -> None:
        await asyncio.sleep(3 * SOON)

    server.behaviour = slow
    pool = server.pool()
    with pytest.raises(PoolTimeoutError):
        await pool.acquire(SOON)
    await asyncio.sleep(4 * SOON)
    assert pool.figures.free == 1


async def test_a_stuck_attempt_holds_up_nobody_else(server: Server) -> None:
    stuck = asyncio.Event()

    async def first_one_hangs() -> None:
        if len(server.asked) == 1:
            await stuck.wait()

    server.behaviour = first_one_hangs
    pool = server.pool()
    first, second = (asyncio.create_task(pool.acquire(LATER)) for _ in range(2))
    connection = await first
    pool.release(connection, sound=True)
    assert await second is connection
    stuck.set()


async def test_closed_connections_are_found_without_asking_the_server(server: Server) -> None:
    pool = server.pool()
    for connection in [await pool.acquire(LATER) for _ in range(2)]:
        pool.release(connection, sound=True)
    for made in server.made:
        made.closed = True
    assert not fake(await pool.acquire(LATER)).closed
    assert len(server.made) == 3


async def test_an_unsound_connection_is_closed_and_replaced(server: Server) -> None:
    pool = server.pool(size=1)
    spoilt = await pool.acquire(LATER)
    pool.release(spoilt, sound=False)
    other = await pool.acquire(LATER)
    assert other is not spoilt
    assert fake(spoilt).closed


async def test_one_that_rested_too_long_is_not_trusted(server: Server) -> None:
    pool = server.pool(idle=SOON)
    old = await pool.acquire(LATER)
    pool.release(old, sound=True)
    await asyncio.sleep(2 * SOON)
    assert await pool.acquire(LATER) is not old


async def test_old_ones_are_closed_though_nobody_asks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_REAP_SECONDS", SOON)
    pool = server.pool(idle=SOON)
    pool.release(await pool.acquire(LATER), sound=True)
    await asyncio.sleep(4 * SOON)
    assert pool.figures.free == 0
    assert server.made[0].closed


async def test_silence_of_one_makes_those_suspect_that_were_not_heard_since(server: Server) -> None:
    pool = server.pool(size=3)
    quiet, silent, lively = [await pool.acquire(LATER) for _ in range(3)]
    pool.release(quiet, sound=True)
    await asyncio.sleep(0.01)
    began = time.monotonic()
    pool.release(lively, sound=True)
    pool.suspect(began)
    pool.release(silent, sound=False)
    assert await pool.acquire(LATER) is lively
    await asyncio.sleep(0)
    assert fake(quiet).closed


async def test_attempts_are_repeated_while_somebody_waits(server: Server) -> None:
    async def refuse_three_times() -> None:
        if len(server.asked) <= 3:
            raise ConnectionRefusedError

    server.behaviour = refuse_three_times
    pool = server.pool()
    assert not fake(await pool.acquire(LATER)).closed
    assert pool.figures.failed_total == 3


async def test_nobody_waiting_nobody_connects(server: Server) -> None:
    async def refuse() -> None:
        raise ConnectionRefusedError

    server.behaviour = refuse
    pool = server.pool(wait=SOON, connect=SOON)
    with pytest.raises(PoolTimeoutError) as caught:
        await pool.acquire(LATER)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    await asyncio.sleep(LATER / 2)
    asked = len(server.asked)
    await asyncio.sleep(LATER / 2)
    assert len(server.asked) == asked
    assert pool.figures.opening == 0


async def test_an_outage_is_bridged_for_as_long_as_connecting_may_take(server: Server) -> None:
    async def down_for_a_while() -> None:
        if time.monotonic() < up_at:
            raise asyncpg.InternalServerError("Couldn't connect to compute node")

    server.behaviour = down_for_a_while
    up_at = time.monotonic() + 0.4
    pool = server.pool(wait=SOON, connect=2.0)
    await pool.acquire(LATER)


async def test_who_waited_for_the_others_when_theirs_were_lost_bridges_the_outage_too(server: Server) -> None:
    pool = server.pool(size=1, wait=4 * SOON, connect=5.0)
    held = await pool.acquire(LATER)

    async def down_for_a_while() -> None:
        if time.monotonic() < up_at:
            raise ConnectionRefusedError

    server.behaviour = down_for_a_while
    up_at = time.monotonic() + 10 * SOON
    waiting = asyncio.create_task(pool.acquire(5 * LATER))
    await asyncio.sleep(SOON)
    fake(held).closed = True
    pool.release(held, sound=False)
    assert await waiting is not held


async def test_in_a_long_outage_nobody_waits_longer_than_in_a_queue(server: Server) -> None:
    async def refuse() -> None:
        raise ConnectionRefusedError

    server.behaviour = refuse
    pool = server.pool(wait=SOON, connect=0.4)
    with pytest.raises(PoolTimeoutError):
        await pool.acquire(LATER)
    began = time.monotonic()
    with pytest.raises(PoolTimeoutError):
        await pool.acquire(LATER)
    assert time.monotonic() - began < 0.3


def expired() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "certificate has expired"
    return error


@pytest.mark.parametrize("error", [expired(), asyncpg.InvalidPasswordError("no")])
async def test_what_never_gets_better_is_not_waited_for(server: Server, error: Exception) -> None:
    async def refuse() -> None:
        raise error

    server.behaviour = refuse
    began = time.monotonic()
    with pytest.raises(PoolTimeoutError) as caught:
        await server.pool().acquire(LATER)
    assert time.monotonic() - began < LATER / 2
    assert caught.value.__cause__ is error


async def test_the_first_attempts_are_short_so_that_a_lost_packet_costs_little(server: Server) -> None:
    async def refuse() -> None:
        if len(server.asked) < 5:
            raise TimeoutError

    server.behaviour = refuse
    pool = server.pool(connect=15.0)
    await pool.acquire(10.0)
    assert server.asked == [5.0, 10.0, 15.0, 15.0, 15.0]


async def test_closing_waits_for_those_in_use_and_then_cuts_them(server: Server) -> None:
    pool = server.pool(size=3)
    held, stuck = await pool.acquire(LATER), await pool.acquire(LATER)
    pool.release(await pool.acquire(LATER), sound=True)
    closing = asyncio.create_task(pool.close(4 * SOON))
    await asyncio.sleep(SOON)
    assert not closing.done()
    pool.release(held, sound=True)
    await closing
    assert all(made.closed for made in server.made)
    assert fake(stuck).closed
    with pytest.raises(PoolTimeoutError):
        await pool.acquire(LATER)


async def test_closing_turns_away_those_who_wait(server: Server) -> None:
    pool = server.pool(size=1)
    held = await pool.acquire(LATER)
    waiting = asyncio.create_task(pool.acquire(LATER))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(SOON, lambda: pool.release(held, sound=True))
    await pool.close(LATER)
    with pytest.raises(PoolTimeoutError):
        await waiting


def test_backoff_grows_is_capped_and_differs_each_time() -> None:
    for attempt, ceiling in ((1, 0.1), (2, 0.2), (3, 0.4), (5, 1.0), (50, 1.0)):
        delays = [backoff(attempt) for _ in range(200)]
        assert all(ceiling / 2 <= delay <= ceiling for delay in delays)
        assert len(set(delays)) > 100
