"""More work than there is room for, and clients that take their time: what is accepted goes on as if nothing were."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import httpx
import pytest

from ibex_devtools.sandbox import Cluster
from tests.faults.support.stage import Stage, ground_on, with_a_new_store
from tests.faults.support.table import Row
from tests.faults.support.till import Tally

IN_FLIGHT: Final = 12
SETTINGS: Final = {"IBEX_MAX_IN_FLIGHT": str(IN_FLIGHT), "IBEX_POOL_SIZE": "4"}
HEADER_SECONDS: Final = 10.0
# The client of these tests runs on the same cores as the service.
PROMPT_SECONDS: Final = 2.0
# A process that has served its first requests may still grow a little: caches, and what the allocator keeps.
GROWTH_PERCENT: Final = 25


@pytest.fixture(scope="module")
async def small(
    cluster: Cluster,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,  # noqa: ARG001 (one event loop for the session)
) -> AsyncIterator[Stage]:
    async with ground_on(cluster, template_database, tmp_path_factory.mktemp("small"), settings=SETTINGS) as made:
        yield made


@pytest.fixture
async def stage(small: Stage) -> Stage:
    return await with_a_new_store(small)


def memory_kib(stage: Stage) -> int:
    """Resident memory of the service."""
    status = Path(f"/proc/{stage.service.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@contextlib.asynccontextmanager
async def connections(
    stage: Stage, number: int
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Plain connections to the service."""
    opened = [await asyncio.open_connection("127.0.0.1", stage.http.base_url.port) for _ in range(number)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def prompt_sales(stage: Stage, tally: Tally, number: int, name: str) -> None:
    """One after the other, each in time."""
    for i in range(number):
        began = time.monotonic()
        await stage.till(tally).sell(stage.sale(f"{name}-{i}"), f"{name}-{i}")
        assert time.monotonic() - began < PROMPT_SECONDS


async def test_more_than_it_can_do_is_refused_early_and_the_rest_is_served(
    stage: Stage, full: bool, report: Callable[[Row], None]
) -> None:
    tally = Tally()
    till = stage.till(tally)
    accepted: list[float] = []
    refused: list[float] = []

    async def ask(number: int) -> None:
        key = f"crowd-{number}"
        began = time.monotonic()
        response = await till.ask("POST", "/v1/sales", json=stage.sale(key, shift=number), key=key)
        assert response is not None
        (accepted if response.status_code == 201 else refused).append(time.monotonic() - began)
        if response.status_code == 201:
            tally.confirmed[key] = response.json()

    for wave in range(20 if full else 4):
        await asyncio.gather(*(ask(wave * 100 + number) for number in range(100)))
    assert set(tally.failures) <= {"503 overloaded"}
    assert accepted
    assert refused
    assert statistics.median(accepted) < PROMPT_SECONDS
    assert statistics.median(refused) < PROMPT_SECONDS
    row = stage.row(f"100 at once, {IN_FLIGHT} in flight allowed", tally, injected=len(refused))
    assert (stage.books(tally).sales, row.lost, row.doubled) == (len(accepted), 0, 0)
    report(row)


@pytest.mark.timeout(120)
async def test_slow_clients_and_many_connections_starve_nobody(stage: Stage, report: Callable[[Row], None]) -> None:
    tally = Tally()
    head = f"POST /v1/sales HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {stage.token}\r\n"
    body_head = head + "content-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
    async with connections(stage, 100) as silent, connections(stage, 50) as headers, connections(stage, 50) as bodies:
        for _, writer in headers:
            writer.write(head.encode())
        for _, writer in bodies:
            writer.write(body_head.encode() + b"x" * 10)
        began = time.monotonic()
        # They go on, a few bytes at a time; that alone keeps nobody here.
        while time.monotonic() - began < HEADER_SECONDS + 2:
            for _, writer in (*headers, *bodies):
                if not writer.transport.is_closing():
                    writer.write(b"x: y\r\n")
            await prompt_sales(stage, tally, 1, f"meanwhile-{len(tally.confirmed)}")
            await asyncio.sleep(0.3)
        await asyncio.sleep(0.5)
        kept = [reader for reader, _ in (*silent, *headers) if not (reader.at_eof() or reader.exception())]
        assert not kept, f"{len(kept)} slow connections are kept"
    row = stage.row("200 connections that say little", tally, injected=200)
    assert tally.failures == {}
    assert (row.lost, row.doubled) == (0, 0)
    report(row)


async def test_headers_without_an_end_are_cut_short(stage: Stage) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.http.base_url.port)
    writer.write(b"GET /health/live HTTP/1.1\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            writer.write(b"x-filler: " + b"x" * 1000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.002)
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), HEADER_SECONDS)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    writer.transport.abort()
    await prompt_sales(stage, Tally(), 1, "after-headers")


async def test_huge_bodies_are_refused_and_cost_no_memory(stage: Stage) -> None:
    await prompt_sales(stage, Tally(), 3, "before-bodies")
    before = memory_kib(stage)
    headers = {"authorization": f"Bearer {stage.token}", "content-type": "application/json"}

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 100_000

    async def send(content: object) -> int:
        try:
            response = await stage.http.post("/v1/sales", content=content, headers=headers, timeout=30)  # type: ignore[arg-type]
        except httpx.TransportError:  # cut off while it still sent: refused all the same
            return 413
        return response.status_code

    announced = await asyncio.gather(*(send(b" " * 5_000_000) for _ in range(4)))
    streamed = await asyncio.gather(*(send(chunks()) for _ in range(4)))
    assert set(announced) | set(streamed) <= {413, 503}
    assert memory_kib(stage) < before * (1 + GROWTH_PERCENT / 100) + 20_000
    await prompt_sales(stage, Tally(), 1, "after-bodies")


@pytest.mark.timeout(900)
async def test_memory_is_flat_over_a_soak(stage: Stage, full: bool, report: Callable[[Row], None]) -> None:
    seconds = 600 if full else 6
    tally = Tally()
    ends = time.monotonic() + seconds
    await prompt_sales(stage, tally, 20, "warm")
    serial = iter(range(10**9))

    async def sell_on() -> None:
        till = stage.till(tally)
        while time.monotonic() < ends:
            key = f"soak-{next(serial)}"
            await till.sell(stage.sale(key), key)
            await till.ask("GET", "/v1/ledger?limit=20")

    workers = [asyncio.create_task(sell_on()) for _ in range(6)]
    # What is grown in the first sixth is caches; from there on there is nothing to grow.
    await asyncio.sleep(seconds / 6)
    before = memory_kib(stage)
    await asyncio.gather(*workers)
    after = memory_kib(stage)
    assert after < before * (1 + GROWTH_PERCENT / 100), f"{before} KiB, then {after} KiB"
    name = f"soak of {seconds} s: {before / 1024:.0f} MiB after a sixth of it, {after / 1024:.0f} MiB at its end"
    row = stage.row(name, tally, injected=0)
    assert tally.failures == {}
    assert (row.lost, row.doubled) == (0, 0)
    report(row)
