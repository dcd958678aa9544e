"""The database itself refuses what must never be, whoever asks: here its owner, past all of the service's code."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.api.client import Foreign, Service, Shop, furnish

HISTORY = (
    "ledger_entries",
    "stock_movements",
    "payments",
    "audit_entries",
    "price_changes",
    "credit_notes",
    "credit_note_lines",
    "shift_movements",
)


@pytest.fixture
async def own(shop: Shop) -> Foreign:
    """A store with one of everything, and a cancelled draft."""
    found = await furnish(shop)
    found.ids["cancelled_id"] = (await shop.draft(found.things["product"]))["id"]
    await shop.api.post(f"/v1/invoices/{found.ids['cancelled_id']}/cancel", expect=200)
    shift = found.ids["shift_id"]
    await shop.api.post(f"/v1/shifts/{shift}/movements", {"kind": "PAID_IN", "amount": "5.00", "reason": "change"})
    return found


async def refused(own: Foreign, statement: str, *, because: str, values: dict[str, Any] | None = None) -> None:
    """The statement must fail with this SQLSTATE or this constraint, and leave everything as it was."""
    names = {"store_id": str(own.shop.store_id), "operator_id": str(own.shop.owner_id)} | own.ids | (values or {})
    filled = statement.format(**{name: f"'{value}'" for name, value in names.items()})
    before = await own.shop.everything()
    with pytest.raises(asyncpg.PostgresError) as error:
        # One transaction, so that what is checked at its end is checked.
        await own.shop.execute(filled)
    found = error.value
    assert because in (found.sqlstate, getattr(found, "constraint_name", None)), f"{found.sqlstate}: {found}"
    assert await own.shop.everything() == before


@pytest.mark.parametrize("table", HISTORY)
async def test_history_is_neither_changed_nor_removed(table: str, own: Foreign) -> None:
    rows = await own.shop.rows(f"SELECT count(*) AS n FROM ibex.{table} WHERE store_id = $1")
    assert rows[0]["n"] > 0, "there must be something to attack"
    for statement in (
        f"UPDATE ibex.{table} SET store_id = store_id WHERE store_id = {{store_id}}",
        f"DELETE FROM ibex.{table} WHERE store_id = {{store_id}}",
        f"TRUNCATE ibex.{table} CASCADE",
    ):
        await refused(own, statement, because="IB020")


@pytest.mark.parametrize("table", ["invoices", "invoice_lines", "products", "customers", "stores", "operators"])
async def test_nothing_that_history_refers_to_can_be_emptied(table: str, own: Foreign) -> None:
    await refused(own, f"TRUNCATE ibex.{table} CASCADE", because="IB020")


async def test_no_reference_deletes_or_changes_what_refers_to_it(service: Service) -> None:
    cascading = await service.database.read(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'ibex'::regnamespace AND contype = 'f' "
        "AND (confdeltype <> 'a' OR confupdtype <> 'a')"
    )
    assert [row["conname"] for row in cascading] == []


async def test_every_reference_between_tables_of_a_store_holds_the_store(service: Service) -> None:
    loose = await service.database.read(
        """
        SELECT c.conname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attname = 'store_id' AND NOT a.attisdropped
        WHERE c.connamespace = 'ibex'::regnamespace AND c.contype = 'f' AND NOT a.attnum = ANY (c.confkey)
        """
    )
    assert [row["conname"] for row in loose] == []


ISSUED = [
    ("UPDATE ibex.invoices SET total = total + 1, net_total = net_total + 1 WHERE id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoices SET number = number + 1000 WHERE id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoices SET customer_id = NULL WHERE id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoices SET note = 'other' WHERE id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoices SET business_date = business_date - 1 WHERE id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoices SET status = 'DRAFT' WHERE id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoices SET status = 'CANCELLED' WHERE id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoices SET status = 'DRAFT' WHERE id = {cancelled_id}", "IB021"),
    ("UPDATE ibex.invoices SET note = 'other' WHERE id = {cancelled_id}", "IB021"),
    ("DELETE FROM ibex.invoices WHERE id = {invoice_id}", "IB020"),
    ("DELETE FROM ibex.invoices WHERE id = {draft_id}", "IB020"),
    ("UPDATE ibex.invoice_lines SET quantity = 1 WHERE invoice_id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoice_lines SET name = 'other' WHERE invoice_id = {draft_id}", "IB021"),
    ("DELETE FROM ibex.invoice_lines WHERE invoice_id = {invoice_id}", "IB021"),
    ("UPDATE ibex.invoice_lines SET returned = returned + 100 WHERE invoice_id = {invoice_id}", "23514"),
]


@pytest.mark.parametrize(("statement", "because"), ISSUED, ids=[one[0][:70] for one in ISSUED])
async def test_an_issued_invoice_does_not_change(statement: str, because: str, own: Foreign) -> None:
    await refused(own, statement, because=because)


LINE = """
INSERT INTO ibex.invoice_lines (store_id, invoice_id, line_no, product_id, sku, name, unit_price, quantity, tax_rate,
  gross, discount, order_discount, net, tax, total)
VALUES ({store_id}, {%s}, 99, {%s}, 'X', 'X', 1, 1, 0, 1, 0, 0, 1, 0, 1)
"""
INVOICE = """
INSERT INTO ibex.invoices (store_id, id, status, operator_id, currency, prices_include_tax, line_count, subtotal,
  discount_total, net_total, tax_total, total, business_date, occurred_at, created_at)
VALUES ({store_id}, gen_random_uuid(), 'DRAFT', {operator_id}, 'EUR', true, 1, 1, 0, 1, 0, 1, now(), now(), now())
"""
ENTRY = """
INSERT INTO ibex.ledger_entries (store_id, seq, id, type, debit, credit, currency, customer_id, customer_balance,
  invoice_id, payment_id, operator_id, business_date, occurred_at, recorded_at)
VALUES ({store_id}, 999999, gen_random_uuid(), %s, 'EUR', %s, {operator_id}, now(), now(), now())
"""
PAYMENT = """
INSERT INTO ibex.payments (store_id, id, receipt_id, receipt_number, kind, method, amount, tendered, change_due,
  invoice_id, operator_id, business_date, occurred_at, recorded_at)
VALUES ({store_id}, gen_random_uuid(), gen_random_uuid(), 999, 'RECEIPT', 'CASH', %s, {%s}, {operator_id}, now(),
  now(), now())
"""
RULES = [
    (LINE % ("invoice_id", "product_id"), "IB022"),
    (LINE % ("draft_id", "product_id"), "IB022"),
    (INVOICE, "IB022"),
    ("DELETE FROM ibex.invoice_lines WHERE invoice_id = {draft_id}", "IB022"),
    ("UPDATE ibex.invoices SET net_total = net_total + 1, total = total + 1 WHERE id = {draft_id}", "IB022"),
    ("UPDATE ibex.invoices SET subtotal = subtotal + 1 WHERE id = {draft_id}", "IB022"),
    ("UPDATE ibex.invoices SET total = total + 1 WHERE id = {draft_id}", "invoices_totals_add_up"),
    ("UPDATE ibex.invoices SET paid = total + 1 WHERE id = {invoice_id}", "invoices_settled_within_total"),
    ("UPDATE ibex.invoices SET status = 'PAID' WHERE id = {invoice_id}", "invoices_paid_means_settled"),
    ("UPDATE ibex.invoices SET status = 'PAID', paid = total WHERE id = {draft_id}", "invoices_issued_are_numbered"),
    ("UPDATE ibex.invoices SET paid = 1 WHERE id = {draft_id}", "invoices_drafts_are_unsettled"),
    (
        "UPDATE ibex.invoices SET status = 'PAID', paid = total, number = 1, issued_at = now() WHERE id = {draft_id}",
        "invoices_number_unique",
    ),
    (
        "UPDATE ibex.invoices SET status = 'UNPAID', number = 9, issued_at = now(), customer_id = NULL "  # noqa: ISC004
        "WHERE id = {draft_id}",
        "invoices_unpaid_has_a_debtor",
    ),
    ("UPDATE ibex.products SET stock = -1 WHERE id = {product_id}", "products_stock_never_negative"),
    ("UPDATE ibex.products SET unit_price = -1 WHERE id = {product_id}", "products_price_not_negative"),
    ("UPDATE ibex.customers SET credit_limit = -1 WHERE id = {customer_id}", "customers_credit_limit_not_negative"),
    (ENTRY % ("'SALE', 1, 0", "NULL, NULL, {invoice_id}, NULL"), "ledger_entries_one_sale_per_invoice"),
    (ENTRY % ("'SALE', 1, 1", "NULL, NULL, {draft_id}, NULL"), "ledger_entries_one_side"),
    (ENTRY % ("'SALE', 0, 1", "NULL, NULL, {draft_id}, NULL"), "ledger_entries_side_of_type"),
    (ENTRY % ("'SALE', -1, 0", "NULL, NULL, {draft_id}, NULL"), "ledger_entries_debit_not_negative"),
    (ENTRY % ("'SALE', 1, 0", "NULL, NULL, NULL, NULL"), "ledger_entries_document"),
    (ENTRY % ("'SALE', 1, 0", "{customer_id}, NULL, {draft_id}, NULL"), "ledger_entries_balance_is_a_customers"),
    (PAYMENT % ("0, 0, 0", "invoice_id"), "payments_amount_positive"),
    (PAYMENT % ("5, 10, 4", "invoice_id"), "payments_tender_adds_up"),
    ("DELETE FROM ibex.stores WHERE id = {store_id}", "23503"),
    ("DELETE FROM ibex.products WHERE id = {product_id}", "23503"),
    ("DELETE FROM ibex.customers WHERE id = {customer_id}", "23503"),
]


@pytest.mark.parametrize(("statement", "because"), RULES, ids=[one[1] + str(i) for i, one in enumerate(RULES)])
async def test_what_does_not_add_up_is_refused(statement: str, because: str, own: Foreign) -> None:
    await refused(own, statement, because=because)


ACROSS = [
    (LINE % ("draft_id", "their_product"), "invoice_lines_product_fk"),
    (LINE % ("their_draft", "product_id"), "invoice_lines_invoice_fk"),
    ("UPDATE ibex.invoices SET customer_id = {their_customer} WHERE id = {draft_id}", "invoices_customer_fk"),
    ("UPDATE ibex.invoices SET store_id = {their_store} WHERE id = {draft_id}", "23503"),
    ("UPDATE ibex.products SET category_id = {their_category} WHERE id = {product_id}", "products_category_fk"),
    ("UPDATE ibex.products SET store_id = {their_store} WHERE id = {product_id}", "23503"),
    ("UPDATE ibex.customers SET store_id = {their_store} WHERE id = {customer_id}", "23503"),
    ("UPDATE ibex.api_tokens SET operator_id = {their_operator} WHERE id = {token_id}", "api_tokens_operator_fk"),
    (ENTRY % ("'SALE', 1, 0", "NULL, NULL, {their_draft}, NULL"), "ledger_entries_invoice_fk"),
    (ENTRY % ("'OPENING', 1, 0", "{their_customer}, 0, NULL, NULL"), "ledger_entries_customer_fk"),
    (PAYMENT % ("1, 1, 0", "their_draft"), "payments_invoice_fk"),
]


@pytest.mark.parametrize(("statement", "because"), ACROSS, ids=[one[1] + str(i) for i, one in enumerate(ACROSS)])
async def test_no_row_refers_across_stores(statement: str, because: str, own: Foreign, foreign_store: Foreign) -> None:
    theirs = {f"their_{name.removesuffix('_id')}": value for name, value in foreign_store.ids.items()}
    theirs["their_store"] = str(foreign_store.shop.store_id)
    before = await foreign_store.shop.everything()
    await refused(own, statement, because=because, values=theirs)
    assert await foreign_store.shop.everything() == before
