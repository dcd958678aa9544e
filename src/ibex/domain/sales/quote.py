"""What a sale would come to, without selling: nothing is written, no number is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.catalog.ports import ProductReader
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.sales.model import InvoiceLine, TaxLine, priced_lines, summarise_tax, totals_of
from ibex.domain.sales.pricing import Discount, Totals
from ibex.domain.sales.requests import LineRequest
from ibex.domain.sales.sell import line_drafts
from ibex.domain.sales.tender import Applied, PaymentMethod, Tender, apply_tenders
from ibex.domain.shared.ids import ProductId
from ibex.domain.shared.money import ZERO, Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRequest:
    """The lines, and how they would be paid; without tenders nothing is taken yet."""

    lines: Sequence[LineRequest]
    tenders: Sequence[Tender] = ()
    on_credit: bool = False
    discount: Discount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """A product of which there is less than asked for."""

    product_id: ProductId
    sku: str
    asked: Decimal
    in_stock: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What the sale would come to as of now."""

    currency: Currency
    prices_include_tax: bool
    lines: tuple[InvoiceLine, ...]
    totals: Totals
    cash: Totals
    """The totals if all of it were paid in cash, rounded to the store's step."""
    applied: Sequence[Applied]
    shortages: Sequence[Shortage]

    @property
    def due(self) -> Decimal:
        """What the tenders leave unpaid."""
        return self.totals.total - sum((one.amount for one in self.applied), self.currency.zero())

    @property
    def change_due(self) -> Decimal:
        """What the customer would get back."""
        return sum((one.change_due for one in self.applied), self.currency.zero())

    def tax_summary(self) -> list[TaxLine]:
        """The lines' tax by rate, highest rate first."""
        return summarise_tax(self.lines)


class QuoteSale:
    """Prices lines as a sale would. Its reader must not remember: a quote is as of now."""

    def __init__(self, products: ProductReader) -> None:
        self._products = products

    async def __call__(self, actor: Actor, request: QuoteRequest) -> Quote:
        """The quote. Raises what a sale of the same lines raises, but for stock, credit and missing money."""
        actor.require(Permission.SALES_READ)
        found = await self._products.find(actor.store_id, [line.product for line in request.lines])
        return quote(actor, request, found)


def quote(actor: Actor, request: QuoteRequest, found: Mapping[ProductRef, Product]) -> Quote:
    """The quote, from the products as they are. Raises NotFound, ProductInactive, InvalidValue, Overpayment."""
    store = actor.store
    lines = priced_lines(
        line_drafts(actor, request.lines, found),
        discount=request.discount,
        prices_include_tax=store.prices_include_tax,
        currency=store.currency,
    )
    tenders = request.tenders
    all_cash = not request.on_credit and bool(tenders) and all(t.method is PaymentMethod.CASH for t in tenders)
    cash = totals_of(lines, store.currency, cash_rounding=store.cash_rounding)
    sums = cash if all_cash else totals_of(lines, store.currency)
    return Quote(
        currency=store.currency,
        prices_include_tax=store.prices_include_tax,
        lines=lines,
        totals=sums,
        cash=cash,
        applied=apply_tenders(sums.total, tenders, store.currency),
        shortages=shortages(lines, found),
    )


def shortages(lines: Sequence[InvoiceLine], found: Mapping[ProductRef, Product]) -> list[Shortage]:
    """The products of which the lines, taken together, ask for more than there is."""
    asked: dict[ProductId, Decimal] = {}
    for line in lines:
        asked[line.product_id] = asked.get(line.product_id, ZERO) + line.quantity
    known = {product.id: product for product in found.values()}
    return [
        Shortage(product_id=product_id, sku=known[product_id].sku, asked=quantity, in_stock=known[product_id].stock)
        for product_id, quantity in asked.items()
        if known[product_id].track_stock and quantity > known[product_id].stock
    ]
