"""Statements of customers, and how old debts are."""

import csv
import io
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Response, get
from litestar.params import FromPath, QueryParameter

from ibex.domain.identity.model import Permission
from ibex.domain.ledger.ageing import Ages, CustomerAges
from ibex.domain.ledger.queries import Statement
from ibex.domain.shared.ids import CustomerId
from ibex.domain.shared.money import Currency
from ibex.domain.shared.paging import DEFAULT_PAGE
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.csv_cells import safe_cell
from ibex.entrypoints.http.cursors import Cursor, Limit, a_day, a_number, a_text, an_id, next_cursor, page_request
from ibex.entrypoints.http.ledger_schemas import (
    AgesView,
    CustomerAgeingView,
    ReceivablesView,
    ReceivableView,
    StatementLineView,
    StatementView,
    statement_view,
)
from ibex.entrypoints.http.negotiation import CSV, HTML, JSON, chosen
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.statement_page import content_security_policy, statement_page

READ: Final = {"permission": Permission.LEDGER_READ}
CSV_LINES: Final = 50_000
PAGE_LINES: Final = 5_000
"""What a browser still lays out for printing in a few seconds."""
AsOf = Annotated[date | None, QueryParameter(name="as_of", description="The day of trade to look at; today without.")]
COLUMNS: Final = StatementLineView.__struct_fields__


class StatementsController(Controller):
    """A customer's account, to read and to print."""

    path = "/v1/customers/{customer_id:uuid}"
    tags = ("Statements",)

    @get(
        "/statement",
        opt=READ | {"media_types": (CSV, HTML)},
        operation_id="get_statement",
        summary="A customer's statement",
    )
    async def statement(
        self,
        request: ApiRequest,
        customer_id: FromPath[UUID],
        date_from: Annotated[date | None, QueryParameter(name="from", description="First day of trade.")] = None,
        date_to: Annotated[date | None, QueryParameter(name="to", description="Last day of trade.")] = None,
        limit: Limit = DEFAULT_PAGE,
        cursor: Cursor = None,
    ) -> Response[StatementView]:
        """Opening balance, every entry with the balance after it, closing balance; the whole period at once as CSV
        (``Accept: text/csv``) or as a page to print (``text/html``).
        """
        kind = chosen(request, (JSON, CSV, HTML))
        if kind is HTML:
            return await _printed(request, CustomerId(customer_id), date_from, date_to)
        actor, queries = request.actor, request.services.ledger_queries
        currency = actor.store.currency
        if kind is CSV:
            whole = await queries.whole_statement(
                actor.store_id, CustomerId(customer_id), date_from=date_from, date_to=date_to, limit=CSV_LINES
            )
            return _csv(whole, currency)
        found = await queries.statement(
            actor.store_id,
            CustomerId(customer_id),
            date_from=date_from,
            date_to=date_to,
            page=page_request(limit, cursor, a_day, a_number),
        )
        return view(request, statement_view(found, currency))

    @get("/ageing", opt=READ, operation_id="get_ageing", summary="How old a customer's debts are")
    async def ageing(
        self, request: ApiRequest, customer_id: FromPath[UUID], as_of: AsOf = None
    ) -> Response[CustomerAgeingView]:
        """What is owed by days past due, as of a day: later payments and credit notes change nothing of it."""
        found = await request.services.read_ageing.customer(request.actor, CustomerId(customer_id), as_of)
        currency = request.actor.store.currency
        return view(
            request,
            CustomerAgeingView(
                customer_id=found.customer.customer_id,
                customer_name=found.customer.name,
                as_of=found.as_of,
                currency=currency.code,
                ages=ages_view(found.customer.ages, currency),
            ),
        )


class ReceivablesController(Controller):
    """What the store's customers owe."""

    path = "/v1/receivables"
    tags = ("Statements",)

    @get(opt=READ, operation_id="list_receivables", summary="What customers owe, by age")
    async def list(
        self, request: ApiRequest, as_of: AsOf = None, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
    ) -> Response[ReceivablesView]:
        """The customers who owe something or have account credit, by name, with the sums over all of them."""
        asked = page_request(limit, cursor, a_text, an_id)
        found = await request.services.read_ageing.store(request.actor, as_of, asked)
        currency = request.actor.store.currency
        return view(
            request,
            ReceivablesView(
                as_of=found.as_of,
                currency=currency.code,
                totals=ages_view(found.totals, currency),
                items=[receivable_view(one, currency) for one in found.page.rows],
                next_cursor=next_cursor(found.page),
            ),
        )


def ages_view(ages: Ages, currency: Currency) -> AgesView:
    """Debts by age."""
    places = f".{currency.exponent}f"
    return AgesView(
        not_due=format(ages.not_due, places),
        days_1_30=format(ages.days_1_30, places),
        days_31_60=format(ages.days_31_60, places),
        days_61_90=format(ages.days_61_90, places),
        over_90=format(ages.over_90, places),
        total=format(ages.total, places),
        account_credit=format(ages.account_credit, places),
        balance=format(ages.balance, places),
    )


def receivable_view(customer: CustomerAges, currency: Currency) -> ReceivableView:
    """A customer in the list."""
    return ReceivableView(
        customer_id=customer.customer_id, customer_name=customer.name, ages=ages_view(customer.ages, currency)
    )


async def _printed(
    request: ApiRequest, customer_id: CustomerId, date_from: date | None, date_to: date | None
) -> Response[Any]:
    actor, services = request.actor, request.services
    statement = await services.ledger_queries.whole_statement(
        actor.store_id, customer_id, date_from=date_from, date_to=date_to, limit=PAGE_LINES
    )
    aged = await services.read_ageing.customer(actor, customer_id, date_to)
    page = statement_page(statement, aged, actor.store, services.read_ageing.now())
    headers = {"content-security-policy": content_security_policy()}
    return Response(page.encode(), media_type=HTML, headers=headers)


def _csv(statement: Statement, currency: Currency) -> Response[Any]:
    """Two rows more than entries: the balance brought forward, and the sums with the closing balance."""
    whole = statement_view(statement, currency)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    first = dict.fromkeys(COLUMNS, "") | {"type": "BROUGHT_FORWARD", "balance": whole.opening_balance}
    writer.writerow(first.values())
    for line in whole.lines:
        writer.writerow([safe_cell(getattr(line, name)) for name in COLUMNS])
    last = dict.fromkeys(COLUMNS, "") | {
        "type": "CLOSING",
        "debit": whole.debits,
        "credit": whole.credits,
        "balance": whole.closing_balance,
    }
    writer.writerow(last.values())
    return Response(out.getvalue().encode(), media_type=CSV)
