"""Each index of the tables that grow with every sale has a query that needs it: seen in that query's plan.

The statements are those that the adapters send, on books of some thousand sales, with the planner as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest

from ibex.adapters.postgres.queries.invoices import PostgresInvoiceQueries
from ibex.adapters.postgres.queries.ledger import PostgresLedgerQueries
from ibex.adapters.postgres.queries.products import PostgresProductQueries
from ibex.adapters.postgres.queries.receipts import PostgresReceiptQueries
from ibex.domain.catalog.queries import MovementFilter
from ibex.domain.ledger.queries import LedgerFilter
from ibex.domain.sales.queries import InvoiceFilter
from ibex.domain.sales.receipt_queries import ReceiptFilter
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CustomerId, InvoiceId, ProductId, ReceiptId, StoreId
from ibex.domain.shared.paging import PageRequest
from ibex_devtools.bench import books
from ibex_devtools.bench.world import Shop, make_shop
from ibex_devtools.sandbox import Cluster

ENTRIES: Final = 40_000
PAGE: Final = PageRequest(limit=50)
GROWING: Final = ("invoices", "invoice_lines", "payments", "ledger_entries", "stock_movements")
# What these books cannot show in a plan, and what it is there for.
FOR_ANOTHER_REASON: Final = {
    "invoices_by_status": "few drafts and unpaid invoices are made by this seed; the list by status reads it",
    "invoices_owed": "nothing is owed in this seed; receipts and dunning read a customer's unpaid invoices by it",
    "invoices_by_shift": "no shift is open in this seed; the closing report of a shift reads it",
    "payments_by_shift": "no shift is open in this seed; the closing report of a shift reads it",
    "payments_by_credit_note": "no credit note in this seed; reading one reads its payments by it",
    "payments_on_account": "no money on account in this seed; the ageing reads it",
    "ledger_entries_openings": "no opening balance in this seed; the ageing reads it",
    "ledger_entries_one_sale_per_invoice": "a rule: an invoice is booked once",
    "ledger_entries_one_entry_per_payment": "a rule: a payment is booked once",
    "ledger_entries_one_entry_per_credit_note": "a rule: a credit note is booked once",
    "stock_movements_by_kind": "nothing but sales in this seed; the list of one kind reads it",
}

# Of this process alone: each test process makes its own.
DATABASE = f"indexes_{os.getpid()}"


class Recorder:
    """In the database's place: keeps what an adapter would send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[Any, ...]]] = []

    async def read(self, statement: str, *arguments: Any) -> list[Any]:
        self.sent.append((statement, arguments))
        return []

    async def read_one(self, statement: str, *arguments: Any) -> None:
        self.sent.append((statement, arguments))


@dataclass(frozen=True)
class Books:
    """A database with some thousand sales of one store."""

    cluster: Cluster
    name: str
    shop: Shop

    @property
    def store(self) -> StoreId:
        return StoreId(UUID(self.shop.store_id))


@pytest.fixture(scope="module")
def filled(cluster: Cluster, template_database: str) -> Iterator[Books]:
    """Made once for the module."""
    name = DATABASE
    cluster.create_database(name, template_database)
    shop = asyncio.run(asyncio.to_thread(make_shop, cluster.environment(name)))
    books.fill(cluster, name, shop, ENTRIES)
    yield Books(cluster, name, shop)
    cluster.drop_database(name)


Ask = Callable[[Any, Books], Awaitable[Any]]
DAY: Final = books.last_day() - timedelta(days=10)
NOW: Final = datetime.now(UTC)


def customer(b: Books) -> CustomerId:
    return CustomerId(UUID(b.shop.customer))


QUERIES: Final[dict[str, Ask]] = {
    "invoices_by_creation": lambda d, b: PostgresInvoiceQueries(d).list(b.store, InvoiceFilter(), PAGE),
    "invoices_by_day": lambda d, b: PostgresInvoiceQueries(d).list(
        b.store, InvoiceFilter(date_from=DAY, date_to=DAY), PAGE
    ),
    "invoices_by_customer": lambda d, b: PostgresInvoiceQueries(d).list(
        b.store, InvoiceFilter(customer_id=CustomerId(UUID("01900000-0000-7000-9000-000000000001"))), PAGE
    ),
    "invoices_pk": lambda d, b: PostgresInvoiceQueries(d).document(
        b.store, InvoiceId(UUID("01900000-0000-7000-8001-000000000001"))
    ),
    "invoice_lines_pk": lambda d, b: PostgresInvoiceQueries(d).document(
        b.store, InvoiceId(UUID("01900000-0000-7000-8001-000000000001"))
    ),
    "payments_by_invoice": lambda d, b: PostgresInvoiceQueries(d).document(
        b.store, InvoiceId(UUID("01900000-0000-7000-8001-000000000001"))
    ),
    "payments_by_receipt": lambda d, b: PostgresReceiptQueries(d).list(b.store, ReceiptFilter(), PAGE),
    "payments_by_receipt_id": lambda d, b: PostgresReceiptQueries(d).receipt(
        b.store, ReceiptId(UUID("01900000-0000-7000-8003-000000000001"))
    ),
    "payments_by_customer": lambda d, b: PostgresReceiptQueries(d).list(
        b.store, ReceiptFilter(customer_id=CustomerId(UUID("01900000-0000-7000-9000-000000000001"))), PAGE
    ),
    "payments_by_day": lambda d, b: PostgresReceiptQueries(d).list(
        b.store, ReceiptFilter(date_from=DAY, date_to=DAY), PAGE
    ),
    "ledger_entries_pk": lambda d, b: PostgresLedgerQueries(d).list(b.store, LedgerFilter(), PAGE),
    "ledger_entries_by_day": lambda d, b: PostgresLedgerQueries(d).list(b.store, LedgerFilter(date_from=DAY), PAGE),
    "ledger_entries_by_customer": lambda d, b: PostgresLedgerQueries(d).list(
        b.store, LedgerFilter(customer_id=customer(b)), PAGE
    ),
    "stock_movements_pk": lambda d, b: PostgresProductQueries(d).store_movements(b.store, MovementFilter(), PAGE),
    "stock_movements_by_product": lambda d, b: PostgresProductQueries(d).movements(
        b.store, ProductId(UUID(b.shop.products[0])), PAGE
    ),
    "stock_movements_by_time": lambda d, b: PostgresProductQueries(d).store_movements(
        b.store, MovementFilter(time_from=NOW - timedelta(days=10)), PAGE
    ),
}


async def plan_of(b: Books, statement: str, arguments: tuple[Any, ...]) -> str:
    connection = await asyncpg.connect(
        b.cluster.url(b.name).partition("?")[0], ssl=ssl.create_default_context(cafile=b.cluster.ca_file)
    )
    try:
        return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
    finally:
        await connection.close()


@pytest.mark.parametrize("index", QUERIES)
async def test_a_query_needs_the_index(filled: Books, index: str) -> None:
    recorder = Recorder()
    # No row comes back, which some queries refuse: by then the statement is known.
    with contextlib.suppress(NotFound):
        await QUERIES[index](recorder, filled)
    statement, arguments = recorder.sent[0]

    assert index in (plan := await plan_of(filled, statement, arguments)), plan


async def test_no_index_of_a_growing_table_is_without_a_reason(filled: Books) -> None:
    rows = filled.cluster.execute(
        """SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           WHERE i.indrelid = ANY (('{' || :'tables' || '}')::text[]::regclass[])
             AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid);""",
        {"tables": ",".join(f"ibex.{table}" for table in GROWING)},
        database=filled.name,
    )
    known = set(QUERIES) | set(FOR_ANOTHER_REASON)

    assert set(rows.split()) - known == set()
    assert set(FOR_ANOTHER_REASON) - set(rows.split()) == set(), "a reason for an index that is not there"
