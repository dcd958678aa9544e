"""Random shops over the real API: whatever happens in them, the books are right afterwards."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.api.client import Service, open_shop
from tests.api.stateful.checks import CHECKS, DIFFERENCES
from tests.api.stateful.offline import Offline
from tests.api.stateful.paying import Paying
from tests.api.stateful.returning import Returning
from tests.api.stateful.selling import Selling
from tests.api.stateful.world import World


class ShopMachine(Selling, Paying, Returning, Offline):
    """All the rules. Add a class of yours."""

    def teardown(self) -> None:
        """The course of trade is over: everything must add up."""
        if hasattr(self.world, "shop"):
            for check in CHECKS:
                self.world.do(check(self.world))


@pytest.mark.timeout(600)
async def test_random_shops_keep_their_books(service: Service, request: pytest.FixtureRequest) -> None:
    thorough = request.config.getoption("--faults") == "full"
    loop = asyncio.get_running_loop()

    class Machine(ShopMachine):
        make_world = staticmethod(lambda: World(service, loop))

    chosen = settings(
        max_examples=60 if thorough else 8,
        stateful_step_count=50 if thorough else 30,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if thorough else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    # In a thread: the machine waits for each answer, and the service answers in this event loop.
    await asyncio.to_thread(run_state_machine_as_test, Machine, settings=chosen)


@pytest.mark.parametrize(
    ("damage", "noticed"),
    [
        ("UPDATE ibex.products SET stock = stock + 1", "stock is the sum of its movements, and their balances run"),
        ("UPDATE ibex.invoices SET paid = paid - 1, status = 'UNPAID'", "what is paid and credited"),
        ("UPDATE ibex.store_counters SET receipt_number = receipt_number + 1", "numbers have no gaps"),
        ("DELETE FROM ibex.ledger_entries WHERE type = 'SALE' AND store_id = $1", "an invoice's SALE entry"),
        ("UPDATE ibex.credit_notes SET total = total + 1, rounding = rounding + 1", "a credit note's entry"),
        ("UPDATE ibex.invoice_lines SET returned = returned + 1", "a line's returns"),
        ("UPDATE ibex.ledger_entries SET customer_balance = customer_balance + 1", "a customer's running balance"),
        ("UPDATE ibex.ledger_entries SET credit = credit + 1 WHERE type = 'RECEIPT' AND store_id = $1", "money in"),
    ],
)
async def test_the_checks_notice_damage(service: Service, damage: str, noticed: str) -> None:
    shop = await open_shop(service)
    product, customer = await shop.make_product(), await shop.make_customer()
    sale = await shop.sell([(product, "3")], method="CARD", customer_id=customer["id"])
    back = {"lines": [{"line_no": 1, "quantity": "1"}], "refund_method": "CARD"}
    await shop.api.post(f"/v1/invoices/{sale['id']}/credit-notes", back)
    for name, statement in DIFFERENCES.items():
        assert await shop.rows(statement) == [], name
    statement = damage if "$1" in damage else f"{damage} WHERE store_id = $1"
    table = next(word for word in statement.split() if word.startswith("ibex."))
    async with shop.service.database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            # Past the triggers that refuse it, as only the tables' owner can.
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            await connection.execute(statement, shop.store_id)
            found = [name for name, check in DIFFERENCES.items() if await connection.fetch(check, shop.store_id)]
        finally:
            await transaction.rollback()
    assert any(name.startswith(noticed) for name in found), found
