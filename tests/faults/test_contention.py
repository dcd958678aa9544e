"""Everybody at once on the same few rows: deadlocks and failed serializations are the service's business alone."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import pytest

from tests.faults.support.stage import Stage
from tests.faults.support.table import Row
from tests.faults.support.till import Json, Tally, Till

# What a shop refuses for reasons of its own when two people want different things.
REFUSALS: Final = frozenset(
    {
        "concurrent_change",
        "product_changed",
        "invalid_transition",
        "insufficient_stock",
        "return_exceeds_sale",
        "overpayment",
        "precondition_failed",
        "request_in_progress",
    }
)
DEADLOCKS: Final = "SELECT deadlocks FROM pg_stat_database WHERE datname = :'name';"
PRODUCTS: Final = 3


class Crowd:
    """Workers that never agree on an order."""

    def __init__(self, stage: Stage, tally: Tally, customer: Json) -> None:
        self._stage = stage
        self._tally = tally
        self._customer = customer
        self._recent: list[Json] = []
        self._chance = random.Random(7)
        self._serial = iter(range(10**9))
        self.done: dict[str, int] = {}

    async def work(self, until: float) -> None:
        """One thing after the other, at random."""
        till = self._stage.till(self._tally)
        while time.monotonic() < until:
            name = self._chance.choice(("sell", "sell", "sell", "draft", "pay", "count", "price", "give_back"))
            response = await getattr(self, name)(till)
            if response is not None and response.status_code < 400:
                self.done[name] = self.done.get(name, 0) + 1
            elif response is not None:
                assert response.json()["code"] in REFUSALS, f"{name}: {response.text}"

    def _lines(self) -> list[Json]:
        chosen = self._stage.products[:PRODUCTS]
        self._chance.shuffle(chosen)
        return [{"product_id": product["id"], "quantity": "1"} for product in chosen]

    async def sell(self, till: Till) -> object:
        """On credit to one and the same customer, the products in any order."""
        key = f"crowd-{next(self._serial)}"
        body = {"lines": self._lines(), "payment_method": "CREDIT", "customer_id": self._customer["id"], "note": key}
        response = await till.ask("POST", "/v1/sales", json=body, key=key)
        if response is not None and response.status_code == 201:
            self._tally.confirmed[key] = response.json()
            self._recent = [*self._recent[-20:], response.json()]
        return response

    async def draft(self, till: Till) -> object:
        """A draft that is issued and cancelled in the same moment."""
        note = f"draft-{next(self._serial)}"
        body = {"lines": self._lines(), "customer_id": self._customer["id"], "note": note}
        made = await till.ask("POST", "/v1/invoices", json=body, key=note)
        if made is None or made.status_code != 201:
            return made
        path = f"/v1/invoices/{made.json()['id']}"
        issued, _ = await asyncio.gather(
            till.ask("POST", f"{path}/issue", json={"payment_method": "CREDIT"}), till.ask("POST", f"{path}/cancel")
        )
        if issued is not None and issued.status_code < 300:
            self._tally.confirmed[note] = issued.json()
        return issued

    async def pay(self, till: Till) -> object:
        """A part of what is owed on a recent sale."""
        if not self._recent:
            return None
        path = f"/v1/invoices/{self._chance.choice(self._recent)['id']}/payments"
        return await till.ask("POST", path, json={"payment_method": "CASH", "amount": "1.00"})

    async def count(self, till: Till) -> object:
        """A count of all of them, in another order."""
        lines = [{"product_id": line["product_id"], "counted": "100000"} for line in self._lines()]
        return await till.ask("POST", "/v1/stock-counts", json={"lines": lines})

    async def price(self, till: Till) -> object:
        """Another price, so that sales in flight are priced again."""
        product = self._chance.choice(self._stage.products[:PRODUCTS])
        price = f"{self._chance.randint(1, 9)}.50"
        return await till.ask("PATCH", f"/v1/products/{product['id']}", json={"unit_price": price})

    async def give_back(self, till: Till) -> object:
        """One piece of a recent sale comes back."""
        if not self._recent:
            return None
        path = f"/v1/invoices/{self._chance.choice(self._recent)['id']}/credit-notes"
        return await till.ask("POST", path, json={"lines": [{"line_no": 1, "quantity": "1"}], "reason": "not ripe"})


@pytest.mark.timeout(300)
async def test_no_deadlock_and_no_failed_serialization_reaches_a_caller(
    stage: Stage, full: bool, report: Callable[[Row], None]
) -> None:
    tally = Tally()
    till = stage.till(Tally())
    made = await till.ask("POST", "/v1/customers", json={"name": "Everybody"})
    assert made is not None
    crowd = Crowd(stage, tally, made.json())
    until = time.monotonic() + (60 if full else 4)
    await asyncio.gather(*(crowd.work(until) for _ in range(16)))
    assert tally.failures == {}
    missing = {"sell", "draft", "pay", "count", "price", "give_back"} - set(crowd.done)
    assert not missing, f"never succeeded: {missing}"
    # Avoided by the order in which rows are locked, and not only hidden by trying again: each would cost a second.
    assert stage.cluster.execute(DEADLOCKS, {"name": stage.database}).strip() == "0"
    row = stage.row("16 workers on 3 products, in any order", tally, injected=tally.requests)
    assert (row.lost, row.doubled) == (0, 0)
    report(row)
