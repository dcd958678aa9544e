"""Tills that were offline, and stock that is set right afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from ibex.adapters.system import Uuid7Source
from tests.api.client import Json
from tests.api.stateful.world import PICK, PIECES, Rules

_IDS = Uuid7Source()


class Offline(Rules):
    """Rules of offline tills."""

    def __init__(self) -> None:
        super().__init__()
        self._sent: list[Json] = []

    @rule(
        baskets=st.lists(st.tuples(PICK, PIECES, st.integers(0, 900), PICK), min_size=1, max_size=5),
        again=st.lists(PICK, max_size=3),
        credit=st.booleans(),
        turned=st.booleans(),
    )
    def send(self, baskets: list[tuple[int, str, int, int]], again: list[int], credit: bool, turned: bool) -> None:
        """New sales, and some that were sent before: the former are created, the latter known, in any order."""
        world = self.world
        new = [self._sale(basket, credit) for basket in baskets]
        old = [self._sent[which % len(self._sent)] for which in again] if self._sent else []
        items = [*old, *new] if turned else [*new, *old]
        answer = world.post("/v1/sales/batch", {"items": items}, status=200)
        assert answer is not None
        fresh = {sale["id"] for sale in new}
        for one in answer["items"]:
            assert one["result"] == ("created" if one["id"] in fresh else "exists"), one
            if one["id"] in fresh:
                invoice = world.get(f"/v1/invoices/{one['id']}")
                assert (invoice["number"], invoice["total"]) == (one["number"], one["total"])
                world.issued(invoice)
        self._sent += new

    @rule(which=PICK, counted=st.integers(0, 60))
    def count(self, which: int, counted: int) -> None:
        """What is on the shelf, whatever the books said."""
        product = self.world.pick(self.world.products, which)
        path = f"/v1/products/{product['id']}"
        moved = self.world.post(
            f"{path}/stock-movements", {"kind": "COUNTED", "quantity": str(counted), "reason": "count"}
        )
        assert moved is not None
        self.world.stock[product["id"]] = Decimal(counted)
        assert self.world.get(path)["oversold"] is False

    def _sale(self, basket: tuple[int, str, int, int], credit: bool) -> Json:
        which, quantity, steps, whose = basket
        product = self.world.pick(self.world.products, which)
        customer = self.world.pick(self.world.customers, whose)
        line = {"product_id": product["id"], "quantity": quantity, "unit_price": self.world.price(steps)}
        sale: Json = {
            "id": str(UUID(str(_IDS.new()))),
            "occurred_at": datetime.now(UTC).isoformat(),
            "lines": [line],
            "payment_method": "CREDIT" if credit else "CASH",
        }
        return sale | ({"customer_id": customer["id"]} if credit else {})
