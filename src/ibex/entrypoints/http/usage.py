"""How much a store uses the service."""

from datetime import date
from typing import Annotated

from litestar import Controller, Response, get
from litestar.params import QueryParameter

from ibex.domain.identity.model import Permission
from ibex.domain.reporting.usage import UsageCounts
from ibex.entrypoints.http.conditional import view
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import View


class UsageCountsView(View):
    """What was counted. In a month or in the whole, a customer or an operator counts once."""

    invoices: int
    credit_notes: int
    ledger_entries: int
    active_customers: int
    active_operators: int


class UsageDay(UsageCountsView):
    """One day of trade."""

    date: date


class UsageMonth(UsageCountsView):
    """The days of one month that lie in the period. ``month`` is YYYY-MM."""

    month: str


class UsageView(View):
    """Days of trade, both included; days without any use are listed too."""

    date_from: date
    date_to: date
    days: list[UsageDay]
    months: list[UsageMonth]
    total: UsageCountsView


class UsageController(Controller):
    """Usage."""

    path = "/v1/usage"
    tags = ("Usage",)

    @get(opt={"permission": Permission.REPORTS_READ}, operation_id="get_usage", summary="Count what is used")
    async def read(
        self,
        request: ApiRequest,
        date_from: Annotated[
            date | None, QueryParameter(name="from", description="First day of trade; the month's without it.")
        ] = None,
        date_to: Annotated[
            date | None, QueryParameter(name="to", description="Last day of trade, at most 366 days.")
        ] = None,
    ) -> Response[UsageView]:
        """Invoices, ledger entries, customers and operators, by day and month, counted from the books themselves."""
        report = await request.services.read_usage(request.actor, date_from, date_to)
        return view(
            request,
            UsageView(
                date_from=report.period.first,
                date_to=report.period.last,
                days=[UsageDay(date=day, **_numbers(counts)) for day, counts in report.days],
                months=[UsageMonth(month=day.isoformat()[:7], **_numbers(counts)) for day, counts in report.months],
                total=UsageCountsView(**_numbers(report.total)),
            ),
        )


def _numbers(counts: UsageCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in UsageCounts.__dataclass_fields__}
