"""Reports, as JSON or (by Accept) as CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final

from litestar import Controller, Response, get
from litestar.params import QueryParameter

from ibex.domain.identity.model import Permission
from ibex.domain.reporting.model import GroupBy, MarginsBy, Period, Report, TopBy
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.csv_cells import safe_cell
from ibex.entrypoints.http.negotiation import CSV, JSON, chosen
from ibex.entrypoints.http.report_schemas import (
    Amounts,
    DebtorView,
    MarginReportView,
    MarginRowView,
    MoneyReportView,
    MoneyRowView,
    ReceivablesView,
    SalesReportView,
    SalesRowView,
    SlowReportView,
    SlowRowView,
    TaxReportView,
    TaxRowView,
    ValuationRowView,
    ValuationView,
)
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import View

READ: Final = {"permission": Permission.REPORTS_READ, "media_types": (CSV,)}
MAX_LISTED: Final = 200
DEFAULT_LISTED: Final = 20
TOTAL: Final = "TOTAL"
COST_BASIS: Final = "cost_price"

DateFrom = Annotated[
    date, QueryParameter(name="from", description="First day of trade.", schema_extra={"examples": ["2026-11-01"]})
]
DateTo = Annotated[
    date,
    QueryParameter(
        name="to", description="Last day of trade, at most 366 days.", schema_extra={"examples": ["2026-11-30"]}
    ),
]
Listed = Annotated[int, QueryParameter(ge=1, le=MAX_LISTED, description=f"How many, at most {MAX_LISTED}.")]


def answer_table(
    request: ApiRequest, document: View, columns: Sequence[str], rows: Sequence[View], totals: View | None, name: str
) -> Response[Any]:
    """The document as JSON, or its rows as CSV with the totals in the last one (its first cell is TOTAL)."""
    if chosen(request, (JSON, CSV)) is JSON:
        return view(request, document)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([safe_cell(getattr(row, column)) for column in columns] for row in rows)
    if totals is not None:
        writer.writerow([TOTAL, *(safe_cell(getattr(totals, column)) for column in columns[1:])])
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(out.getvalue().encode(), media_type=CSV, headers=headers)


class ReportsController(Controller):
    """Reports."""

    path = "/v1/reports"
    tags = ("Reports",)

    @get("/sales", opt=READ, operation_id="report_sales", summary="Report sales and returns")
    async def sales(
        self,
        request: ApiRequest,
        date_from: DateFrom,
        date_to: DateTo,
        group_by: Annotated[GroupBy, QueryParameter(description="What the rows stand for.")] = GroupBy.DAY,
    ) -> Response[SalesReportView | MoneyReportView]:
        """Sales, returns and what is left, by day, hour of the day, product, category, operator or customer; with
        ``payment_method`` the money in and out by method. The totals are the ledger's.
        """
        store, period = request.actor.store, Period(date_from, date_to)
        amounts, queries = Amounts(store.currency.exponent), request.services.reports
        if group_by is GroupBy.PAYMENT_METHOD:
            found = await queries.money(store.id, period)
            methods = [amounts.money(row) for row in found.rows]
            money = MoneyReportView(
                group_by=group_by.value,
                date_from=date_from,
                date_to=date_to,
                currency=store.currency.code,
                rows=methods,
                totals=amounts.money(found.totals),
            )
            columns = MoneyRowView.__struct_fields__
            return answer_table(request, money, columns, methods, money.totals, "sales-by-payment-method")
        report = await queries.sales(store.id, period, group_by)
        rows = [amounts.sales(row) for row in report.rows]
        document = SalesReportView(
            group_by=group_by.value,
            date_from=date_from,
            date_to=date_to,
            currency=store.currency.code,
            rows=rows,
            totals=amounts.sales(report.totals),
            truncated=report.truncated,
        )
        columns = SalesRowView.__struct_fields__
        return answer_table(request, document, columns, rows, document.totals, f"sales-by-{group_by.value}")

    @get("/tax", opt=READ, operation_id="report_tax", summary="Report tax by rate")
    async def tax(self, request: ApiRequest, date_from: DateFrom, date_to: DateTo) -> Response[TaxReportView]:
        """Net, tax and total by rate: of sales, of returns, and what is left."""
        store = request.actor.store
        amounts = Amounts(store.currency.exponent)
        report, sales = await request.services.reports.tax(store.id, Period(date_from, date_to))
        rows = [amounts.tax(row) for row in report.rows]
        document = TaxReportView(
            date_from=date_from,
            date_to=date_to,
            currency=store.currency.code,
            rows=rows,
            totals=amounts.tax(report.totals),
            rounding=amounts(sales.sales_rounding - sales.returns_rounding),
            net=amounts(sales.net),
        )
        return answer_table(request, document, TaxRowView.__struct_fields__, rows, document.totals, "tax")

    @get("/margins", opt=READ, operation_id="report_margins", summary="Report what was earned")
    async def margins(
        self,
        request: ApiRequest,
        date_from: DateFrom,
        date_to: DateTo,
        group_by: Annotated[MarginsBy, QueryParameter(description="What the rows stand for.")] = MarginsBy.PRODUCT,
    ) -> Response[MarginReportView]:
        """Revenue without tax less the cost that the goods had when they were sold; unknown costs are told apart."""
        store, period = request.actor.store, Period(date_from, date_to)
        report = await request.services.reports.margins(store.id, period, group_by)
        return _margins(request, report, period, group_by.value, f"margins-by-{group_by.value}")

    @get("/products/top", opt=READ, operation_id="report_top_products", summary="List the products that did best")
    async def top(
        self,
        request: ApiRequest,
        date_from: DateFrom,
        date_to: DateTo,
        by: Annotated[TopBy, QueryParameter(description="What counts.")] = TopBy.NET,
        limit: Listed = DEFAULT_LISTED,
    ) -> Response[MarginReportView]:
        """The products with the most revenue, quantity or margin, the best first; totals are those of all products."""
        store, period = request.actor.store, Period(date_from, date_to)
        report = await request.services.reports.top(store.id, period, by, limit)
        return _margins(request, report, period, "product", "top-products")

    @get("/products/slow", opt=READ, operation_id="report_slow_products", summary="List the products that lie")
    async def slow(
        self, request: ApiRequest, date_from: DateFrom, date_to: DateTo, limit: Listed = DEFAULT_LISTED
    ) -> Response[SlowReportView]:
        """Products for sale and in stock of which least was sold in the period, with when one was last sold."""
        store = request.actor.store
        amounts, exponent = Amounts(store.currency.exponent), store.currency.exponent
        found = await request.services.reports.slow(store.id, Period(date_from, date_to), limit, exponent=exponent)
        rows = [amounts.slow(row) for row in found]
        document = SlowReportView(date_from=date_from, date_to=date_to, currency=store.currency.code, rows=rows)
        return answer_table(request, document, SlowRowView.__struct_fields__, rows, None, "slow-products")

    @get("/stock-valuation", opt=READ, operation_id="report_stock_valuation", summary="Value the stock")
    async def valuation(self, request: ApiRequest) -> Response[ValuationView]:
        """The stock now at each product's present cost price, by category; what has no cost price is counted apart."""
        store = request.actor.store
        amounts = Amounts(store.currency.exponent)
        report = await request.services.reports.valuation(store.id, exponent=store.currency.exponent)
        rows = [amounts.valuation(row) for row in report.rows]
        document = ValuationView(
            currency=store.currency.code, cost_basis=COST_BASIS, rows=rows, totals=amounts.valuation(report.totals)
        )
        columns = ValuationRowView.__struct_fields__
        return answer_table(request, document, columns, rows, document.totals, "stock-valuation")

    @get("/receivables", opt=READ, operation_id="report_receivables", summary="Report what customers owe")
    async def receivables(self, request: ApiRequest, limit: Listed = DEFAULT_LISTED) -> Response[ReceivablesView]:
        """What is owed now, how much of it is overdue, and who owes most."""
        store = request.actor.store
        today = store.business_date(request.services.clock.now())
        found = await request.services.reports.receivables(store.id, today, limit)
        amounts = Amounts(store.currency.exponent)
        document = amounts.receivables(found, as_of=today, currency=store.currency.code)
        return answer_table(request, document, DebtorView.__struct_fields__, document.debtors, None, "receivables")


def _margins(
    request: ApiRequest, report: Report[Any], period: Period, group_by: str, name: str
) -> Response[MarginReportView]:
    store = request.actor.store
    amounts = Amounts(store.currency.exponent)
    rows = [amounts.margin(row) for row in report.rows]
    document = MarginReportView(
        group_by=group_by,
        date_from=period.first,
        date_to=period.last,
        currency=store.currency.code,
        rows=rows,
        totals=amounts.margin(report.totals),
        truncated=report.truncated,
    )
    return answer_table(request, document, MarginRowView.__struct_fields__, rows, document.totals, name)
