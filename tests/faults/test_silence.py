"""What says nothing: a connection that fell silent, somebody who holds a row and does not let go, a long outage.

The service of these tests is impatient, so that they need not be patient themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from ibex_devtools.neon import Fault
from ibex_devtools.sandbox import Cluster
from tests.faults.support.stage import Stage, ground_on, with_a_new_store
from tests.faults.support.table import Row
from tests.faults.support.till import Tally

POST = r"ibex\.post"
STATEMENT_SECONDS = 2.0
LOCK_SECONDS = 1.0
# What the machine may add when everything runs at once.
SLACK_SECONDS = 4.0
IMPATIENT = {
    "IBEX_STATEMENT_TIMEOUT_SECONDS": str(STATEMENT_SECONDS),
    "IBEX_LOCK_TIMEOUT_SECONDS": str(LOCK_SECONDS),
    "IBEX_POOL_WAIT_SECONDS": "1",
    "IBEX_POOL_SIZE": "4",
}


@pytest.fixture(scope="module")
async def impatient(
    cluster: Cluster,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,  # noqa: ARG001 (one event loop for the session)
) -> AsyncIterator[Stage]:
    async with ground_on(cluster, template_database, tmp_path_factory.mktemp("impatient"), settings=IMPATIENT) as made:
        yield made


@pytest.fixture
async def stage(impatient: Stage) -> Stage:
    return await with_a_new_store(impatient)


async def test_a_commit_whose_answer_never_comes_is_found_out_and_answered(
    stage: Stage, report: Callable[[Row], None]
) -> None:
    tally = Tally()
    till = stage.till(tally)
    for number in range(3):
        with stage.neon.arm(Fault.STALL_AFTER_COMMIT, times=1, statement=POST) as stalled:
            await till.sell(stage.sale(f"silent-{number}"), f"silent-{number}")
        assert stalled.count == 1
    assert tally.failures == {}
    assert tally.replayed == 3
    assert tally.slowest_seconds < STATEMENT_SECONDS + 1 + SLACK_SECONDS
    row = stage.row(f"silence after a commit (limit {STATEMENT_SECONDS:.0f} s)", tally, injected=3)
    assert (stage.books(tally).sales, row.lost, row.doubled) == (3, 0, 0)
    report(row)


async def test_a_statement_that_never_arrives_is_sent_again(stage: Stage) -> None:
    tally = Tally()
    till = stage.till(tally)
    with stage.neon.arm(Fault.STALL_BEFORE_COMMIT, times=1, statement=POST):
        await till.sell(stage.sale("lost"), "lost")
    with stage.neon.arm(Fault.STALL_STATEMENT, times=1, statement="FROM ibex.products"):
        response = await till.ask("GET", f"/v1/products/{stage.products[0]['id']}")
    assert response is not None
    assert response.status_code == 200
    assert tally.failures == {}
    assert stage.books(tally).sales == 1


async def test_without_a_key_nobody_knows_and_that_is_what_it_says(stage: Stage) -> None:
    tally = Tally()
    with stage.neon.arm(Fault.STALL_AFTER_COMMIT, times=1, statement=POST):
        await stage.till(tally).sell_once(stage.sale("unknown"), "unknown")
    assert tally.failures == {"503 outcome_unknown": 1}
    assert tally.slowest_seconds < STATEMENT_SECONDS + 1 + SLACK_SECONDS
    assert stage.books(tally).sales == 1


async def test_a_row_that_somebody_holds_is_a_503_in_time_and_only_for_those_who_need_it(
    stage: Stage, report: Callable[[Row], None]
) -> None:
    tally, meanwhile = Tally(), Tally()
    held, free = stage.products[0]["id"], stage.sale("free", lines=1, shift=1)
    administrator = await asyncpg.connect(**administrator_of(stage))
    transaction = administrator.transaction()
    await transaction.start()
    await administrator.execute(
        "SELECT 1 FROM ibex.products WHERE store_id = $1 AND id = $2 FOR UPDATE", stage.store_id, held
    )
    began = time.monotonic()
    stuck = asyncio.create_task(stage.till(tally).sell_once(stage.sale("stuck", lines=1), "stuck"))
    await asyncio.sleep(0.1)
    await stage.till(meanwhile).sell(free, "free")
    await stuck
    assert tally.failures == {"503 temporarily_unavailable": 1}
    assert LOCK_SECONDS * 0.9 < time.monotonic() - began < LOCK_SECONDS + SLACK_SECONDS
    assert meanwhile.slowest_seconds < LOCK_SECONDS + SLACK_SECONDS
    await transaction.rollback()
    await administrator.close()
    await stage.till(tally).sell(stage.sale("freed", lines=1), "freed")
    tally.confirmed |= meanwhile.confirmed
    row = stage.row(f"row held by another session (limit {LOCK_SECONDS:.0f} s)", tally, injected=1)
    assert (stage.books(tally).sales, row.lost) == (2, 0)
    report(row)


async def test_when_all_connections_are_stuck_those_who_wait_are_told_in_time(stage: Stage) -> None:
    tally = Tally()
    # All four connections are made before, so that none of the four below spends its time on connecting.
    path = f"/v1/products/{stage.products[0]['id']}"
    await asyncio.gather(*(stage.till(Tally()).ask("GET", path) for _ in range(4)))
    with stage.neon.arm(Fault.STALL_BEFORE_COMMIT, times=4, statement=POST) as stalled:
        stuck = [asyncio.create_task(stage.till(tally).sell_once(stage.sale(f"s{i}"), f"s{i}")) for i in range(4)]
        async with asyncio.timeout(STATEMENT_SECONDS + SLACK_SECONDS):
            await stalled.happened(4)
        waiting = Tally()
        response = await stage.till(waiting).ask("GET", f"/v1/products/{stage.products[0]['id']}")
        assert response is not None
        assert waiting.slowest_seconds < 1 + SLACK_SECONDS
        await asyncio.gather(*stuck)
    assert tally.failures == {"503 outcome_unknown": 4}
    # Nothing of the pool stays behind: four at once get through again.
    after = Tally()
    await asyncio.gather(*(stage.till(after).sell(stage.sale(f"a{i}"), f"a{i}") for i in range(4)))
    assert after.failures == {}
    assert stage.books(after).sales == 4


@pytest.mark.timeout(180)
async def test_a_long_outage_is_a_503_for_everybody_in_time_and_ends_when_it_ends(
    stage: Stage, full: bool, report: Callable[[Row], None]
) -> None:
    tally = Tally()
    seconds = 60.0 if full else 6.0
    ends = time.monotonic() + seconds

    async def ask_on(till_number: int) -> None:
        till = stage.till(tally)
        while time.monotonic() < ends:
            await till.ask("GET", f"/v1/products/{stage.products[till_number]['id']}")
            await asyncio.sleep(0.2)

    async with stage.neon.refusing():
        stage.neon.cut_all()
        await asyncio.gather(*(ask_on(number) for number in range(4)))
    over = time.monotonic()
    assert set(tally.failures) == {"503 temporarily_unavailable"}
    # At first the outage is bridged for as long as connecting may take; from then on nobody waits for long.
    assert tally.slowest_seconds < 15 + SLACK_SECONDS
    assert tally.answers[503, "temporarily_unavailable"] >= 4
    await stage.till(tally).sell(stage.sale("after"), "after")
    recovery = tally.first_good_after(over)
    assert recovery is not None
    assert recovery < SLACK_SECONDS
    row = stage.row(f"database away for {seconds:.0f} s", tally, injected=1, recovery_seconds=recovery)
    assert row.lost == 0
    report(row)


async def test_callers_who_leave_take_no_connection_with_them(stage: Stage) -> None:
    for _ in range(5):
        with stage.neon.arm(Fault.DELAY_STATEMENT, times=8, delay_seconds=0.3, statement=POST):
            body = {"json": stage.sale("gone"), "headers": {"authorization": f"Bearer {stage.token}"}}
            tasks = [asyncio.create_task(stage.http.post("/v1/sales", **body)) for _ in range(8)]  # type: ignore[arg-type]
            await asyncio.sleep(0.15)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    tally = Tally()
    await asyncio.gather(*(stage.till(tally).sell(stage.sale(f"n{i}"), f"n{i}") for i in range(8)))
    assert tally.failures == {}
    ours = "FROM pg_stat_activity WHERE datname = :'name' AND application_name = 'ibex'"
    busy, count = f"SELECT count(*) {ours} AND state <> 'idle';", f"SELECT count(*) <= 4 {ours};"
    name = {"name": stage.database}
    # Their requests are still finished; then nothing of them is left.
    for _ in range(50):
        if stage.cluster.execute(busy, name).strip() == "0":
            break
        await asyncio.sleep(0.1)
    assert stage.cluster.execute(busy, name).strip() == "0"
    assert stage.cluster.execute(count, name).strip() == "t"


def administrator_of(stage: Stage) -> dict[str, Any]:
    """A superuser's connection past the stand-in."""
    parts = urlsplit(stage.cluster.administrator_url(stage.database))
    return {
        "host": parts.hostname,
        "port": parts.port,
        "user": parts.username,
        "password": parts.password,
        "database": stage.database,
        "ssl": True,
    }
