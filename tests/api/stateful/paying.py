"""Money for what is owed: one invoice, or many with one receipt; and money on account, paid back."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.api.stateful.world import PICK, Rules

MONEY = st.sampled_from(["CASH", "CARD", "TRANSFER"])


class Paying(Rules):
    """Rules of paying."""

    @rule(which=PICK, method=MONEY, part=st.sampled_from([1, 2, 3]))
    def pay(self, which: int, method: str, part: int) -> None:
        """All of what is owed for an invoice, or a part of it."""
        known = self.world.pick(self.world.invoices, which)
        path = f"/v1/invoices/{known['id']}"
        owed = Decimal(self.world.get(path)["outstanding"])
        amount = self.world.amount(owed / part)
        paid = self.world.post(
            f"{path}/payments",
            {"payment_method": method, "amount": amount},
            refusals=frozenset(
                {"invalid_transition"} if owed == 0 else {"invalid_value"} if Decimal(amount) == 0 else ()
            ),
        )
        if paid is not None:
            assert Decimal(paid["outstanding"]) == owed - Decimal(amount)

    @rule(whose=PICK, method=MONEY, steps=st.integers(1, 5000), keep=st.booleans())
    def settle(self, whose: int, method: str, steps: int, keep: bool) -> None:
        """One receipt for all that a customer owes, oldest first; what is beyond it is kept, or refused."""
        customer = self.world.pick(self.world.customers, whose)
        path = f"/v1/customers/{customer['id']}"
        before = self.world.get(path)
        amount = self.world.price(steps)
        body = {"payments": [{"method": method, "amount": amount}], "keep_overpayment": keep}
        receipt = self.world.post(
            f"{path}/receipts", body, refusals=frozenset() if keep else frozenset({"overpayment", "invalid_transition"})
        )
        if receipt is not None:
            assert Decimal(self.world.get(path)["balance"]) == Decimal(before["balance"]) - Decimal(amount)

    @rule(whose=PICK, method=MONEY)
    def pay_out(self, whose: int, method: str) -> None:
        """All that a customer has on account."""
        customer = self.world.pick(self.world.customers, whose)
        path = f"/v1/customers/{customer['id']}"
        refusals = frozenset({"insufficient_account_credit", "credit_limit_exceeded"})
        if self.world.post(f"{path}/refunds", {"method": method}, refusals=refusals) is not None:
            assert Decimal(self.world.get(path)["account_credit"]) == 0
