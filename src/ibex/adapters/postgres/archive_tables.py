"""What belongs to a store's archive, table by table. A test makes sure that every table is named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ibex.adapters.postgres.pool import Connection

EXPORTED: Final = (
    "stores",
    "operators",
    "api_tokens",
    "store_counters",
    "categories",
    "products",
    "product_barcodes",
    "price_changes",
    "customers",
    "shifts",
    "invoices",
    "invoice_lines",
    "sale_fingerprints",
    "credit_notes",
    "credit_note_lines",
    "payments",
    "shift_movements",
    "ledger_entries",
    "stock_movements",
    "audit_entries",
    "audit_links",
    "events",
    "webhooks",
)
"""In the order in which they refer to one another."""

LEFT_OUT: Final = {
    "idempotency_keys": "answers kept for 24 hours, for repeats of requests to this service",
    "webhook_secrets": "secrets; a webhook gets a new one where it is imported",
    "webhook_progress": "how far this service has sent events",
    "webhook_deliveries": "this service's log of what it has sent, kept for 30 days",
    "webhook_attempts": "this service's log of what it has sent, kept for 30 days",
    "webhook_replays": "requests to this service to send events again",
    "report_sessions": "who is looking at the page of reports right now",
    "report_marks": "how far the sums below have been made; they are made again",
    "sales_by_hour": "sums of the documents, made again",
    "sales_by_customer": "sums of the documents, made again",
    "sales_by_product": "sums of the documents, made again",
    "money_by_method": "sums of the payments, made again",
    "alembic_version": "the schema of the whole database",
    "migration_log": "the history of the whole database",
}
HIDDEN: Final = {"api_tokens": frozenset({"secret_hash"})}
"""Columns that are never exported."""

# What an import writes instead of what the archive holds. A token of the archive opens nothing here: its hash is of
# random bytes that nobody has, and it is revoked. A webhook has no secret yet, so that it waits for one.
REPLACED: Final[Mapping[str, Mapping[str, str]]] = {
    "api_tokens": {
        "secret_hash": "sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))",
        "revoked_at": "coalesce(x.revoked_at, $3)",
    },
    "webhooks": {
        "status": "CASE WHEN x.status = 'ARCHIVED' THEN x.status ELSE 'DISABLED' END",
        "disabled_because": "CASE WHEN x.status = 'ARCHIVED' THEN NULL ELSE 'IMPORTED' END",
        "failing_since": "NULL",
    },
}

COLUMNS: Final = """
SELECT c.relname AS table, a.attname AS column, a.atttypid = 'numeric'::regtype AS exact,
  coalesce(array_position(i.indkey::smallint[], a.attnum), -1) AS place
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relnamespace = 'ibex'::regnamespace AND c.relkind = 'r' AND c.relname = ANY ($1::text[])
ORDER BY c.relname, a.attnum
"""

TOTALS: Final = """
SELECT jsonb_object_agg(t.name, t.value) FROM (
  SELECT 'invoices_' || lower(i.status) || x.name, x.value FROM (
    SELECT i.status, count(*) AS n, sum(i.total) AS total, sum(i.tax_total) AS tax, sum(i.paid) AS paid,
      sum(i.credited) AS credited FROM ibex.invoices i WHERE i.store_id = $1 GROUP BY i.status
  ) i, LATERAL (VALUES ('', i.n::text), ('_total', i.total::text), ('_tax', i.tax::text), ('_paid', i.paid::text),
                       ('_credited', i.credited::text)) x(name, value)
  UNION ALL
  SELECT x.name, x.value FROM (
    SELECT count(*) AS n, sum(l.quantity) AS quantity, sum(l.returned) AS returned
    FROM ibex.invoice_lines l WHERE l.store_id = $1
  ) l, LATERAL (VALUES ('invoice_lines', l.n::text), ('invoice_lines_quantity', l.quantity::text),
                       ('invoice_lines_returned', l.returned::text)) x(name, value)
  UNION ALL
  SELECT x.name, x.value FROM (
    SELECT count(*) AS n, sum(c.total) AS total, sum(c.refunded) AS refunded
    FROM ibex.credit_notes c WHERE c.store_id = $1
  ) c, LATERAL (VALUES ('credit_notes', c.n::text), ('credit_notes_total', c.total::text),
                       ('credit_notes_refunded', c.refunded::text)) x(name, value)
  UNION ALL
  SELECT 'payments_' || lower(p.kind) || '_' || lower(p.method) || x.name, x.value FROM (
    SELECT p.kind, p.method, count(*) AS n, sum(p.amount) AS amount
    FROM ibex.payments p WHERE p.store_id = $1 GROUP BY p.kind, p.method
  ) p, LATERAL (VALUES ('', p.n::text), ('_amount', p.amount::text)) x(name, value)
  UNION ALL
  SELECT x.name, x.value FROM (
    SELECT count(*) AS n, sum(e.debit) AS debit, sum(e.credit) AS credit, max(e.seq) AS last
    FROM ibex.ledger_entries e WHERE e.store_id = $1
  ) e, LATERAL (VALUES ('ledger_entries', e.n::text), ('ledger_debit', e.debit::text),
                       ('ledger_credit', e.credit::text), ('ledger_last_seq', e.last::text)) x(name, value)
  UNION ALL
  SELECT x.name, x.value FROM (
    SELECT count(*) AS n, sum(c.balance) AS balance, sum(c.account_credit) AS account
    FROM ibex.customers c WHERE c.store_id = $1
  ) c, LATERAL (VALUES ('customers', c.n::text), ('customers_balance', c.balance::text),
                       ('customers_account_credit', c.account::text)) x(name, value)
  UNION ALL
  SELECT x.name, x.value FROM (
    SELECT count(*) AS n, sum(p.stock) AS stock, sum(p.stock * p.unit_price) AS value
    FROM ibex.products p WHERE p.store_id = $1
  ) p, LATERAL (VALUES ('products', p.n::text), ('products_stock', p.stock::text),
                       ('products_stock_at_prices', p.value::text)) x(name, value)
  UNION ALL
  SELECT x.name, x.value FROM (
    SELECT count(*) AS n, sum(m.quantity) AS quantity FROM ibex.stock_movements m WHERE m.store_id = $1
  ) m, LATERAL (VALUES ('stock_movements', m.n::text), ('stock_movements_quantity', m.quantity::text)) x(name, value)
  UNION ALL
  SELECT x.name, x.value FROM (
    SELECT count(*) AS n, sum(s.counted_cash) AS counted, sum(s.difference) AS difference
    FROM ibex.shifts s WHERE s.store_id = $1
  ) s, LATERAL (VALUES ('shifts', s.n::text), ('shifts_counted_cash', s.counted::text),
                       ('shifts_difference', s.difference::text)) x(name, value)
  UNION ALL
  SELECT 'counter_' || x.key, x.value
  FROM ibex.store_counters k, LATERAL jsonb_each_text(to_jsonb(k) - 'store_id') x WHERE k.store_id = $1
  UNION ALL
  SELECT 'audit_entries', count(*)::text FROM ibex.audit_entries a WHERE a.store_id = $1
  UNION ALL
  SELECT 'events', count(*)::text FROM ibex.events v WHERE v.store_id = $1
) t(name, value) WHERE t.value IS NOT NULL
"""
"""Counts and sums, by which a store is known to be the same."""

REVISION: Final = "SELECT version_num FROM ibex.alembic_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """The columns of a table as they are in the catalog; ``exact`` are the decimals, ``key`` the primary key."""

    name: str
    columns: Sequence[str]
    exact: frozenset[str]
    key: Sequence[str]

    @property
    def store_column(self) -> str:
        """The column that says whose it is."""
        return "id" if self.name == "stores" else "store_id"

    @property
    def exported(self) -> Sequence[str]:
        """The columns that an archive holds: whose it is goes without saying, secrets are left out."""
        hidden = HIDDEN.get(self.name, frozenset()) | {"store_id"}
        return [column for column in self.columns if column not in hidden]


async def shapes(connection: Connection) -> dict[str, TableShape]:
    """The shapes of all exported tables."""
    rows = await connection.fetch(COLUMNS, list(EXPORTED))
    found: dict[str, TableShape] = {}
    for table in EXPORTED:
        mine = [row for row in rows if row["table"] == table]
        key = sorted((row["place"], row["column"]) for row in mine if row["place"] >= 0)
        found[table] = TableShape(
            name=table,
            columns=[row["column"] for row in mine],
            exact=frozenset(row["column"] for row in mine if row["exact"]),
            key=[column for _, column in key],
        )
    return found
