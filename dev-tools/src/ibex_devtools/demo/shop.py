"""The shop of the demo: its catalogue, its customers, its sales, and what its ledger says of them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from decimal import ROUND_CEILING, Decimal
from typing import Final

from ibex_devtools.demo.baskets import Basket, Journey
from ibex_devtools.load.api import Json, LoadError, Till
from ibex_devtools.load.comparison import Comparison

_MAX_NAME: Final = 200
_SPARE_STOCK: Final = 100
_NOTE: Final = Decimal(5)


class DemoShop:
    """Sells a journey through a till."""

    def __init__(self, till: Till, journey: Journey) -> None:
        self._till = till
        self._journey = journey
        self._customers: dict[int, str] = {}
        self._visits = itertools.count()

    async def load(self) -> None:
        """Everything, with progress bars. Raises LoadError."""
        sold: dict[int, Decimal] = defaultdict(Decimal)
        prices: dict[int, Decimal] = {}
        for basket in self._journey.baskets:
            for line in basket.lines:
                sold[line.product] += line.quantity
                prices.setdefault(line.product, line.unit_price)

        async def add_product(number: int) -> None:
            body = {
                "sku": str(number),
                "name": self._journey.names.get(number, f"Article {number}")[:_MAX_NAME],
                "unit_price": f"{prices[number]:f}",
                "stock": f"{sold[number].quantize(Decimal(1), ROUND_CEILING) + _SPARE_STOCK:f}",
            }
            await self._till.post("/v1/products", body, key=f"product-{number}")

        async def add_customer(household: int) -> None:
            made = await self._till.post(
                "/v1/customers", {"name": f"Household {household}"}, key=f"household-{household}"
            )
            self._customers[household] = made["id"]

        households = {basket.household for basket in self._journey.baskets}
        await self._till.each("products", sorted(sold), add_product)
        await self._till.each("customers", sorted(households), add_customer)
        await self._till.each("sales", self._journey.baskets, lambda basket: self._sell(basket, prices))

    async def _sell(self, basket: Basket, prices: dict[int, Decimal]) -> None:
        lines: list[Json] = []
        for line in basket.lines:
            body: Json = {"sku": str(line.product), "quantity": f"{line.quantity.normalize():f}"}
            if line.unit_price != prices[line.product]:
                body["unit_price"] = f"{line.unit_price:f}"
            if line.discount:
                body["discount"] = {"amount": f"{line.discount:f}"}
            lines.append(body)
        sale = {
            "customer_id": self._customers[basket.household],
            "lines": lines,
            "payments": payments_for(basket, in_cash=next(self._visits) % 2 == 0),
        }
        invoice = await self._till.post("/v1/sales", sale, key=f"basket-{basket.number}")
        if Decimal(invoice["total"]) != basket.total:
            raise LoadError(f"Basket {basket.number}: {basket.total} in the data set, {invoice['total']} in the shop.")

    async def compare(self) -> Comparison:
        """What the ledger says next to what the data set says."""
        figures = self._journey.figures
        sides: dict[str, Decimal] = defaultdict(Decimal)
        sales = 0
        async for entry in self._till.lines("/v1/ledger"):
            sides[entry["type"]] += Decimal(entry["debit"]) + Decimal(entry["credit"])
            sales += entry["type"] == "SALE"
        lines = [invoice["line_count"] async for invoice in self._till.pages("/v1/invoices")]
        customers = [customer["balance"] async for customer in self._till.pages("/v1/customers")]
        found = Comparison()
        found.add("baskets", figures.baskets, sales)
        found.add("lines", figures.lines, sum(lines))
        found.add("sales, in dollars", figures.sales, sides["SALE"])
        found.add("money received", figures.sales, sides["RECEIPT"])
        found.add("households", figures.households, len(customers))
        found.require(Decimal(0), sum(map(Decimal, customers), Decimal(0)), "what customers owe")
        return found


def payments_for(basket: Basket, *, in_cash: bool) -> list[Json]:
    """Manufacturers' coupons first; the rest in cash (five-dollar notes, so that there is change) or by card."""
    total = basket.total
    coupons = min(basket.coupons, total)
    rest = total - coupons
    payments: list[Json] = []
    if coupons:
        payments.append({"method": "TRANSFER", "amount": f"{coupons:f}", "reference": "manufacturers' coupons"})
    if rest and in_cash:
        notes = (rest / _NOTE).quantize(Decimal(1), ROUND_CEILING) * _NOTE
        payments.append({"method": "CASH", "tendered": f"{notes:f}"})
    elif rest:
        payments.append({"method": "CARD"})
    return payments
