"""Sales at once, on credit and by way of drafts."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.api.client import Json
from tests.api.stateful.world import MANY, PICK, PIECES, Rules

SALE_REFUSALS: Final = frozenset({"insufficient_stock", "credit_limit_exceeded", "insufficient_account_credit"})
BASKETS: Final = st.lists(st.tuples(PICK, PIECES), min_size=1, max_size=4)
DISCOUNTS: Final = st.none() | st.sampled_from(["5", "33.3", "100"])
METHODS: Final = st.sampled_from(["CASH", "CARD", "TRANSFER", "CREDIT", "CARD+CREDIT", "ACCOUNT"])


class Selling(Rules):
    """Rules of selling."""

    @rule(basket=BASKETS, method=METHODS, whose=PICK)
    def sell_plainly(self, basket: list[tuple[int, str]], method: str, whose: int) -> None:
        """A sale without discounts."""
        self.sell(basket, None, None, method, whose)

    @rule(basket=BASKETS, whose=PICK)
    def sell_on_credit(self, basket: list[tuple[int, str]], whose: int) -> None:
        """A sale that a customer owes."""
        self.sell(basket, None, None, "CREDIT", whose)

    @rule(basket=BASKETS, off=DISCOUNTS, line_off=DISCOUNTS, method=METHODS, whose=PICK)
    def sell(
        self, basket: list[tuple[int, str]], off: str | None, line_off: str | None, method: str, whose: int
    ) -> None:
        """A sale in one step; what a quote says is what it comes to."""
        body = self._body(basket, off, line_off, method)
        quoted: Json = {
            name: body[name] for name in ("lines", "discount", "payment_method", "payments") if name in body
        }
        quote = self.world.post("/v1/sales/quote", quoted, status=200) if "ACCOUNT" not in method else None
        if quote is not None:
            self.world.done.pop()  # a quote is no effect, and is not kept under a key
        sale = self.world.post("/v1/sales", body | self._customer(method, whose), refusals=SALE_REFUSALS)
        if sale is None:
            return
        self.world.issued(sale)
        if quote is not None:
            for name in ("net_total", "tax_total", "rounding", "total", "taxes", "lines"):
                assert sale[name] == quote[name], name

    @precondition(lambda self: len(self.world.drafts) < MANY)
    @rule(basket=BASKETS, off=DISCOUNTS, whose=PICK)
    def draft(self, basket: list[tuple[int, str]], off: str | None, whose: int) -> None:
        """A draft, which moves nothing."""
        body = self._body(basket, off, None, "CASH") | self._customer("CREDIT", whose)
        draft = self.world.post("/v1/invoices", {n: v for n, v in body.items() if n != "payment_method"})
        assert draft is not None
        self.world.drafts.append(draft)

    @precondition(lambda self: self.world.drafts)
    @rule(which=PICK, method=st.sampled_from(["CASH", "CREDIT"]), give_up=st.booleans())
    def finish_draft(self, which: int, method: str, give_up: bool) -> None:
        """Issues a draft, or gives it up."""
        draft = self.world.pick(self.world.drafts, which)
        path = f"/v1/invoices/{draft['id']}"
        if give_up:
            assert self.world.post(f"{path}/cancel", {}, status=200) is not None
            self.world.drafts.remove(draft)
            return
        issued = self.world.post(f"{path}/issue", {"payment_method": method}, refusals=SALE_REFUSALS, status=200)
        if issued is not None:
            self.world.drafts.remove(draft)
            self.world.issued(issued)

    def _body(self, basket: list[tuple[int, str]], off: str | None, line_off: str | None, method: str) -> Json:
        lines: list[Json] = []
        for which, quantity in basket:
            product = self.world.pick(self.world.products, which)
            lines.append({"product_id": product["id"], "quantity": quantity})
        if line_off is not None:
            lines[0]["discount"] = {"percent": line_off}
        body: Json = {"lines": lines}
        if off is not None:
            body["discount"] = {"percent": off}
        if method == "CARD+CREDIT":
            # The smallest amount by card, the rest on credit; a sale for nothing takes no payment of something.
            smallest = self.world.price(1)
            free = all(Decimal(p["unit_price"]) == 0 for p in self.world.products) or "100" in (off, line_off)
            body["payments"] = (
                [{"method": "CREDIT"}]
                if free or self._small(lines)
                else [
                    {"method": "CARD", "amount": smallest},
                    {"method": "CREDIT"},
                ]
            )
        else:
            body["payment_method"] = method
        return body

    def _small(self, lines: list[Json]) -> bool:
        prices = {p["id"]: Decimal(p["unit_price"]) for p in self.world.products}
        worth = sum((prices[line["product_id"]] * Decimal(line["quantity"]) for line in lines), Decimal(0))
        return worth < 10 * self.world.currency.step

    def _customer(self, method: str, whose: int) -> Json:
        if method in ("CASH", "CARD"):
            return {}
        customer = self.world.pick(self.world.customers, whose)
        return {"customer_id": customer["id"]}
