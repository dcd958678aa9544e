"""What reports tell. Amounts are in the store's currency; days are days of trade, as the ledger has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Generic, TypeVar
from uuid import UUID

from ibex.domain.shared.errors import InvalidValue

MAX_DAYS: Final = 366
MAX_ROWS: Final = 10_000
"""Rows of a report: the first ones in its order; totals are always those of the whole."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Period:
    """Days of trade, both included: at most 366 of them."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise InvalidValue("The period ends before it begins.", field="to")
        if (self.last - self.first).days >= MAX_DAYS:
            raise InvalidValue(f"Ask for at most {MAX_DAYS} days.", field="to")


class GroupBy(StrEnum):
    """What the rows of a sales report stand for."""

    DAY = "day"
    HOUR = "hour"
    PRODUCT = "product"
    CATEGORY = "category"
    OPERATOR = "operator"
    CUSTOMER = "customer"
    PAYMENT_METHOD = "payment_method"


class MarginsBy(StrEnum):
    """What the rows of a margin report stand for."""

    PRODUCT = "product"
    CATEGORY = "category"
    DAY = "day"


class TopBy(StrEnum):
    """What makes a product a top one."""

    NET = "net"
    QUANTITY = "quantity"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesRow:
    """Sales and returns of one day, hour, product and so on; of a ``key`` of None those that have none.

    ``sales`` and ``returns`` are what the ledger holds: with tax and cash rounding. By product or category they are
    the lines' own, without rounding, which belongs to no product. Quantities are told where goods are.
    """

    key: str | None
    label: str
    sales_count: int
    sales: Decimal
    sales_tax: Decimal
    sales_rounding: Decimal
    discounts: Decimal
    returns_count: int
    returns: Decimal
    returns_tax: Decimal
    returns_rounding: Decimal
    sku: str | None = None
    quantity_sold: Decimal | None = None
    quantity_returned: Decimal | None = None

    @property
    def net(self) -> Decimal:
        """What was turned over: sales less returns, with tax."""
        return self.sales - self.returns

    @property
    def tax(self) -> Decimal:
        """The tax of sales less that of returns."""
        return self.sales_tax - self.returns_tax


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRow:
    """Money that came in and went out by one method: the ledger's RECEIPT and REFUND entries."""

    method: str
    receipts_count: int
    receipts: Decimal
    refunds_count: int
    refunds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRow:
    """One rate's tax. ``net`` amounts are without tax, totals are net + tax."""

    tax_rate: Decimal | None
    sales_net: Decimal
    sales_tax: Decimal
    returns_net: Decimal
    returns_tax: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginRow:
    """What was earned on one product, category or day. All without tax, returns taken off.

    ``revenue`` is all of it; a margin is known of ``revenue_costed``, the part whose goods had a cost price when they
    were sold. Goods that came back and were written off keep their cost.
    """

    key: str | None
    label: str
    quantity: Decimal
    revenue: Decimal
    revenue_costed: Decimal
    cost: Decimal
    sku: str | None = None

    @property
    def margin(self) -> Decimal:
        """What is left of the revenue whose cost is known."""
        return self.revenue_costed - self.cost

    @property
    def revenue_uncosted(self) -> Decimal:
        """The revenue of which no cost is known."""
        return self.revenue - self.revenue_costed


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRow:
    """A product of which there is some in stock, and how little of it was sold."""

    product_id: UUID
    sku: str
    name: str
    stock: Decimal
    stock_value: Decimal | None
    quantity_sold: Decimal
    last_sold_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuationRow:
    """The stock of a category at the products' present cost price. Products without one are counted apart."""

    category_id: UUID | None
    category: str
    products: int
    quantity: Decimal
    value: Decimal
    retail_value: Decimal
    uncosted_products: int
    oversold_products: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DebtorRow:
    """A customer who owes, or is owed, something."""

    customer_id: UUID
    name: str
    balance: Decimal
    account_credit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivables:
    """What customers owe now: ``owed`` - ``owing`` is the sum of all balances, as the ledger has it."""

    customers: int
    owed: Decimal
    owing: Decimal
    account_credit: Decimal
    unpaid_invoices: int
    unpaid: Decimal
    overdue_invoices: int
    overdue: Decimal
    debtors: Sequence[DebtorRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Generic[R]):
    """Rows and their whole. ``truncated``: there are more rows than are told."""

    rows: Sequence[R]
    totals: R
    truncated: bool = False
