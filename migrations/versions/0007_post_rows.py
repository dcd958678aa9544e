"""``ibex.post_rows``: the inserts of a posting, after its locks are held and its numbers are known."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE FUNCTION ibex.post_rows(p_store uuid, p_operator uuid, p_at timestamptz, p_rows jsonb, p_moved jsonb,
  p_opening jsonb, p_ledger bigint, p_movement bigint, p_audit bigint, p_event bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_rows ? 'records' THEN
    PERFORM ibex.post_records(p_store, p_rows -> 'records');
  END IF;
  IF p_rows ? 'invoices' THEN
    INSERT INTO ibex.invoices (store_id, id, number, status, customer_id, operator_id, shift_id, currency,
        prices_include_tax, line_count, subtotal, discount_total, net_total, tax_total, rounding, total, paid, discount, note, offline,
        oversold, due_date, business_date, occurred_at, created_at, issued_at)
      SELECT p_store, id, number, status, customer_id, p_operator, shift_id, currency,
        prices_include_tax, line_count, subtotal, discount_total, net_total, tax_total, rounding, total, paid, discount, note, offline,
        EXISTS (SELECT 1 FROM jsonb_array_elements(p_moved) m WHERE (m ->> 'oversold')::boolean), due_date,
        business_date, occurred_at, p_at, issued_at
      FROM jsonb_populate_recordset(NULL::ibex.invoices, p_rows -> 'invoices');
  END IF;
  IF p_rows ? 'invoice_lines' THEN
    INSERT INTO ibex.invoice_lines (store_id, invoice_id, line_no, product_id, sku, name, unit_price, quantity,
        tax_rate, cost_price, gross, discount, order_discount, net, tax, total)
      SELECT p_store, invoice_id, line_no, product_id, sku, name, unit_price, quantity,
        tax_rate, cost_price, gross, discount, order_discount, net, tax, total
      FROM jsonb_populate_recordset(NULL::ibex.invoice_lines, p_rows -> 'invoice_lines');
  END IF;
  IF p_rows ? 'returned' THEN
    UPDATE ibex.invoice_lines l SET returned = l.returned + w.quantity
      FROM jsonb_to_recordset(p_rows -> 'returned') AS w(invoice_id uuid, line_no smallint, quantity numeric)
      WHERE l.store_id = p_store AND l.invoice_id = w.invoice_id AND l.line_no = w.line_no;
  END IF;
  IF p_rows ? 'credit_notes' THEN
    INSERT INTO ibex.credit_notes (store_id, id, number, invoice_id, customer_id, operator_id, shift_id, currency,
        prices_include_tax, reason, line_count, net_total, tax_total, rounding, total, refunded, business_date,
        occurred_at, issued_at)
      SELECT p_store, id, number, invoice_id, customer_id, p_operator, shift_id, currency,
        prices_include_tax, reason, line_count, net_total, tax_total, rounding, total, refunded, business_date,
        occurred_at, p_at
      FROM jsonb_populate_recordset(NULL::ibex.credit_notes, p_rows -> 'credit_notes');
    INSERT INTO ibex.credit_note_lines (store_id, credit_note_id, line_no, invoice_id, invoice_line_no, product_id,
        sku, name, unit_price, quantity, tax_rate, cost_price, net, tax, total, disposition)
      SELECT p_store, credit_note_id, line_no, invoice_id, invoice_line_no, product_id,
        sku, name, unit_price, quantity, tax_rate, cost_price, net, tax, total, disposition
      FROM jsonb_populate_recordset(NULL::ibex.credit_note_lines, p_rows -> 'credit_note_lines');
  END IF;
  IF p_rows ? 'payments' THEN
    INSERT INTO ibex.payments (store_id, id, receipt_id, receipt_number, kind, method, amount, tendered, change_due,
        reference, invoice_id, credit_note_id, customer_id, for_opening, shift_id, operator_id, business_date,
        occurred_at, recorded_at)
      SELECT p_store, id, receipt_id, receipt_number, kind, method, amount, tendered, change_due,
        reference, invoice_id, credit_note_id, customer_id, coalesce(for_opening, false), shift_id, p_operator,
        business_date, occurred_at, p_at
      FROM jsonb_populate_recordset(NULL::ibex.payments, p_rows -> 'payments');
  END IF;
  IF p_rows ? 'ledger_entries' THEN
    -- A customer's running balance: what was owed before this posting, and the entries up to this one.
    INSERT INTO ibex.ledger_entries (store_id, seq, id, type, debit, credit, currency, customer_id, customer_balance,
        document_number, invoice_id, credit_note_id, payment_id, operator_id, note, business_date, occurred_at,
        recorded_at)
      SELECT p_store, p_ledger + e.seq, e.id, e.type, e.debit, e.credit, e.currency, e.customer_id,
        (p_opening ->> e.customer_id::text)::numeric
          + sum(e.debit - e.credit) OVER (PARTITION BY e.customer_id ORDER BY e.seq),
        e.document_number, e.invoice_id, e.credit_note_id, e.payment_id, p_operator, e.note, e.business_date,
        e.occurred_at, p_at
      FROM jsonb_populate_recordset(NULL::ibex.ledger_entries, p_rows -> 'ledger_entries') e
      ORDER BY e.seq;
  END IF;
  IF jsonb_array_length(p_moved) > 0 THEN
    INSERT INTO ibex.stock_movements (store_id, seq, id, product_id, kind, quantity, balance, reason, unit_cost,
        invoice_id, credit_note_id, operator_id, occurred_at, recorded_at)
      SELECT p_store, p_movement + row_number() OVER (ORDER BY m.ord), e.id, m.product_id, e.kind, m.quantity,
        m.balance, e.reason, e.unit_cost, e.invoice_id, e.credit_note_id, p_operator, e.occurred_at, p_at
      FROM jsonb_to_recordset(p_moved) AS m(ord integer, product_id uuid, quantity numeric, balance numeric)
      JOIN jsonb_populate_recordset(NULL::ibex.stock_movements, p_rows -> 'stock_movements') e
        ON e.seq = m.ord;
  END IF;
  IF p_rows ? 'opening_stock' THEN
    -- The first stock of products that this posting has added: their rows hold it already.
    INSERT INTO ibex.stock_movements (store_id, seq, id, product_id, kind, quantity, balance, reason, unit_cost,
        operator_id, occurred_at, recorded_at)
      SELECT p_store, p_movement + jsonb_array_length(p_moved) + e.seq, e.id, p.id, 'OPENING', p.stock, p.stock,
        e.reason, e.unit_cost, p_operator, e.occurred_at, p_at
      FROM jsonb_populate_recordset(NULL::ibex.stock_movements, p_rows -> 'opening_stock') e
      JOIN ibex.products p ON p.store_id = p_store AND p.id = e.product_id;
  END IF;
  IF p_rows ? 'audit_entries' THEN
    INSERT INTO ibex.audit_entries (store_id, seq, action, entity, entity_id, operator_id, token_id, request_id,
        address, reason, before, after, recorded_at)
      SELECT p_store, p_audit + a.seq, a.action, a.entity, a.entity_id, p_operator, a.token_id, a.request_id,
        a.address, a.reason, a.before, a.after, p_at
      FROM jsonb_populate_recordset(NULL::ibex.audit_entries, p_rows -> 'audit_entries') a;
  END IF;
  IF p_rows ? 'events' THEN
    INSERT INTO ibex.events (store_id, seq, id, type, data, recorded_at)
      SELECT p_store, p_event + e.seq, e.id, e.type, e.data, p_at
      FROM jsonb_populate_recordset(NULL::ibex.events, p_rows -> 'events') e;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(
        "DROP FUNCTION ibex.post_rows(uuid, uuid, timestamptz, jsonb, jsonb, jsonb, bigint, bigint, bigint, bigint)"
    )
