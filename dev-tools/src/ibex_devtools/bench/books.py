"""Years of sales, written into a database at once: what a shop has after so many entries of its ledger.

Rows are made by the server itself, with triggers and foreign keys off and indexes built afterwards, as a bulk load
would do it; they hold what the service would have written. A sale is two entries: sold, and paid in cash.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg

from ibex_devtools.bench.serving import BenchError
from ibex_devtools.bench.world import Shop
from ibex_devtools.sandbox.cluster import Cluster

DAYS: Final = 1000
BYTES_PER_ENTRY: Final = 2_500
"""With all that comes with an entry, and what building it needs."""
OWN_SALES: Final = 1000
"""Sales of the one customer whose statement is read, however many there are of others."""
CUSTOMERS: Final = 1000
TABLES: Final = ("invoices", "invoice_lines", "payments", "ledger_entries", "stock_movements")

# $1 store, $2 operator, $3 sales, $4 first day, $5 the customer, $6 the products.
_DAY: Final = "($4 + (i * 1000 / $3)::integer)"
_AT: Final = f"({_DAY} + interval '12 hours' + (i % 20000) * interval '1 second') AT TIME ZONE 'UTC'"
_CUSTOMER: Final = """
CASE WHEN i % ($3 / 1000) = 0 THEN $5 WHEN i % 5 = 1
     THEN ('01900000-0000-7000-9000-' || lpad(to_hex(i % 1000), 12, '0'))::uuid END
"""
_ID: Final = "('01900000-0000-7000-8{}-' || lpad(to_hex(i), 12, '0'))::uuid"
_PRODUCT: Final = "($6)[1 + i % cardinality($6)]"
_SALES: Final = "generate_series(1, $3) i"
_TYPES: Final = ("uuid", "uuid", "bigint", "date", "uuid", "uuid[]")


def statements() -> dict[str, str]:
    """One INSERT a table."""
    invoice, payment, receipt = _ID.format("001"), _ID.format("002"), _ID.format("003")
    return {
        "customers": """
            INSERT INTO ibex.customers (store_id, id, name, created_at, updated_at)
            SELECT $1, ('01900000-0000-7000-9000-' || lpad(to_hex(i), 12, '0'))::uuid, 'Customer ' || i, now(), now()
            FROM generate_series(0, 999) i""",
        "invoices": f"""
            INSERT INTO ibex.invoices (store_id, id, number, status, customer_id, operator_id, currency,
              prices_include_tax, line_count, subtotal, discount_total, net_total, tax_total, total, paid,
              business_date, occurred_at, created_at, issued_at)
            SELECT $1, {invoice}, i, 'PAID', {_CUSTOMER}, $2, 'EUR', true, 1, 12.20, 0, 10.00, 2.20, 12.20, 12.20,
              {_DAY}, {_AT}, {_AT}, {_AT} FROM {_SALES}""",
        "invoice_lines": f"""
            INSERT INTO ibex.invoice_lines (store_id, invoice_id, line_no, product_id, sku, name, unit_price, quantity,
              tax_rate, cost_price, gross, discount, order_discount, net, tax, total)
            SELECT $1, {invoice}, 1, {_PRODUCT}, 'SKU', 'Product', 12.20, 1, 22, 6, 12.20, 0, 0, 10.00, 2.20, 12.20
            FROM {_SALES}""",
        "payments": f"""
            INSERT INTO ibex.payments (store_id, id, receipt_id, receipt_number, kind, method, amount, tendered,
              change_due, invoice_id, customer_id, operator_id, business_date, occurred_at, recorded_at)
            SELECT $1, {payment}, {receipt}, i, 'RECEIPT', 'CASH', 12.20, 12.20, 0, {invoice}, {_CUSTOMER}, $2, {_DAY},
              {_AT}, {_AT} FROM {_SALES}""",
        "ledger_entries": f"""
            INSERT INTO ibex.ledger_entries (store_id, seq, id, type, debit, credit, currency, customer_id,
              customer_balance, document_number, invoice_id, payment_id, operator_id, business_date, occurred_at,
              recorded_at)
            SELECT $1, 2 * i - 1 + k, (CASE k WHEN 0 THEN {_ID.format("004")} ELSE {_ID.format("005")} END),
              CASE k WHEN 0 THEN 'SALE' ELSE 'RECEIPT' END, CASE k WHEN 0 THEN 12.20 ELSE 0 END,
              CASE k WHEN 0 THEN 0 ELSE 12.20 END, 'EUR', c.id,
              CASE WHEN c.id IS NOT NULL THEN CASE k WHEN 0 THEN 12.20 ELSE 0 END END, i, {invoice},
              CASE k WHEN 1 THEN {payment} END, $2, {_DAY}, {_AT}, {_AT}
            FROM {_SALES}, LATERAL (SELECT {_CUSTOMER} AS id) c, generate_series(0, 1) k""",
        "stock_movements": f"""
            INSERT INTO ibex.stock_movements (store_id, seq, id, product_id, kind, quantity, balance, invoice_id,
              operator_id, occurred_at, recorded_at)
            SELECT $1, i, {_ID.format("006")}, {_PRODUCT}, 'SOLD', -1, 100000000 - i, {invoice}, $2, {_AT}, {_AT}
            FROM {_SALES}""",
        "store_counters": """
            UPDATE ibex.store_counters SET invoice_number = $3, receipt_number = $3, ledger_seq = 2 * $3,
              movement_seq = $3 WHERE store_id = $1""",
    }


def last_day() -> date:
    """The last day that is full of sales."""
    return datetime.now(UTC).date() - timedelta(days=1)


def room_for(entries: int, directory: Path) -> bool:
    """Whether the disk has the space."""
    return shutil.disk_usage(directory).free > entries * BYTES_PER_ENTRY + (5 << 30)


def fill(cluster: Cluster, database: str, shop: Shop, entries: int) -> None:
    """So many entries, and everything that belongs to them. Raises BenchError."""
    try:
        asyncio.run(_fill(cluster, database, shop, entries // 2))
    except asyncpg.PostgresError as error:
        raise BenchError(f"the books of {database} could not be filled: {error}") from error


async def _fill(cluster: Cluster, database: str, shop: Shop, sales: int) -> None:
    parts = urlsplit(cluster.administrator_url(database))
    connection = await asyncpg.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        database=database,
        ssl=ssl.create_default_context(cafile=cluster.ca_file),
    )
    try:
        await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
        await connection.execute("SET max_parallel_maintenance_workers = 2; SET synchronous_commit = off")
        indexes = await connection.fetch(
            """SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
               FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
               WHERE i.indrelid = ANY ($1::text[]::regclass[]) AND c.oid IS NULL""",
            [f"ibex.{table}" for table in TABLES],
        )
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        given = (shop.store_id, shop.owner, sales, last_day() - timedelta(days=DAYS), shop.customer, shop.products)
        for text in statements().values():
            await connection.execute(*_numbered(text, given))
        for index in indexes:
            await connection.execute(index["definition"])
        await connection.execute(f"VACUUM (ANALYZE) {', '.join(f'ibex.{table}' for table in TABLES)}")
        # The sums of reports, as the service keeps them: in one go instead of some thousand entries at a time.
        await connection.execute("SET work_mem = '256MB'")
        await connection.fetchval("SELECT ibex.fold_sales($1, $2)", shop.store_id, 2 * sales, timeout=900)
        await connection.execute("ANALYZE; CHECKPOINT")
    finally:
        await connection.close()


def _numbered(text: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The statement and those of the arguments that it names, numbered without gaps, as the server wants them."""
    used = [n for n in range(1, len(given) + 1) if f"${n}" in text]
    for new, old in enumerate(used, 1):
        text = text.replace(f"${old}", f"$<{new}>::{_TYPES[old - 1]}")
    for new in range(1, len(used) + 1):
        text = text.replace(f"$<{new}>", f"${new}")
    return (text, *(given[n - 1] for n in used))
