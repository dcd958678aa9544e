"""Reports as callers get them. Amounts are at the currency's decimals; ``net`` is always sales less returns."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from ibex.domain.reporting.model import (
    MarginRow,
    MoneyRow,
    Receivables,
    SalesRow,
    SlowRow,
    TaxRow,
    ValuationRow,
)
from ibex.entrypoints.http.types import View, text


class SalesRowView(View):
    """Sales and returns of one day, hour, product, category, operator or customer; ``key`` null: of none.

    ``sales`` and ``returns`` hold tax and cash rounding, as the ledger has them. By product or category they are
    those of the lines, and the rounding stands in the totals alone; quantities are told there only.
    """

    key: str | None
    label: str
    sku: str | None
    sales_count: int
    sales: str
    sales_tax: str
    sales_rounding: str
    discounts: str
    returns_count: int
    returns: str
    returns_tax: str
    returns_rounding: str
    net: str
    tax: str
    net_without_tax: str
    quantity_sold: str | None
    quantity_returned: str | None


class MoneyRowView(View):
    """Money in and out by one method of payment; ``net`` is what stayed."""

    method: str
    receipts_count: int
    receipts: str
    refunds_count: int
    refunds: str
    net: str


class SalesReportView(View):
    """A sales report. ``truncated``: there are more rows; the totals are those of all."""

    group_by: str
    date_from: date
    date_to: date
    currency: str
    rows: list[SalesRowView]
    totals: SalesRowView
    truncated: bool


class MoneyReportView(View):
    """Money by method of payment. What was paid from an account came in before, so that it is not told again."""

    group_by: str
    date_from: date
    date_to: date
    currency: str
    rows: list[MoneyRowView]
    totals: MoneyRowView


class TaxRowView(View):
    """The tax of one rate: of sales, of returns, and what is left."""

    tax_rate: str | None
    sales_net: str
    sales_tax: str
    sales_total: str
    returns_net: str
    returns_tax: str
    returns_total: str
    net: str
    tax: str
    total: str


class TaxReportView(View):
    """Tax by rate. ``totals.total`` + ``rounding`` = ``net``, which is the ledger's sales less its returns."""

    date_from: date
    date_to: date
    currency: str
    rows: list[TaxRowView]
    totals: TaxRowView
    rounding: str
    net: str


class MarginRowView(View):
    """What was earned. ``margin`` = ``revenue_costed`` - ``cost``; of ``revenue_uncosted`` no cost is known."""

    key: str | None
    label: str
    sku: str | None
    quantity: str
    revenue: str
    revenue_costed: str
    revenue_uncosted: str
    cost: str
    margin: str
    margin_percent: str | None


class MarginReportView(View):
    """Margins. ``truncated``: there are more rows; the totals are those of all."""

    group_by: str
    date_from: date
    date_to: date
    currency: str
    rows: list[MarginRowView]
    totals: MarginRowView
    truncated: bool


class SlowRowView(View):
    """A product in stock, and how little of it was sold."""

    product_id: UUID
    sku: str
    name: str
    stock: str
    stock_value: str | None
    quantity_sold: str
    last_sold_at: datetime | None


class SlowReportView(View):
    """Products that lie, the ones that sold least first."""

    date_from: date
    date_to: date
    currency: str
    rows: list[SlowRowView]


class ValuationRowView(View):
    """The stock of a category: ``value`` at the products' present cost price, ``retail_value`` at their price."""

    category_id: UUID | None
    category: str
    products: int
    quantity: str
    value: str
    retail_value: str
    uncosted_products: int
    oversold_products: int


class ValuationView(View):
    """What the stock is worth now."""

    currency: str
    cost_basis: str
    rows: list[ValuationRowView]
    totals: ValuationRowView


class DebtorView(View):
    """A customer's balance: above zero what is owed to the store."""

    customer_id: UUID
    name: str
    balance: str
    account_credit: str


class ReceivablesView(View):
    """What customers owe now. ``net`` = ``owed`` - ``owing`` is the sum of all balances, as the ledger has it."""

    as_of: date
    currency: str
    customers: int
    owed: str
    owing: str
    net: str
    account_credit: str
    unpaid_invoices: int
    unpaid: str
    overdue_invoices: int
    overdue: str
    debtors: list[DebtorView]


class Amounts:
    """Formats amounts at a currency's decimals."""

    def __init__(self, exponent: int) -> None:
        self._format = f".{exponent}f"

    def __call__(self, amount: Decimal) -> str:
        """The amount as text."""
        return format(amount, self._format)

    def sales(self, row: SalesRow) -> SalesRowView:
        """A row of sales."""
        return SalesRowView(
            key=row.key,
            label=row.label,
            sku=row.sku,
            sales_count=row.sales_count,
            sales=self(row.sales),
            sales_tax=self(row.sales_tax),
            sales_rounding=self(row.sales_rounding),
            discounts=self(row.discounts),
            returns_count=row.returns_count,
            returns=self(row.returns),
            returns_tax=self(row.returns_tax),
            returns_rounding=self(row.returns_rounding),
            net=self(row.net),
            tax=self(row.tax),
            net_without_tax=self(row.net - row.tax),
            quantity_sold=None if row.quantity_sold is None else text(row.quantity_sold),
            quantity_returned=None if row.quantity_returned is None else text(row.quantity_returned),
        )

    def money(self, row: MoneyRow) -> MoneyRowView:
        """A method of payment."""
        return MoneyRowView(
            method=row.method,
            receipts_count=row.receipts_count,
            receipts=self(row.receipts),
            refunds_count=row.refunds_count,
            refunds=self(row.refunds),
            net=self(row.receipts - row.refunds),
        )

    def tax(self, row: TaxRow) -> TaxRowView:
        """A rate of tax."""
        net, tax = row.sales_net - row.returns_net, row.sales_tax - row.returns_tax
        return TaxRowView(
            tax_rate=None if row.tax_rate is None else text(row.tax_rate),
            sales_net=self(row.sales_net),
            sales_tax=self(row.sales_tax),
            sales_total=self(row.sales_net + row.sales_tax),
            returns_net=self(row.returns_net),
            returns_tax=self(row.returns_tax),
            returns_total=self(row.returns_net + row.returns_tax),
            net=self(net),
            tax=self(tax),
            total=self(net + tax),
        )

    def margin(self, row: MarginRow) -> MarginRowView:
        """What was earned."""
        share = format(100 * row.margin / row.revenue_costed, ".2f") if row.revenue_costed > 0 else None
        return MarginRowView(
            key=row.key,
            label=row.label,
            sku=row.sku,
            quantity=text(row.quantity),
            revenue=self(row.revenue),
            revenue_costed=self(row.revenue_costed),
            revenue_uncosted=self(row.revenue_uncosted),
            cost=self(row.cost),
            margin=self(row.margin),
            margin_percent=share,
        )

    def slow(self, row: SlowRow) -> SlowRowView:
        """A product that lies."""
        return SlowRowView(
            product_id=row.product_id,
            sku=row.sku,
            name=row.name,
            stock=text(row.stock),
            stock_value=None if row.stock_value is None else self(row.stock_value),
            quantity_sold=text(row.quantity_sold),
            last_sold_at=row.last_sold_at,
        )

    def valuation(self, row: ValuationRow) -> ValuationRowView:
        """A category's stock."""
        return ValuationRowView(
            category_id=row.category_id,
            category=row.category,
            products=row.products,
            quantity=text(row.quantity),
            value=self(row.value),
            retail_value=self(row.retail_value),
            uncosted_products=row.uncosted_products,
            oversold_products=row.oversold_products,
        )

    def receivables(self, found: Receivables, *, as_of: date, currency: str) -> ReceivablesView:
        """What customers owe."""
        return ReceivablesView(
            as_of=as_of,
            currency=currency,
            customers=found.customers,
            owed=self(found.owed),
            owing=self(found.owing),
            net=self(found.owed - found.owing),
            account_credit=self(found.account_credit),
            unpaid_invoices=found.unpaid_invoices,
            unpaid=self(found.unpaid),
            overdue_invoices=found.overdue_invoices,
            overdue=self(found.overdue),
            debtors=[
                DebtorView(
                    customer_id=row.customer_id,
                    name=row.name,
                    balance=self(row.balance),
                    account_credit=self(row.account_credit),
                )
                for row in found.debtors
            ],
        )
