"""The ledger and statements. A statement is one round trip, whatever its length."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.ledger.queries import EntryRow, LedgerFilter, Statement, StatementLine
from ibex.domain.shared.errors import LimitExceeded, NotFound
from ibex.domain.shared.ids import CustomerId, StoreId
from ibex.domain.shared.paging import Page, PageRequest
from ibex.domain.shared.text import FORMULA_SIGNS

COLUMNS: Final = """
e.seq, e.id, e.type, e.debit, e.credit, e.currency, e.customer_id, e.customer_balance, e.document_number, e.invoice_id,
e.credit_note_id, e.payment_id, e.operator_id, e.note, e.business_date, e.occurred_at, e.recorded_at
"""
# As `safe_cell` of the edge does it: text that begins as a formula does is defused, unless it is but a number; then it
# is quoted where it must be. Only the note is free text.
_NOTE: Final = """
CASE WHEN n.cell ~ '[",\\r\\n]' THEN '"' || replace(n.cell, '"', '""') || '"' ELSE n.cell END
"""
_CSV_LINE: Final = f"""
concat(e.seq, ',', e.id, ',', e.type, ',', round(e.debit, {{decimals}}), ',', round(e.credit, {{decimals}}), ',',
  e.currency, ',', e.customer_id, ',', round(e.customer_balance, {{decimals}}), ',', e.document_number, ',',
  e.invoice_id, ',', e.credit_note_id, ',', e.payment_id, ',', e.operator_id, ',', {_NOTE}, ',', e.business_date, ',',
  ibex.time_text(e.occurred_at), ',', ibex.time_text(e.recorded_at))
"""
_CSV_CELLS: Final = f"""
CROSS JOIN LATERAL (
  SELECT CASE WHEN e.note ~ '^[{"".join(FORMULA_SIGNS)}]' AND e.note !~ '^-?[0-9]*[.]?[0-9]+$'
              THEN '''' || e.note ELSE e.note END AS cell
) n
"""
CSV_PORTION: Final = 4000
"""Lines at once: about a MiB."""
# The balance before a line is the sum of all that comes before it by day of trade, so that a sale that an offline till
# sent late still stands on its own day. The sums are read from an index that holds the amounts.
STATEMENT: Final = """
SELECT c.name, c.phone, c.address, s.opening, s.debits, s.credits, coalesce(s.before_page, s.opening) AS running,
  e.seq, e.type, e.document_number, e.debit, e.credit, e.invoice_id, e.credit_note_id, e.payment_id, e.note,
  e.business_date, e.occurred_at
FROM ibex.customers c
CROSS JOIN LATERAL (
  SELECT coalesce(sum(x.debit - x.credit) FILTER (WHERE x.business_date < $3), 0) AS opening,
    coalesce(sum(x.debit) FILTER (WHERE x.business_date >= $3), 0) AS debits,
    coalesce(sum(x.credit) FILTER (WHERE x.business_date >= $3), 0) AS credits,
    sum(x.debit - x.credit) FILTER (WHERE (x.business_date, x.seq) <= ($5, $6)) AS before_page
  FROM ibex.ledger_entries x
  WHERE x.store_id = c.store_id AND x.customer_id = c.id AND x.business_date <= $4
) s
LEFT JOIN LATERAL (
  SELECT * FROM ibex.ledger_entries y
  WHERE y.store_id = c.store_id AND y.customer_id = c.id AND y.business_date >= $3 AND y.business_date <= $4
    AND (y.business_date, y.seq) > ($5, $6)
  ORDER BY y.business_date, y.seq LIMIT $7
) e ON true
WHERE c.store_id = $1 AND c.id = $2
ORDER BY e.business_date, e.seq
"""
_FIRST_DAY: Final = date(1, 1, 1)
_LAST_DAY: Final = date(9999, 12, 31)


class PostgresLedgerQueries:
    """Implements LedgerQueries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, store_id: StoreId, where: LedgerFilter, page: PageRequest) -> Page[EntryRow]:
        """See the port."""
        conditions = _conditions(store_id, where)
        if where.by_day:
            conditions.after("e.business_date, e.seq", ("date", "bigint"), page)
        else:
            conditions.after("e.seq", ("bigint",), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {COLUMNS} FROM ibex.ledger_entries e WHERE {conditions} ORDER BY {_order(where)} {limit}",
            *conditions.arguments,
        )
        entries = [EntryRow(**dict(row)) for row in rows]
        keys = [(e.business_date.isoformat(), str(e.seq)) if where.by_day else (str(e.seq),) for e in entries]
        return page_of(entries, keys, page)

    async def stream(self, store_id: StoreId, where: LedgerFilter) -> AsyncIterator[Sequence[EntryRow]]:
        """See the port."""
        conditions = _conditions(store_id, where)
        statement = f"SELECT {COLUMNS} FROM ibex.ledger_entries e WHERE {conditions} ORDER BY {_order(where)}"
        async for rows in self._database.stream(statement, *conditions.arguments):
            yield [EntryRow(**dict(row)) for row in rows]

    async def stream_csv(self, store_id: StoreId, where: LedgerFilter, *, decimals: int) -> AsyncIterator[bytes]:
        """See the port."""
        conditions = _conditions(store_id, where)
        line = _CSV_LINE.replace("{decimals}", str(int(decimals)))
        statement = f"SELECT {line} FROM ibex.ledger_entries e {_CSV_CELLS} WHERE {conditions} ORDER BY {_order(where)}"
        async for rows in self._database.stream(statement, *conditions.arguments, prefetch=CSV_PORTION):
            lines = [row[0] for row in rows]
            lines.append("")
            yield "\r\n".join(lines).encode()

    async def statement(
        self,
        store_id: StoreId,
        customer_id: CustomerId,
        *,
        date_from: date | None,
        date_to: date | None,
        page: PageRequest,
    ) -> Statement:
        """See the port."""
        after = (date.fromisoformat(page.after[0]), int(page.after[1])) if page.after else None
        found, lines = await self._statement(store_id, customer_id, date_from, date_to, after, page.limit + 1)
        shown = page_of(lines, [(line.business_date.isoformat(), str(line.seq)) for line in lines], page)
        return replace(found, lines=shown.rows, next_after=shown.next_after)

    async def whole_statement(
        self,
        store_id: StoreId,
        customer_id: CustomerId,
        *,
        date_from: date | None,
        date_to: date | None,
        limit: int,
    ) -> Statement:
        """See the port."""
        found, lines = await self._statement(store_id, customer_id, date_from, date_to, None, limit + 1)
        if len(lines) > limit:
            raise LimitExceeded(f"More than {limit} entries; ask for a shorter period.", field="from", limit=limit)
        return replace(found, lines=lines)

    async def _statement(
        self,
        store_id: StoreId,
        customer_id: CustomerId,
        date_from: date | None,
        date_to: date | None,
        after: tuple[date, int] | None,
        limit: int,
    ) -> tuple[Statement, Sequence[StatementLine]]:
        rows = await self._database.read(
            STATEMENT,
            store_id,
            customer_id,
            date_from or _FIRST_DAY,
            date_to or _LAST_DAY,
            *(after or (_FIRST_DAY, 0)),
            limit,
        )
        if not rows:
            raise NotFound("There is no such customer in this store.", field="customer_id")
        first = rows[0]
        running: Decimal = first["running"] if after else first["opening"]
        lines = []
        for row in rows:
            if row["seq"] is None:
                break
            running += row["debit"] - row["credit"]
            lines.append(
                StatementLine(
                    seq=row["seq"],
                    type=row["type"],
                    document_number=row["document_number"],
                    debit=row["debit"],
                    credit=row["credit"],
                    balance=running,
                    invoice_id=row["invoice_id"],
                    credit_note_id=row["credit_note_id"],
                    payment_id=row["payment_id"],
                    note=row["note"],
                    business_date=row["business_date"],
                    occurred_at=row["occurred_at"],
                )
            )
        statement = Statement(
            customer_id=customer_id,
            customer_name=first["name"],
            customer_phone=first["phone"],
            customer_address=first["address"],
            date_from=date_from,
            date_to=date_to,
            opening_balance=first["opening"],
            debits=first["debits"],
            credits=first["credits"],
            closing_balance=first["opening"] + first["debits"] - first["credits"],
            lines=(),
            next_after=None,
        )
        return statement, lines


def _conditions(store_id: StoreId, where: LedgerFilter) -> Conditions:
    conditions = Conditions("e.store_id", store_id)
    conditions.add("e.type = {}", None if where.type is None else where.type.value)
    conditions.add("e.customer_id = {}", where.customer_id)
    conditions.add("e.business_date >= {}", where.date_from)
    conditions.add("e.business_date <= {}", where.date_to)
    return conditions


def _order(where: LedgerFilter) -> str:
    return "e.business_date, e.seq" if where.by_day else "e.seq"
