"""Debts by age: one statement, for a customer or for the store.

Only few rows of the books are looked at: what is owed now, turned back by what has happened since the day in question.
"""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.queries.conditions import page_of
from ibex.domain.ledger.ageing import Ages, CustomerAges, Receivables
from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.ids import CustomerId, StoreId
from ibex.domain.shared.paging import PageRequest

# {} limits a table to one customer, or not.
_AGES: Final = """
WITH later AS (
  SELECT x.invoice_id, sum(x.amount) AS amount FROM (
    SELECT p.invoice_id, CASE p.kind WHEN 'RECEIPT' THEN p.amount ELSE -p.amount END AS amount
    FROM ibex.payments p
    WHERE p.store_id = $1 AND p.business_date > $2 AND p.invoice_id IS NOT NULL AND p.customer_id IS NOT NULL {p}
    UNION ALL
    SELECT n.invoice_id, n.total FROM ibex.credit_notes n
    WHERE n.store_id = $1 AND n.business_date > $2 AND n.invoice_id IS NOT NULL AND n.customer_id IS NOT NULL {n}
  ) x GROUP BY x.invoice_id
), openings AS (
  SELECT e.customer_id, e.business_date, e.debit,
    sum(e.debit) OVER (PARTITION BY e.customer_id ORDER BY e.business_date, e.seq) AS up_to
  FROM ibex.ledger_entries e
  WHERE e.store_id = $1 AND e.type = 'OPENING' AND e.debit > 0 AND e.business_date <= $2 {e}
), opening_paid AS (
  SELECT p.customer_id, sum(p.amount) AS amount FROM ibex.payments p
  WHERE p.store_id = $1 AND p.for_opening AND p.business_date <= $2
    AND p.customer_id IS NOT NULL AND p.invoice_id IS NULL AND p.credit_note_id IS NULL {p}
  GROUP BY p.customer_id
), debts AS (
  SELECT i.customer_id, $2::date - coalesce(i.due_date, i.business_date) AS days,
    i.total - i.paid - i.credited + coalesce(l.amount, 0) AS owed
  FROM ibex.invoices i LEFT JOIN later l ON l.invoice_id = i.id
  WHERE i.store_id = $1 AND i.status = 'UNPAID' AND i.business_date <= $2 {i}
  UNION ALL
  -- Settled since: owed then.
  SELECT i.customer_id, $2::date - coalesce(i.due_date, i.business_date),
    i.total - i.paid - i.credited + l.amount
  FROM later l JOIN ibex.invoices i ON i.store_id = $1 AND i.id = l.invoice_id
  WHERE i.status = 'PAID' AND i.business_date <= $2
  UNION ALL
  -- The oldest opening debt is paid first.
  SELECT o.customer_id, $2::date - o.business_date, least(o.debit, greatest(o.up_to - coalesce(q.amount, 0), 0))
  FROM openings o LEFT JOIN opening_paid q ON q.customer_id = o.customer_id
), account AS (
  SELECT x.customer_id, sum(x.amount) AS amount FROM (
    SELECT p.customer_id,
      CASE WHEN p.kind = 'REFUND' AND p.method = 'ACCOUNT' THEN p.amount
           WHEN p.kind = 'REFUND' OR p.method = 'ACCOUNT' THEN -p.amount
           WHEN p.for_opening THEN 0 ELSE p.amount END AS amount
    FROM ibex.payments p
    WHERE p.store_id = $1 AND p.business_date <= $2 AND p.customer_id IS NOT NULL
      AND (p.method = 'ACCOUNT' OR (p.invoice_id IS NULL AND p.credit_note_id IS NULL)) {p}
    UNION ALL
    SELECT e.customer_id, e.credit FROM ibex.ledger_entries e
    WHERE e.store_id = $1 AND e.type = 'OPENING' AND e.credit > 0 AND e.business_date <= $2 {e}
  ) x GROUP BY x.customer_id
), booked_later AS (
  SELECT e.customer_id, sum(e.debit - e.credit) AS amount FROM ibex.ledger_entries e
  WHERE e.store_id = $1 AND e.customer_id IS NOT NULL AND e.business_date > $2 {e}
  GROUP BY e.customer_id
), aged AS (
  SELECT d.customer_id,
    coalesce(sum(d.owed) FILTER (WHERE d.days <= 0), 0) AS not_due,
    coalesce(sum(d.owed) FILTER (WHERE d.days BETWEEN 1 AND 30), 0) AS days_1_30,
    coalesce(sum(d.owed) FILTER (WHERE d.days BETWEEN 31 AND 60), 0) AS days_31_60,
    coalesce(sum(d.owed) FILTER (WHERE d.days BETWEEN 61 AND 90), 0) AS days_61_90,
    coalesce(sum(d.owed) FILTER (WHERE d.days > 90), 0) AS over_90
  FROM debts d GROUP BY d.customer_id
), ages AS (
  SELECT c.id, c.name, coalesce(a.not_due, 0) AS not_due, coalesce(a.days_1_30, 0) AS days_1_30,
    coalesce(a.days_31_60, 0) AS days_31_60, coalesce(a.days_61_90, 0) AS days_61_90,
    coalesce(a.over_90, 0) AS over_90, coalesce(k.amount, 0) AS account_credit,
    c.balance - coalesce(b.amount, 0) AS balance
  FROM ibex.customers c
  LEFT JOIN aged a ON a.customer_id = c.id
  LEFT JOIN account k ON k.customer_id = c.id
  LEFT JOIN booked_later b ON b.customer_id = c.id
  WHERE c.store_id = $1 {c}
)
"""
_BUCKETS: Final = ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90", "account_credit", "balance")


def _ages(*, of_one: bool) -> str:
    columns = {name: f"AND {name}.customer_id = $3" if of_one else "" for name in "pnie"}
    return _AGES.format(**columns, c="AND c.id = $3" if of_one else "")


ONE: Final = f"{_ages(of_one=True)} SELECT * FROM ages"
ALL: Final = f"""{_ages(of_one=False)}, listed AS MATERIALIZED (
  SELECT * FROM ages g WHERE g.balance <> 0 OR g.account_credit <> 0
    OR g.not_due + g.days_1_30 + g.days_31_60 + g.days_61_90 + g.over_90 <> 0
)
SELECT t.*, g.* FROM (
  SELECT {", ".join(f"coalesce(sum(y.{name}), 0) AS sum_{name}" for name in _BUCKETS)} FROM listed y
) t
LEFT JOIN LATERAL (
  SELECT * FROM listed z WHERE (z.name, z.id) > ($3, $4) ORDER BY z.name, z.id LIMIT $5
) g ON true
ORDER BY g.name, g.id
"""


class PostgresAgeing:
    """Implements AgeingQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def customer(self, store_id: StoreId, customer_id: CustomerId, as_of: date) -> CustomerAges | None:
        """See the port."""
        row = await self._database.read_one(ONE, store_id, as_of, customer_id)
        return None if row is None else _customer_ages(row)

    async def store(self, store_id: StoreId, as_of: date, page: PageRequest) -> Receivables:
        """See the port."""
        if page.after is not None and len(page.after) != 2:
            raise InvalidValue("This cursor belongs to another list.", field="cursor")
        name, after = page.after or ("", str(UUID(int=0)))
        rows = await self._database.read(ALL, store_id, as_of, name, UUID(after), page.limit + 1)
        customers = [_customer_ages(row) for row in rows if row["id"] is not None]
        return Receivables(
            as_of=as_of,
            totals=Ages(**{bucket: rows[0][f"sum_{bucket}"] for bucket in _BUCKETS}),
            page=page_of(customers, [(c.name, str(c.customer_id)) for c in customers], page),
        )


def _customer_ages(row: Record) -> CustomerAges:
    return CustomerAges(
        customer_id=row["id"], name=row["name"], ages=Ages(**{bucket: row[bucket] for bucket in _BUCKETS})
    )
