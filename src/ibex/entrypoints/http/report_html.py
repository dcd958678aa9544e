"""The page of reports as HTML: what the figures are, in what order, and how they read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Final

from ibex.domain.identity.model import Store
from ibex.domain.reporting.model import (
    MarginRow,
    MoneyRow,
    Period,
    Receivables,
    Report,
    SalesRow,
    ValuationRow,
)
from ibex.entrypoints.http.report_charts import Bar, columns, rows, table

LISTED: Final = 8
_DAYS_AS_DAYS: Final = 92
_METHODS: Final = {"CASH": "Cash", "CARD": "Card", "TRANSFER": "Transfer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that the page shows."""

    period: Period
    today: date
    days: Report[SalesRow]
    before: Report[SalesRow]
    hours: Report[SalesRow]
    categories: Report[SalesRow]
    operators: Report[SalesRow]
    methods: Report[MoneyRow]
    top: Report[MarginRow]
    stock: Report[ValuationRow]
    owed: Receivables


@lru_cache(1)
def style() -> str:
    """The style sheet, which stands in the page itself."""
    return resources.files("ibex.entrypoints.http").joinpath("assets", "reports.css").read_text()


@lru_cache(1)
def content_security_policy() -> str:
    """Nothing but this page's own style sheet and forms to this host: no script, no image, no other host."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def document(title: str, body: str) -> bytes:
    """A whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{style()}</style></head><body>{body}</body></html>"
    ).encode()


def sign_in_page(refused: str | None = None) -> bytes:
    """The form that takes a token."""
    problem = f'<p class="refused" role="alert">{escape(refused)}</p>' if refused else ""
    return document(
        "Reports: sign in",
        '<main class="sign"><div class="card"><h1>Reports</h1>'
        '<p class="soft">Give a token that may read reports. This browser stays signed in for eight hours.</p>'
        f'<form method="post" action="/reports/sign-in">{problem}'
        '<label>Token<input name="token" type="password" required autofocus autocomplete="off" spellcheck="false" '
        'maxlength="200" placeholder="ibex_live_..."></label><button>Sign in</button></form></div></main>',
    )


def report_page(store: Store, shown: Figures) -> bytes:
    """The figures of a period."""
    period = shown.period
    body = (
        f'<header><h1><bdi dir="auto">{escape(store.name)}</bdi></h1>'
        '<form method="post" action="/reports/sign-out"><button>Sign out</button></form></header><main>'
        f"{_choice(period, shown.today)}{_tiles(store, shown)}"
        f'<div class="cards">{_over_time(store, shown)}{_lists(store, shown)}{_now(store, shown)}</div></main>'
        f"<footer>{_day(period.first)} to {_day(period.last)}, days of trade in {escape(store.time_zone)}. "
        f"Amounts in {store.currency.code}; sales with tax, less returns.</footer>"
    )
    return document(f"Reports: {store.name}", body)


def _choice(period: Period, today: date) -> str:
    first_of_month = today.replace(day=1)
    choices = [
        ("Today", Period(today, today)),
        ("Yesterday", Period(today - timedelta(1), today - timedelta(1))),
        ("7 days", Period(today - timedelta(6), today)),
        ("30 days", Period(today - timedelta(29), today)),
        ("This month", Period(first_of_month, today)),
        ("Last month", Period((first_of_month - timedelta(1)).replace(day=1), first_of_month - timedelta(1))),
        ("12 months", Period(today - timedelta(364), today)),
    ]
    # The first that fits is the current one: on the first of a month "Today" and "This month" are the same.
    current = next((name for name, one in choices if one == period), None)
    links = "".join(
        f'<a href="/reports?from={one.first}&amp;to={one.last}"'
        f"{' aria-current=page' if name == current else ''}>{name}</a>"
        for name, one in choices
    )
    return (
        f'<div class="period"><nav aria-label="Period">{links}</nav><form method="get" action="/reports">'
        f'<label>From<input type="date" name="from" value="{period.first}" required></label>'
        f'<label>To<input type="date" name="to" value="{period.last}" required></label>'
        "<button>Show</button></form></div>"
    )


def _tiles(store: Store, shown: Figures) -> str:
    now, before = shown.days.totals, shown.before.totals
    margin = shown.top.totals
    average = now.sales / now.sales_count if now.sales_count else Decimal(0)
    earned = (
        f"{100 * margin.margin / margin.revenue_costed:.1f}% where the cost is known"
        if margin.revenue_costed > 0
        else "no cost is known"
    )
    tiles = [
        ("Net sales", _money(store, now.net), _change(now.net, before.net)),
        ("Sales", f"{now.sales_count:,}", _change(Decimal(now.sales_count), Decimal(before.sales_count))),
        ("Average sale", _money(store, store.currency.round(average)), ""),
        ("Returns", _money(store, now.returns), _count(now.returns_count, "credit note")),
        ("Tax", _money(store, now.tax), ""),
        ("Margin", _money(store, margin.margin), earned),
    ]
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><div class="name">{name}</div><div class="figure">{figure}</div>'
            f'<div class="more">{more}</div></div>'
            for name, figure, more in tiles
        )
        + "</div>"
    )


def _over_time(store: Store, shown: Figures) -> str:
    by_day = {row.key: row for row in shown.days.rows}
    bars = _time_bars(store, shown.period, by_day)
    hours = {row.key: row for row in shown.hours.rows}
    hour_bars = [
        Bar(f"{hour:02}", net, _money(store, net))
        for hour in _open_hours(hours)
        for net in [hours[str(hour)].net if str(hour) in hours else Decimal(0)]
    ]
    lines = [
        [
            row.label,
            f"{row.sales_count:,}",
            _money(store, row.sales),
            _money(store, row.returns),
            _money(store, row.net),
        ]
        for row in shown.days.rows
    ]
    heads = ("Day", "Sales", "Sold", "Returned", "Net")
    return (
        _card("wide", "Net sales by day", columns(bars, "Net sales by day"), table("In figures", heads, lines))
        + _card(
            "half",
            "By hour of the day",
            columns(hour_bars, "Net sales by hour"),
            _sales_table(store, "Hour", shown.hours),
        )
        + _card(
            "half",
            "Money in, by method",
            rows(
                [
                    Bar(_METHODS.get(m.method, m.method), m.receipts - m.refunds, _money(store, m.receipts - m.refunds))
                    for m in shown.methods.rows
                ],
                "Money by method",
            ),
            table(
                "In figures",
                ("Method", "Received", "Refunded"),
                [
                    [_METHODS.get(m.method, m.method), _money(store, m.receipts), _money(store, m.refunds)]
                    for m in shown.methods.rows
                ],
            ),
        )
    )


def _lists(store: Store, shown: Figures) -> str:
    top = [Bar(row.label, row.revenue, _money(store, row.revenue)) for row in shown.top.rows]
    figures = [
        [
            row.label,
            f"{row.quantity:f}",
            _money(store, row.revenue),
            _money(store, row.margin) if row.revenue_costed else "unknown",
        ]
        for row in shown.top.rows
    ]
    return (
        _card(
            "third",
            "Top products, without tax",
            rows(top, "Top products"),
            table("In figures", ("Product", "Quantity", "Revenue", "Margin"), figures),
        )
        + _card(
            "third",
            "Categories",
            _sales_rows(store, shown.categories, "No category"),
            _sales_table(store, "Category", shown.categories, "No category"),
        )
        + _card(
            "third",
            "Operators",
            _sales_rows(store, shown.operators, ""),
            _sales_table(store, "Operator", shown.operators),
        )
    )


def _now(store: Store, shown: Figures) -> str:
    owed, stock = shown.owed, shown.stock.totals
    debtors = [Bar(d.name, d.balance, _money(store, d.balance)) for d in owed.debtors if d.balance > 0]
    owing = _facts(
        ("Owed by customers", _money(store, owed.owed)),
        ("Overdue", f"{_money(store, owed.overdue)} in {_count(owed.overdue_invoices, 'invoice')}"),
        ("Owed to customers", _money(store, owed.owing)),
    )
    goods = _facts(
        ("Stock at cost price", _money(store, stock.value)),
        ("At selling price", _money(store, stock.retail_value)),
        ("Products in stock", f"{stock.products:,}"),
        ("Of them without a cost price", f"{stock.uncosted_products:,}"),
        ("Sold below zero", f"{stock.oversold_products:,}"),
    )
    lines = [[row.category or "No category", f"{row.quantity:f}", _money(store, row.value)] for row in shown.stock.rows]
    return _card("half", "What customers owe now", owing, rows(debtors, "Who owes most") if debtors else "") + _card(
        "half", "What is in stock now", goods, table("By category", ("Category", "Quantity", "At cost"), lines)
    )


def _card(size: str, title: str, *parts: str) -> str:
    return f'<section class="card {size}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def _facts(*facts: tuple[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts) + "</dl>"


def _sales_rows(store: Store, report: Report[SalesRow], nameless: str) -> str:
    return rows(
        [Bar(row.label or nameless, row.net, _money(store, row.net)) for row in report.rows[:LISTED]], "Net sales"
    )


def _sales_table(store: Store, head: str, report: Report[SalesRow], nameless: str = "") -> str:
    lines = [
        [row.label or nameless, _money(store, row.sales), _money(store, row.returns), _money(store, row.net)]
        for row in report.rows[:100]
    ]
    return table("In figures", (head, "Sold", "Returned", "Net"), lines)


def _time_bars(store: Store, period: Period, by_day: dict[str | None, SalesRow]) -> Sequence[Bar]:
    """One bar a day, or a month where there are many; days without trade stand there with nothing."""
    sums: dict[str, Decimal] = {}
    length = (period.last - period.first).days + 1
    for i in range(length):
        day = period.first + timedelta(i)
        label = _day(day) if length <= _DAYS_AS_DAYS else day.strftime("%b %Y")
        row = by_day.get(day.isoformat())
        sums[label] = sums.get(label, Decimal(0)) + (row.net if row is not None else Decimal(0))
    return [Bar(label, net, _money(store, net)) for label, net in sums.items()]


def _open_hours(hours: dict[str | None, SalesRow]) -> range:
    known = [int(key) for key in hours if key is not None]
    return range(min(known), max(known) + 1) if known else range(0)


def _change(now: Decimal, before: Decimal) -> str:
    if before <= 0:
        return "nothing to compare with"
    percent = 100 * (now - before) / before
    kind, sign = ("up", "+") if percent >= 0 else ("down", "")
    return f'<span class="{kind}">{sign}{percent:,.1f}%</span> on the period before'


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _money(store: Store, amount: Decimal) -> str:
    return f"{amount:,.{store.currency.exponent}f}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"
