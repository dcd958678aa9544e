"""A customer's statement as a page to look at and to print: one file, no script, nothing from elsewhere.

Every value goes through `markupsafe`, which escapes it; names and notes stand in elements of their own direction, so
that right-to-left text does not disturb the figures next to it.
"""

import base64
import hashlib
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final

from markupsafe import Markup

from ibex.domain.identity.model import Store
from ibex.domain.ledger.ageing import AgedCustomer, Ages
from ibex.domain.ledger.queries import Statement, StatementLine
from ibex.domain.shared.clock import time_zone

ENTRY_NAMES: Final = {
    "SALE": "Invoice",
    "RECEIPT": "Payment",
    "CREDIT_NOTE": "Credit note",
    "REFUND": "Refund",
    "OPENING": "Opening balance",
}
_LINE: Final = Markup(
    '<tr><td>{day}</td><td>{entry}</td><td><bdi dir="ltr">{number}</bdi></td><td class="note" dir="auto">{note}</td>'
    '<td class="amount" dir="ltr">{debit}</td><td class="amount" dir="ltr">{credit}</td>'
    '<td class="amount" dir="ltr">{balance}</td></tr>\n'
)
_CELL: Final = Markup('<td dir="ltr">{}</td>')
_DETAIL: Final = Markup('<p dir="auto">{}</p>\n')
_ACCOUNT: Final = Markup(
    '<p class="quiet">Less <bdi dir="ltr">{}</bdi> {} on account that no invoice has used yet.</p>'
)


@cache
def style() -> Markup:
    """The style sheet."""
    return _file("print.css")


@cache
def content_security_policy() -> str:
    """Nothing may run or be loaded; the one style sheet is known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def statement_page(statement: Statement, aged: AgedCustomer, store: Store, now: datetime) -> str:
    """The page. Amounts are written with thousands separated by commas, at the currency's decimals."""
    places = f",.{store.currency.exponent}f"
    ages = aged.customer.ages
    details = [text for text in (statement.customer_address, statement.customer_phone) if text]
    return _file("statement.html").format(
        title=f"Statement: {statement.customer_name}",
        style=style(),
        store=store.name,
        period=_period(statement.date_from, statement.date_to),
        currency=store.currency.code,
        customer=statement.customer_name,
        details=Markup("").join(_DETAIL.format(text) for text in details),
        opening=format(statement.opening_balance, places),
        lines=Markup("").join(_line(line, places) for line in statement.lines),
        debits=format(statement.debits, places),
        credits=format(statement.credits, places),
        closing=format(statement.closing_balance, places),
        as_of=aged.as_of.isoformat(),
        ages=Markup("").join(_CELL.format(format(amount, places)) for amount in _buckets(ages)),
        account=_ACCOUNT.format(format(ages.account_credit, places), store.currency.code)
        if ages.account_credit
        else "",
        verdict="To be paid:" if statement.closing_balance >= 0 else "In your favour:",
        due=format(abs(statement.closing_balance), places),
        time_zone=store.time_zone,
        printed=now.astimezone(time_zone(store.time_zone)).strftime("%Y-%m-%d %H:%M"),
    )


def _line(line: StatementLine, places: str) -> Markup:
    return _LINE.format(
        day=line.business_date.isoformat(),
        entry=ENTRY_NAMES.get(line.type, line.type),
        number="" if line.document_number is None else line.document_number,
        note=line.note,
        debit=format(line.debit, places) if line.debit else "",
        credit=format(line.credit, places) if line.credit else "",
        balance=format(line.balance, places),
    )


def _buckets(ages: Ages) -> tuple[Decimal, ...]:
    return ages.not_due, ages.days_1_30, ages.days_31_60, ages.days_61_90, ages.over_90, ages.total


def _period(first: date | None, last: date | None) -> str:
    if first is None and last is None:
        return "All entries"
    if first is None:
        return f"Until {last}"
    return f"From {first}" if last is None else f"{first} to {last}"


def _file(name: str) -> Markup:
    text = resources.files("ibex.entrypoints.http").joinpath("pages", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 (a file of ours; values come in through format, which escapes them)
