"""Usage, counted from the books in one statement: each part goes over the period by an index, and over nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.domain.reporting.model import Period
from ibex.domain.reporting.usage import UsageCounts
from ibex.domain.shared.ids import StoreId

# The audit trail has moments and no days of trade: width_bucket finds the day among the moments at which days begin, so
# that the nights in which clocks are changed need no thought here.
USAGE: Final = """
WITH sold AS (
  SELECT i.business_date AS day, date_trunc('month', i.business_date)::date AS month
  FROM ibex.invoices i
  WHERE i.store_id = $1 AND i.number IS NOT NULL AND i.business_date BETWEEN $2 AND $3
), credited AS (
  SELECT n.business_date AS day, date_trunc('month', n.business_date)::date AS month
  FROM ibex.credit_notes n WHERE n.store_id = $1 AND n.business_date BETWEEN $2 AND $3
), entered AS (
  SELECT e.business_date AS day, date_trunc('month', e.business_date)::date AS month, e.customer_id
  FROM ibex.ledger_entries e WHERE e.store_id = $1 AND e.business_date BETWEEN $2 AND $3
), done AS (
  SELECT x.day, date_trunc('month', x.day)::date AS month, x.operator_id
  FROM (SELECT $2::date + width_bucket(a.recorded_at, $4::timestamptz[]) - 1 AS day, a.operator_id
        FROM ibex.audit_entries a
        WHERE a.store_id = $1 AND a.recorded_at >= ($4::timestamptz[])[1]
          AND a.recorded_at < ($4::timestamptz[])[cardinality($4::timestamptz[])]) x
)
SELECT u.kind, u.start, sum(u.invoices)::bigint AS invoices, sum(u.credit_notes)::bigint AS credit_notes,
  sum(u.ledger_entries)::bigint AS ledger_entries, sum(u.active_customers)::bigint AS active_customers,
  sum(u.active_operators)::bigint AS active_operators
FROM (
  SELECT CASE WHEN GROUPING(s.day) = 0 THEN 'day' WHEN GROUPING(s.month) = 0 THEN 'month' ELSE 'total' END AS kind,
    coalesce(s.day, s.month) AS start, count(*) AS invoices, 0 AS credit_notes, 0 AS ledger_entries,
    0 AS active_customers, 0 AS active_operators
  FROM sold s GROUP BY GROUPING SETS ((s.day), (s.month), ())
  UNION ALL
  SELECT CASE WHEN GROUPING(c.day) = 0 THEN 'day' WHEN GROUPING(c.month) = 0 THEN 'month' ELSE 'total' END,
    coalesce(c.day, c.month), 0, count(*), 0, 0, 0
  FROM credited c GROUP BY GROUPING SETS ((c.day), (c.month), ())
  UNION ALL
  SELECT CASE WHEN GROUPING(t.day) = 0 THEN 'day' WHEN GROUPING(t.month) = 0 THEN 'month' ELSE 'total' END,
    coalesce(t.day, t.month), 0, 0, count(*), count(DISTINCT t.customer_id), 0
  FROM entered t GROUP BY GROUPING SETS ((t.day), (t.month), ())
  UNION ALL
  SELECT CASE WHEN GROUPING(d.day) = 0 THEN 'day' WHEN GROUPING(d.month) = 0 THEN 'month' ELSE 'total' END,
    coalesce(d.day, d.month), 0, 0, 0, 0, count(DISTINCT d.operator_id)
  FROM done d GROUP BY GROUPING SETS ((d.day), (d.month), ())
) u GROUP BY u.kind, u.start
"""


class PostgresUsage:
    """Implements UsageQueries. One round trip."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def usage(
        self, store_id: StoreId, period: Period, beginnings: Sequence[datetime]
    ) -> Sequence[tuple[str, date | None, UsageCounts]]:
        """See the port."""
        rows = await self._database.read(USAGE, store_id, period.first, period.last, list(beginnings))
        return [
            (row["kind"], row["start"], UsageCounts(**{n: row[n] for n in UsageCounts.__dataclass_fields__}))
            for row in rows
        ]
