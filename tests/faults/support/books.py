"""Are the books whole? Asked of the database itself, past everything that could have misbehaved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ibex_devtools.sandbox import Cluster

# Each statement lists what must not be. $store is put in as a psql variable.
MUST_BE_EMPTY: Final[Mapping[str, str]] = {
    "numbers of invoices have no gap and no double": """
        SELECT count(*), max(number) FROM ibex.invoices WHERE store_id = :'store' AND number IS NOT NULL
        HAVING count(*) <> coalesce(max(number), 0) OR count(DISTINCT number) <> count(*)""",
    "numbers of receipts have no gap": """
        SELECT count(DISTINCT receipt_number), max(receipt_number) FROM ibex.payments WHERE store_id = :'store'
        HAVING count(DISTINCT receipt_number) <> coalesce(max(receipt_number), 0)""",
    "counters stand at what was taken from them": """
        SELECT c.* FROM ibex.store_counters c WHERE c.store_id = :'store' AND (
          c.invoice_number <> (SELECT count(number) FROM ibex.invoices x WHERE x.store_id = c.store_id)
          OR c.ledger_seq <> (SELECT count(*) FROM ibex.ledger_entries x WHERE x.store_id = c.store_id)
          OR c.movement_seq <> (SELECT count(*) FROM ibex.stock_movements x WHERE x.store_id = c.store_id)
          OR c.audit_seq <> (SELECT count(*) FROM ibex.audit_entries x WHERE x.store_id = c.store_id)
          OR c.event_seq <> (SELECT count(*) FROM ibex.events x WHERE x.store_id = c.store_id))""",
    "every sequence is whole": """
        SELECT 'ledger' FROM ibex.ledger_entries WHERE store_id = :'store' HAVING count(*) <> coalesce(max(seq), 0)
        UNION ALL
        SELECT 'stock' FROM ibex.stock_movements WHERE store_id = :'store' HAVING count(*) <> coalesce(max(seq), 0)
        UNION ALL
        SELECT 'audit' FROM ibex.audit_entries WHERE store_id = :'store' HAVING count(*) <> coalesce(max(seq), 0)
        UNION ALL
        SELECT 'events' FROM ibex.events WHERE store_id = :'store' HAVING count(*) <> coalesce(max(seq), 0)""",
    "stock is what its movements add up to": """
        SELECT p.sku, p.stock, sum(m.quantity) FROM ibex.products p
        LEFT JOIN ibex.stock_movements m ON m.store_id = p.store_id AND m.product_id = p.id
        WHERE p.store_id = :'store' AND p.track_stock
        GROUP BY p.store_id, p.id HAVING p.stock <> coalesce(sum(m.quantity), 0)""",
    "what was sold has left the stock": """
        SELECT l.product_id, sum(l.quantity), (
          SELECT -coalesce(sum(m.quantity), 0) FROM ibex.stock_movements m
          WHERE m.store_id = l.store_id AND m.product_id = l.product_id AND m.kind = 'SOLD')
        FROM ibex.invoice_lines l
        JOIN ibex.invoices i ON i.store_id = l.store_id AND i.id = l.invoice_id AND i.number IS NOT NULL
        WHERE l.store_id = :'store' GROUP BY l.store_id, l.product_id
        HAVING sum(l.quantity) <> (
          SELECT -coalesce(sum(m.quantity), 0) FROM ibex.stock_movements m
          WHERE m.store_id = l.store_id AND m.product_id = l.product_id AND m.kind = 'SOLD')""",
    "an invoice is its lines": """
        SELECT i.id FROM ibex.invoices i
        LEFT JOIN ibex.invoice_lines l ON l.store_id = i.store_id AND l.invoice_id = i.id
        WHERE i.store_id = :'store' GROUP BY i.store_id, i.id
        HAVING count(l.*) <> i.line_count OR coalesce(sum(l.total), 0) + i.rounding <> i.total""",
    "each issued invoice is in the ledger once, with its total": """
        SELECT i.id, count(e.*) FROM ibex.invoices i
        LEFT JOIN ibex.ledger_entries e ON e.store_id = i.store_id AND e.invoice_id = i.id AND e.type = 'SALE'
        WHERE i.store_id = :'store' AND i.number IS NOT NULL
        GROUP BY i.store_id, i.id HAVING count(e.*) <> 1 OR sum(e.debit) <> i.total""",
    "what an invoice was paid is its payments": """
        SELECT i.id, i.paid FROM ibex.invoices i
        LEFT JOIN ibex.payments p ON p.store_id = i.store_id AND p.invoice_id = i.id AND p.kind = 'RECEIPT'
        WHERE i.store_id = :'store' GROUP BY i.store_id, i.id HAVING i.paid <> coalesce(sum(p.amount), 0)""",
    "each payment is in the ledger": """
        SELECT p.id FROM ibex.payments p
        LEFT JOIN ibex.ledger_entries e ON e.store_id = p.store_id AND e.payment_id = p.id
        WHERE p.store_id = :'store' AND p.method <> 'ACCOUNT' AND e.seq IS NULL""",
    "a customer owes what the ledger says": """
        SELECT c.id, c.balance FROM ibex.customers c
        LEFT JOIN ibex.ledger_entries e ON e.store_id = c.store_id AND e.customer_id = c.id
        WHERE c.store_id = :'store' GROUP BY c.store_id, c.id
        HAVING c.balance <> coalesce(sum(e.debit - e.credit), 0)""",
}
OF_A_SALE: Final = "SELECT note, id FROM ibex.invoices WHERE store_id = :'store' AND number IS NOT NULL;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the books hold of the sales of a test."""

    sales: int
    lost: int
    doubled: int


def faults_in(cluster: Cluster, database: str, store_id: object) -> list[str]:
    """What is wrong in a store's books, in words; nothing if they are whole."""
    found = []
    for rule, statement in MUST_BE_EMPTY.items():
        rows = cluster.execute(statement + ";", {"store": str(store_id)}, database=database).strip()
        if rows:
            found.append(f"{rule}: {rows[:300]}")
    return found


def compare(
    cluster: Cluster,
    database: str,
    store_id: object,
    confirmed: Mapping[str, Mapping[str, Any]],
    uncertain: Iterable[str] = (),
) -> Found:
    """The sales in the books, against what callers were told. A sale's note is its key.

    Raises AssertionError for a sale that nobody was told of, unless it is one of the ``uncertain``.
    """
    in_books: dict[str, list[str]] = {}
    for line in cluster.execute(OF_A_SALE, {"store": str(store_id)}, database=database).splitlines():
        note, _, invoice_id = line.rpartition("|")
        in_books.setdefault(note, []).append(invoice_id)
    unknown = set(in_books) - set(confirmed) - set(uncertain)
    assert not unknown, f"sales that nobody was told of: {sorted(unknown)[:5]}"
    lost = [key for key, document in confirmed.items() if document["id"] not in in_books.get(key, [])]
    doubled = [key for key, ids in in_books.items() if len(ids) > 1]
    return Found(sales=sum(map(len, in_books.values())), lost=len(lost), doubled=len(doubled))
