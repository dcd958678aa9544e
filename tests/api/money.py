"""What must be true of every customer's account, whatever happened."""

from __future__ import annotations

from typing import Final

from tests.api.client import Json, Shop

ACCOUNTS: Final = """
SELECT c.id, c.balance, c.account_credit, c.opening_due,
  coalesce((SELECT sum(e.debit - e.credit) FROM ibex.ledger_entries e
            WHERE e.store_id = c.store_id AND e.customer_id = c.id), 0) AS ledger,
  coalesce((SELECT sum(i.total - i.paid - i.credited) FROM ibex.invoices i
            WHERE i.store_id = c.store_id AND i.customer_id = c.id AND i.status IN ('PAID', 'UNPAID')), 0) AS open,
  coalesce((SELECT sum(CASE WHEN p.kind = 'REFUND' AND p.method <> 'ACCOUNT' THEN -p.amount
                            WHEN p.kind = 'REFUND' THEN p.amount
                            WHEN p.method = 'ACCOUNT' THEN -p.amount
                            WHEN p.for_opening THEN 0 ELSE p.amount END)
            FROM ibex.payments p WHERE p.store_id = c.store_id AND p.customer_id = c.id
              AND (p.method = 'ACCOUNT' OR (p.invoice_id IS NULL AND p.credit_note_id IS NULL))), 0)
  + coalesce((SELECT sum(e.credit) FROM ibex.ledger_entries e WHERE e.store_id = c.store_id
              AND e.customer_id = c.id AND e.type = 'OPENING'), 0) AS account,
  coalesce((SELECT sum(e.debit) FROM ibex.ledger_entries e WHERE e.store_id = c.store_id
              AND e.customer_id = c.id AND e.type = 'OPENING'), 0)
  - coalesce((SELECT sum(p.amount) FROM ibex.payments p WHERE p.store_id = c.store_id AND p.customer_id = c.id
              AND p.for_opening), 0) AS opening
FROM ibex.customers c WHERE c.store_id = $1
"""


async def assert_accounts_add_up(shop: Shop) -> list[Json]:
    """For every customer: balance = ledger = open invoices + opening debt - account credit, and each of these equals
    what the rows say that made it.
    """
    rows = await shop.rows(ACCOUNTS)
    for row in rows:
        assert row["balance"] == row["ledger"], row
        assert row["balance"] == row["open"] + row["opening_due"] - row["account_credit"], row
        assert row["account_credit"] == row["account"], row
        assert row["opening_due"] == row["opening"], row
    return rows


async def assert_account_adds_up(shop: Shop, customer: Json) -> None:
    """The same, where ``customer`` is one of them."""
    assert customer["id"] in {str(row["id"]) for row in await assert_accounts_add_up(shop)}
