"""What must hold of a shop after anything that may have happened in it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Final

from tests.api.books import reports_equal_the_books
from tests.api.client import Shop
from tests.api.money import assert_accounts_add_up
from tests.api.stateful.world import World

# Each statement returns what is wrong: no row, if all is well. $1 is the store.
DIFFERENCES: Final = {
    "an invoice's SALE entry is its total": """
        SELECT i.number, i.total, e.debit FROM ibex.invoices i
        FULL JOIN (SELECT * FROM ibex.ledger_entries x WHERE x.store_id = $1 AND x.type = 'SALE') e
          ON e.store_id = i.store_id AND e.invoice_id = i.id
        WHERE coalesce(i.store_id, e.store_id) = $1 AND i.number IS NOT NULL
          AND (e.debit, e.customer_id, e.document_number) IS DISTINCT FROM (i.total, i.customer_id, i.number)""",
    "a credit note's entry is its total": """
        SELECT c.number, c.total, e.credit FROM ibex.credit_notes c
        FULL JOIN (SELECT * FROM ibex.ledger_entries x WHERE x.store_id = $1 AND x.type = 'CREDIT_NOTE') e
          ON e.store_id = c.store_id AND e.credit_note_id = c.id
        WHERE coalesce(c.store_id, e.store_id) = $1
          AND (e.credit, e.customer_id) IS DISTINCT FROM (c.total, c.customer_id)""",
    "money in and out has its entry, what stays on an account has none": """
        SELECT p.receipt_number, p.kind, p.method, p.amount, e.debit, e.credit FROM ibex.payments p
        LEFT JOIN ibex.ledger_entries e ON e.store_id = p.store_id AND e.payment_id = p.id
        WHERE p.store_id = $1 AND CASE WHEN p.method = 'ACCOUNT' THEN e.id IS NOT NULL
          ELSE (e.debit, e.credit) IS DISTINCT FROM (CASE p.kind WHEN 'REFUND' THEN p.amount ELSE 0 END,
                                                     CASE p.kind WHEN 'RECEIPT' THEN p.amount ELSE 0 END) END""",
    "what is paid and credited is what payments and credit notes say": """
        SELECT i.number, i.paid, i.credited, p.paid AS by_payments, c.credited AS by_notes FROM ibex.invoices i
        LEFT JOIN LATERAL (SELECT coalesce(sum(CASE x.kind WHEN 'RECEIPT' THEN x.amount ELSE -x.amount END), 0) AS paid
                           FROM ibex.payments x WHERE x.store_id = i.store_id AND x.invoice_id = i.id) p ON true
        LEFT JOIN LATERAL (SELECT coalesce(sum(x.total), 0) AS credited
                           FROM ibex.credit_notes x WHERE x.store_id = i.store_id AND x.invoice_id = i.id) c ON true
        WHERE i.store_id = $1 AND (i.paid, i.credited) IS DISTINCT FROM (p.paid, c.credited)""",
    "no invoice is settled beyond its total": """
        SELECT i.number FROM ibex.invoices i
        WHERE i.store_id = $1 AND (i.paid < 0 OR i.credited < 0 OR i.paid + i.credited > i.total)""",
    "a line's returns are those of its credit notes": """
        SELECT l.invoice_id, l.line_no, l.returned, l.quantity, c.back FROM ibex.invoice_lines l
        LEFT JOIN LATERAL (SELECT coalesce(sum(x.quantity), 0) AS back, coalesce(sum(x.total), 0) AS total
          FROM ibex.credit_note_lines x WHERE x.store_id = l.store_id AND x.invoice_id = l.invoice_id
            AND x.invoice_line_no = l.line_no) c ON true
        WHERE l.store_id = $1 AND (l.returned <> c.back OR l.returned > l.quantity OR c.total > l.total
                                   OR (l.returned = l.quantity AND c.total <> l.total))""",
    "stock is the sum of its movements, and their balances run": """
        SELECT p.sku, p.stock, m.moved FROM ibex.products p
        LEFT JOIN LATERAL (SELECT sum(x.quantity) AS moved, bool_or(x.off) AS off FROM (
            SELECT y.quantity, y.balance <> sum(y.quantity) OVER (ORDER BY y.seq) AS off
            FROM ibex.stock_movements y WHERE y.store_id = p.store_id AND y.product_id = p.id) x) m ON true
        WHERE p.store_id = $1 AND (p.stock <> coalesce(m.moved, 0) OR m.off)""",
    "a customer's running balance runs": """
        SELECT e.seq, e.customer_balance FROM (
          SELECT x.seq, x.customer_balance,
            sum(x.debit - x.credit) OVER (PARTITION BY x.customer_id ORDER BY x.seq) AS runs
          FROM ibex.ledger_entries x WHERE x.store_id = $1 AND x.customer_id IS NOT NULL) e
        WHERE e.customer_balance <> e.runs""",
    "numbers have no gaps": """
        SELECT n.kind, n.most, n.there, n.counter FROM (
          SELECT 'invoice' AS kind, max(i.number) AS most, count(DISTINCT i.number) AS there,
              max(c.invoice_number) AS counter
            FROM ibex.store_counters c LEFT JOIN ibex.invoices i ON i.store_id = c.store_id AND i.number IS NOT NULL
            WHERE c.store_id = $1
          UNION ALL SELECT 'credit note', max(n.number), count(DISTINCT n.number), max(c.credit_note_number)
            FROM ibex.store_counters c LEFT JOIN ibex.credit_notes n ON n.store_id = c.store_id WHERE c.store_id = $1
          UNION ALL SELECT 'receipt', max(p.receipt_number), count(DISTINCT p.receipt_number), max(c.receipt_number)
            FROM ibex.store_counters c LEFT JOIN ibex.payments p ON p.store_id = c.store_id WHERE c.store_id = $1
          UNION ALL SELECT 'ledger', max(e.seq), count(*) FILTER (WHERE e.seq IS NOT NULL), max(c.ledger_seq)
            FROM ibex.store_counters c LEFT JOIN ibex.ledger_entries e ON e.store_id = c.store_id WHERE c.store_id = $1
          UNION ALL SELECT 'movement', max(m.seq), count(*) FILTER (WHERE m.seq IS NOT NULL), max(c.movement_seq)
            FROM ibex.store_counters c LEFT JOIN ibex.stock_movements m ON m.store_id = c.store_id WHERE c.store_id = $1
          UNION ALL SELECT 'audit', max(a.seq), count(*) FILTER (WHERE a.seq IS NOT NULL), max(c.audit_seq)
            FROM ibex.store_counters c LEFT JOIN ibex.audit_entries a ON a.store_id = c.store_id WHERE c.store_id = $1
          UNION ALL SELECT 'event', max(v.seq), count(*) FILTER (WHERE v.seq IS NOT NULL), max(c.event_seq)
            FROM ibex.store_counters c LEFT JOIN ibex.events v ON v.store_id = c.store_id WHERE c.store_id = $1
        ) n WHERE coalesce(n.most, 0) <> n.there OR n.there <> n.counter""",
}


async def no_row_is_out_of_place(world: World) -> None:
    """The books against the documents."""
    for name, statement in DIFFERENCES.items():
        assert await world.shop.rows(statement) == [], name


async def accounts_add_up(world: World) -> None:
    """Every customer's balance is what is open, less what is on account."""
    await assert_accounts_add_up(world.shop)


async def stock_is_what_the_test_reckons(world: World) -> None:
    """By the API, against the test's own sums."""
    found = {p["id"]: Decimal(p["stock"]) for p in await world.shop.api.all("/v1/products")}
    assert found == world.stock


async def statements_equal_the_ledger(world: World) -> None:
    """A customer's statement, page by page, is the ledger's entries of that customer."""
    for customer in world.customers:
        path = f"/v1/customers/{customer['id']}"
        lines = await _statement_lines(world.shop, path)
        ledger = [entry for entry in await world.shop.ledger() if entry["customer_id"] == customer["id"]]
        assert [line["seq"] for line in lines] == [entry["seq"] for entry in ledger]
        balance = Decimal(0)
        for line, entry in zip(lines, ledger, strict=True):
            balance += Decimal(entry["debit"]) - Decimal(entry["credit"])
            assert Decimal(line["balance"]) == balance == Decimal(entry["customer_balance"])
        assert balance == Decimal((await world.shop.api.get(path))["balance"])


async def reports_equal_the_ledger(world: World) -> None:
    """All reports of the days that anything happened on."""
    days = [
        row["day"]
        for row in await world.shop.rows(
            "SELECT DISTINCT e.business_date::text AS day FROM ibex.ledger_entries e WHERE e.store_id = $1"
        )
    ]
    if days:
        await reports_equal_the_books(world.shop, min(days), max(days))


async def _statement_lines(shop: Shop, path: str) -> list[dict[str, str]]:
    lines: list[dict[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await shop.api.get(f"{path}/statement", params={"limit": 7} | cursor)
        lines += page["lines"]
        if page["next_cursor"] is None:
            return lines
        cursor = {"cursor": page["next_cursor"]}


CHECKS: Final[list[Callable[[World], Coroutine[Any, Any, None]]]] = [
    no_row_is_out_of_place,
    accounts_add_up,
    stock_is_what_the_test_reckons,
    statements_equal_the_ledger,
    reports_equal_the_ledger,
]
"""Run after every course of trade. Add yours."""
