"""The same through a pooler in transaction mode, for those who must use one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ibex_devtools.neon import Fault, PgBouncer
from ibex_devtools.sandbox import Cluster
from tests.faults.support.stage import ground_on, with_a_new_store
from tests.faults.support.table import Row
from tests.faults.support.till import Tally


@pytest.mark.timeout(300)
async def test_sales_through_a_pooler_with_cuts_around_commits(
    cluster: Cluster,
    template_database: str,
    tmp_path: Path,
    pooler: PgBouncer,
    full: bool,
    report: Callable[[Row], None],
    asyncpg_leavings: None,  # noqa: ARG001 (its handler is what is wanted)
) -> None:
    sales = 500 if full else 60
    tally = Tally()
    async with ground_on(cluster, template_database, tmp_path, pooler=pooler) as ground:
        stage = await with_a_new_store(ground)
        keys = iter([f"pooled-{number}" for number in range(sales)])

        async def sell_on() -> None:
            till = stage.till(tally)
            for number, key in enumerate(keys):
                await till.sell(stage.sale(key, shift=number), key)

        with (
            stage.neon.arm(Fault.CUT_BEFORE_COMMIT, times=None, probability=0.2, statement=r"ibex\.post") as before,
            stage.neon.arm(Fault.CUT_AFTER_COMMIT, times=None, probability=0.2, statement=r"ibex\.post") as after,
        ):
            await asyncio.gather(*(sell_on() for _ in range(4)))
        assert any(injected.finished for injected in after.injected)
        row = stage.row("the same, through PgBouncer", tally, injected=before.count + after.count)
        assert (stage.books(tally).sales, row.lost, row.doubled) == (sales, 0, 0)
        report(row)
