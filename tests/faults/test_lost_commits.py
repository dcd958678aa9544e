"""Connections cut around commits, while tills sell: every sale is in the books once, whatever they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ibex_devtools.neon import Fault
from tests.faults.support.stage import Stage
from tests.faults.support.table import Row
from tests.faults.support.till import Tally

TILLS = 8
POST = r"ibex\.post"


@pytest.mark.timeout(600)
async def test_sales_with_cuts_before_and_after_commits_and_in_answers(
    stage: Stage, full: bool, report: Callable[[Row], None]
) -> None:
    sales = 1000 if full else 200
    tally = Tally()
    keys = iter([f"cut-{number}" for number in range(sales)])

    async def sell_on() -> None:
        till = stage.till(tally)
        for number, key in enumerate(keys):
            await till.sell(stage.sale(key, shift=number), key)

    neon = stage.neon
    with (
        neon.arm(Fault.CUT_BEFORE_COMMIT, times=None, probability=0.08, statement=POST) as before,
        neon.arm(Fault.CUT_AFTER_COMMIT, times=None, probability=0.08, statement=POST) as after,
        neon.arm(Fault.CUT_AFTER_COMMIT, times=None, probability=0.05, statement=POST, reset=True) as reset,
        neon.arm(Fault.CUT_ANSWER, times=None, probability=0.05, statement=POST, answer_bytes=30) as answers,
        # The look-up of the first answer may be cut as well.
        neon.arm(Fault.CUT_STATEMENT, times=None, probability=0.3, statement="idempotency_keys") as recalls,
    ):
        await asyncio.gather(*(sell_on() for _ in range(TILLS)))
    happened = [injected for one in (after, reset) for injected in one.injected if injected.finished]
    assert len(happened) > sales / 20, "hardly any commit was cut off from its answer"
    assert recalls.count > 0
    assert tally.replayed > 0
    injected = sum(one.count for one in (before, after, reset, answers, recalls))
    row = stage.row("connection cut around a commit", tally, injected=injected)
    found = stage.books(tally)
    assert (found.sales, row.lost, row.doubled) == (sales, 0, 0)
    assert len({document["number"] for document in tally.confirmed.values()}) == sales
    report(row)


async def test_a_sale_without_a_key_is_never_sent_twice_and_says_what_is_known(
    stage: Stage, report: Callable[[Row], None]
) -> None:
    tally, neon = Tally(), stage.neon
    till = stage.till(tally)
    with neon.arm(Fault.CUT_AFTER_COMMIT, times=5, statement=POST) as after:
        for number in range(5):
            await till.sell_once(stage.sale(f"after-{number}"), f"after-{number}")
    with neon.arm(Fault.CUT_BEFORE_COMMIT, times=5, statement=POST) as before:
        for number in range(5):
            await till.sell_once(stage.sale(f"before-{number}"), f"before-{number}")
    # The service cannot tell the two apart, and says so.
    assert len(tally.uncertain) == 10
    assert tally.failures == {"503 outcome_unknown": 10}
    row = stage.row("commit cut, sale without a key", tally, injected=after.count + before.count)
    assert stage.books(tally).sales == 5
    assert (row.lost, row.doubled) == (0, 0)
    report(row)


async def test_a_connection_that_was_closed_while_it_rested_costs_nobody_anything(
    stage: Stage, report: Callable[[Row], None]
) -> None:
    tally, neon = Tally(), stage.neon
    till = stage.till(tally)
    for number in range(10):
        await till.sell_once(stage.sale(f"idle-{number}"), f"idle-{number}")
        # The end of the connection is there before the next request is.
        assert neon.cut_all(idle_only=True, reset=number % 2 == 1) > 0
        await asyncio.sleep(0.05)
    assert tally.failures == {}
    assert not tally.uncertain
    row = stage.row("idle connections closed", tally, injected=10, recovery_seconds=0.0)
    assert (stage.books(tally).sales, row.lost, row.doubled) == (10, 0, 0)
    report(row)


async def test_told_that_the_database_ends_but_not_closed_yet_nothing_was_sent_and_it_goes_on(stage: Stage) -> None:
    tally = Tally()
    till = stage.till(tally)
    await till.sell_once(stage.sale("told-0"), "told-0")
    for number in range(1, 6):
        stage.neon.suspend(linger_seconds=5.0)
        await asyncio.sleep(0.05)
        await till.sell_once(stage.sale(f"told-{number}"), f"told-{number}")
    assert tally.failures == {}
    assert stage.books(tally).sales == 6
