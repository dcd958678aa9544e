"""The ledger and statements as callers get them."""

from datetime import date, datetime
from uuid import UUID

from ibex.domain.ledger.queries import EntryRow, Statement, StatementLine
from ibex.domain.shared.money import Currency
from ibex.entrypoints.http.cursors import encode_cursor
from ibex.entrypoints.http.types import View


class EntryView(View):
    """A ledger entry: a debit adds to what is owed to the store, a credit takes from it."""

    seq: int
    id: UUID
    type: str
    debit: str
    credit: str
    currency: str
    customer_id: UUID | None
    customer_balance: str | None
    document_number: int | None
    invoice_id: UUID | None
    credit_note_id: UUID | None
    payment_id: UUID | None
    operator_id: UUID
    note: str
    business_date: date
    occurred_at: datetime
    recorded_at: datetime


class LedgerPage(View):
    """A page of the ledger."""

    items: list[EntryView]
    next_cursor: str | None


class StatementLineView(View):
    """An entry, and the balance after it."""

    seq: int
    type: str
    document_number: int | None
    debit: str
    credit: str
    balance: str
    invoice_id: UUID | None
    credit_note_id: UUID | None
    payment_id: UUID | None
    note: str
    business_date: date
    occurred_at: datetime


class StatementView(View):
    """A period of a customer's account: opening balance + debits - credits = closing balance, over all pages."""

    customer_id: UUID
    customer_name: str
    currency: str
    date_from: date | None
    date_to: date | None
    opening_balance: str
    debits: str
    credits: str
    closing_balance: str
    lines: list[StatementLineView]
    next_cursor: str | None


class AgesView(View):
    """Debts by days past due: ``total`` is their sum, and ``balance`` (the ledger's) ``total`` - ``account_credit``."""

    not_due: str
    days_1_30: str
    days_31_60: str
    days_61_90: str
    over_90: str
    total: str
    account_credit: str
    balance: str


class CustomerAgeingView(View):
    """How old a customer's debts are as of a day."""

    customer_id: UUID
    customer_name: str
    as_of: date
    currency: str
    ages: AgesView


class ReceivableView(View):
    """A customer's debts in the store's list."""

    customer_id: UUID
    customer_name: str
    ages: AgesView


class ReceivablesView(View):
    """What customers owe as of a day: a page of them, and the sums over all pages."""

    as_of: date
    currency: str
    totals: AgesView
    items: list[ReceivableView]
    next_cursor: str | None


def entry_view(row: EntryRow, places: str) -> EntryView:
    """An entry; ``places`` is the currency's format of amounts."""
    balance = row.customer_balance
    return EntryView(
        seq=row.seq,
        id=row.id,
        type=row.type,
        debit=format(row.debit, places),
        credit=format(row.credit, places),
        currency=row.currency,
        customer_id=row.customer_id,
        customer_balance=None if balance is None else format(balance, places),
        document_number=row.document_number,
        invoice_id=row.invoice_id,
        credit_note_id=row.credit_note_id,
        payment_id=row.payment_id,
        operator_id=row.operator_id,
        note=row.note,
        business_date=row.business_date,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
    )


def statement_view(statement: Statement, currency: Currency) -> StatementView:
    """A statement."""
    places = f".{currency.exponent}f"
    return StatementView(
        customer_id=statement.customer_id,
        customer_name=statement.customer_name,
        currency=currency.code,
        date_from=statement.date_from,
        date_to=statement.date_to,
        opening_balance=format(statement.opening_balance, places),
        debits=format(statement.debits, places),
        credits=format(statement.credits, places),
        closing_balance=format(statement.closing_balance, places),
        lines=[_line(line, places) for line in statement.lines],
        next_cursor=None if statement.next_after is None else encode_cursor(statement.next_after),
    )


def _line(line: StatementLine, places: str) -> StatementLineView:
    return StatementLineView(
        seq=line.seq,
        type=line.type,
        document_number=line.document_number,
        debit=format(line.debit, places),
        credit=format(line.credit, places),
        balance=format(line.balance, places),
        invoice_id=line.invoice_id,
        credit_note_id=line.credit_note_id,
        payment_id=line.payment_id,
        note=line.note,
        business_date=line.business_date,
        occurred_at=line.occurred_at,
    )
