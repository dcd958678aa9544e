"""Goods that come back."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.api.stateful.world import PICK, PIECES, Rules

WAYS = st.sampled_from(["CASH", "CARD", "ACCOUNT"])
PRICES = st.none() | st.integers(0, 900)
DISPOSITIONS = st.sampled_from(["RESTOCKED", "WRITTEN_OFF"])


class Returning(Rules):
    """Rules of returning."""

    loose = 0
    """Returns without an invoice, so far: a few are enough, and they always succeed."""

    @rule(which=PICK, line=PICK, way=WAYS)
    def give_one_back(self, which: int, line: int, way: str) -> None:
        """One of a line."""
        self.give_back(which, line, "1", way, "RESTOCKED")

    @rule(which=PICK, line=PICK, quantity=PIECES, way=WAYS, disposition=DISPOSITIONS)
    def give_back(self, which: int, line: int, quantity: str, way: str, disposition: str) -> None:
        """Some of a line, never more than there is left of it."""
        known = self.world.pick(self.world.invoices, which)
        path = f"/v1/invoices/{known['id']}"
        invoice = self.world.get(path)
        sold = invoice["lines"][line % len(invoice["lines"])]
        left = Decimal(sold["quantity"]) - Decimal(sold["returned"])
        part = {"line_no": sold["line_no"], "quantity": quantity, "disposition": disposition}
        way = way if known["customer_id"] or way != "ACCOUNT" else "CASH"
        too_much = Decimal(quantity) > left
        note = self.world.post(
            f"{path}/credit-notes",
            {"lines": [part], "refund_method": way},
            refusals=frozenset({"return_exceeds_sale"} if too_much else ()),
        )
        assert (note is None) == too_much
        if note is None:
            return
        self.world.restocked(note)
        after = self.world.get(path)
        assert Decimal(after["credited"]) == Decimal(invoice["credited"]) + Decimal(note["total"])
        assert Decimal(after["paid"]) == Decimal(invoice["paid"]) - Decimal(note["refunded"])
        assert Decimal(note["settled"]) <= Decimal(invoice["outstanding"])

    @rule(which=PICK, way=WAYS, disposition=DISPOSITIONS)
    def void(self, which: int, way: str, disposition: str) -> None:
        """All that is left of an invoice, after which all of it is credited."""
        known = self.world.pick(self.world.invoices, which)
        path = f"/v1/invoices/{known['id']}"
        lines = self.world.get(path)["lines"]
        nothing_left = all(Decimal(line["quantity"]) == Decimal(line["returned"]) for line in lines)
        way = way if known["customer_id"] or way != "ACCOUNT" else "CASH"
        note = self.world.post(
            f"{path}/void",
            {"refund_method": way, "disposition": disposition},
            refusals=frozenset({"invalid_transition"} if nothing_left else ()),
        )
        assert (note is None) == nothing_left
        if note is not None:
            self.world.restocked(note)
            after = self.world.get(path)
            assert (after["credited"], after["status"]) == (after["total"], "PAID")
            assert Decimal(after["paid"]) == 0

    @rule(
        which=PICK,
        quantity=PIECES,
        steps=st.none() | st.integers(0, 900),
        way=WAYS,
        disposition=DISPOSITIONS,
        whose=PICK,
    )
    def give_back_without_invoice(
        self, which: int, quantity: str, steps: int | None, way: str, disposition: str, whose: int
    ) -> None:
        """Goods whose invoice nobody has."""
        product, customer = (
            self.world.pick(self.world.products, which),
            self.world.pick(self.world.customers, whose),
        )
        line = {"product_id": product["id"], "quantity": quantity, "disposition": disposition}
        if steps is not None:
            line["unit_price"] = self.world.price(steps)
        body = {"lines": [line], "refund_method": way, "reason": "receipt lost"}
        if way == "ACCOUNT":
            body["customer_id"] = customer["id"]
        self.loose += 1
        note = self.world.post("/v1/credit-notes", body)
        assert note is not None
        self.world.restocked(note)
