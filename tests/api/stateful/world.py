"""A shop that random rules act on, over the real API, and what the test itself knows of it.

Rules come in small classes, one for each area (`selling.py`, `returning.py`, ...), each derived from `Rules`. Add a
class for yours to ShopMachine in tests/api/test_stateful_shop.py, and what must always hold to `checks.CHECKS`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ibex.domain.shared.money import Currency
from tests.api.client import Json, Service, Shop, open_shop

T = TypeVar("T")
SECONDS: Final = 60.0
PICK: Final = st.integers(0, 999)
"""Which of the things that there are: taken modulo their number, so that it means something whatever came before."""
MANY: Final = 4
PIECES: Final = st.sampled_from(["1", "2", "3", "0.5", "1.125"])


class World:
    """The shop under test, spoken to from the state machine's thread."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._keys = itertools.count(1)
        self.shop: Shop
        self.currency: Currency
        self.products: list[Json] = []
        self.customers: list[Json] = []
        self.drafts: list[Json] = []
        self.invoices: list[Json] = []
        """Issued, as they were answered then: read again for their state now."""
        self.stock: dict[str, Decimal] = {}
        """By product: what the test itself reckons there is."""
        self.done: list[tuple[str, Json, str, bytes]] = []
        """POSTs that succeeded: path, body, key and answer, to be sent again."""

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it where the service runs, and waits."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    def open(self, **fields: Any) -> None:
        """A new, empty shop."""
        self.shop = self.do(open_shop(self._service, **fields))
        self.currency = Currency(fields.get("currency", "EUR"))

    def price(self, steps: int) -> str:
        """A price of so many of the currency's smallest amounts."""
        return f"{self.currency.step * steps:f}"

    def amount(self, value: Decimal) -> str:
        """An amount at the currency's exponent."""
        return f"{self.currency.round(value):f}"

    def pick(self, things: Sequence[Json], which: int) -> Json:
        """One of them; there must be one."""
        return things[which % len(things)]

    def post(self, path: str, body: Json, *, refusals: frozenset[str] = frozenset(), status: int = 201) -> Json | None:
        """The answer, or None if it was refused for one of these reasons. Any other refusal fails the test."""
        key = f"key-{next(self._keys)}"
        answer = self.do(self.shop.api.request("POST", path, json=body, key=key))
        if answer.status_code >= 400:
            problem: Json = answer.json()
            assert problem["code"] in refusals, (path, body, problem)
            return None
        assert answer.status_code == status, answer.text
        self.done.append((path, body, key, answer.content))
        made: Json = answer.json()
        return made

    def get(self, path: str) -> Json:
        """What is there now."""
        found: Json = self.do(self.shop.api.get(path))
        return found

    def issued(self, invoice: Json) -> None:
        """An invoice was issued: its goods have left."""
        self.invoices.append(invoice)
        for line in invoice["lines"]:
            self.stock[line["product_id"]] -= Decimal(line["quantity"])

    def restocked(self, note: Json) -> None:
        """A credit note was issued: what is not written off is back."""
        for line in note["lines"]:
            if line["disposition"] == "RESTOCKED":
                self.stock[line["product_id"]] += Decimal(line["quantity"])


class Rules(RuleBasedStateMachine):
    """What every shop has: products, customers, and an impatient client."""

    make_world: Callable[[], World]
    """Set by the test before the machine runs."""

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()

    @initialize(
        currency=st.sampled_from(["EUR", "CHF", "JPY", "KWD"]), included=st.booleans(), steps=st.sampled_from([0, 5])
    )
    def open(self, currency: str, included: bool, steps: int) -> None:
        """A shop with two products and a customer."""
        rounding = Currency(currency).step * steps
        self.world.open(currency=currency, prices_include_tax=included, cash_rounding=rounding)
        self.add_product(399, "22")
        self.add_product(105, "4")
        self.add_customer(None)
        for payment in ({"payment_method": "CASH"}, {"payment_method": "CREDIT"}):
            lines = [{"product_id": p["id"], "quantity": q} for p, q in zip(self.world.products, "52", strict=True)]
            body: Json = {"lines": lines, "customer_id": self.world.customers[0]["id"]} | payment
            sale = self.world.post("/v1/sales", body)
            assert sale is not None
            self.world.issued(sale)

    @precondition(lambda self: len(self.world.products) < MANY)
    @rule(steps=st.integers(0, 2500), rate=st.sampled_from(["0", "4", "8.1", "22"]))
    def add_product(self, steps: int, rate: str) -> None:
        """A product at so many of the currency's smallest amounts."""
        world = self.world
        number = len(world.products) + 1
        body = {"sku": f"P{number}", "name": f"Product {number}", "unit_price": world.price(steps), "tax_rate": rate}
        product = world.post("/v1/products", body | {"stock": "40"})
        assert product is not None
        world.products.append(product)
        world.stock[product["id"]] = Decimal(40)

    @precondition(lambda self: len(self.world.customers) < MANY)
    @rule(limit=st.none() | st.integers(0, 9000))
    def add_customer(self, limit: int | None) -> None:
        """A customer, perhaps with a credit limit."""
        world = self.world
        body = {"name": f"Customer {len(world.customers) + 1}"}
        customer = world.post("/v1/customers", body if limit is None else body | {"credit_limit": world.price(limit)})
        assert customer is not None
        world.customers.append(customer)

    @rule(which=PICK)
    def repeat(self, which: int) -> None:
        """A client that did not get its answer asks again, with the same key: the same answer, and no new effect."""
        path, body, key, first = self.world.done[which % len(self.world.done)]
        again = self.world.do(self.world.shop.api.request("POST", path, json=body, key=key))
        assert again.headers["idempotent-replayed"] == "true"
        assert again.content == first
