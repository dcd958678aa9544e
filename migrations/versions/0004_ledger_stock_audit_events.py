"""The append-only books: ledger, stock movements, audit; and the outbox of events."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UPGRADE = """
-- No foreign key of its own to the store where the operator's, which is never null, names the store already.
CREATE TABLE ibex.ledger_entries (
  store_id uuid NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  type text NOT NULL CONSTRAINT ledger_entries_type_known
    CHECK (type IN ('SALE', 'RECEIPT', 'CREDIT_NOTE', 'REFUND', 'OPENING')),
  debit numeric NOT NULL CONSTRAINT ledger_entries_debit_not_negative CHECK (debit >= 0),
  credit numeric NOT NULL CONSTRAINT ledger_entries_credit_not_negative CHECK (credit >= 0),
  currency text NOT NULL,
  customer_id uuid,
  customer_balance numeric,
  document_number bigint,
  invoice_id uuid,
  credit_note_id uuid,
  payment_id uuid,
  operator_id uuid NOT NULL,
  note text NOT NULL DEFAULT '',
  business_date date NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT ledger_entries_pk PRIMARY KEY (store_id, seq),
  CONSTRAINT ledger_entries_one_side CHECK (debit = 0 OR credit = 0),
  CONSTRAINT ledger_entries_side_of_type CHECK (
    CASE type WHEN 'SALE' THEN credit = 0 WHEN 'REFUND' THEN credit = 0
              WHEN 'RECEIPT' THEN debit = 0 WHEN 'CREDIT_NOTE' THEN debit = 0 ELSE true END),
  CONSTRAINT ledger_entries_balance_is_a_customers CHECK ((customer_id IS NULL) = (customer_balance IS NULL)),
  CONSTRAINT ledger_entries_document CHECK (
    CASE type WHEN 'SALE' THEN invoice_id IS NOT NULL WHEN 'CREDIT_NOTE' THEN credit_note_id IS NOT NULL
              WHEN 'OPENING' THEN customer_id IS NOT NULL ELSE payment_id IS NOT NULL END),
  CONSTRAINT ledger_entries_invoice_fk FOREIGN KEY (store_id, invoice_id) REFERENCES ibex.invoices (store_id, id),
  CONSTRAINT ledger_entries_credit_note_fk FOREIGN KEY (store_id, credit_note_id)
    REFERENCES ibex.credit_notes (store_id, id),
  CONSTRAINT ledger_entries_payment_fk FOREIGN KEY (store_id, payment_id) REFERENCES ibex.payments (store_id, id),
  CONSTRAINT ledger_entries_customer_fk FOREIGN KEY (store_id, customer_id) REFERENCES ibex.customers (store_id, id),
  CONSTRAINT ledger_entries_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id)
);
CREATE UNIQUE INDEX ledger_entries_one_sale_per_invoice ON ibex.ledger_entries (store_id, invoice_id)
  WHERE type = 'SALE';
CREATE UNIQUE INDEX ledger_entries_one_entry_per_payment ON ibex.ledger_entries (store_id, payment_id)
  WHERE payment_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_entries_one_entry_per_credit_note ON ibex.ledger_entries (store_id, credit_note_id)
  WHERE type = 'CREDIT_NOTE';
CREATE INDEX ledger_entries_by_customer ON ibex.ledger_entries (store_id, customer_id, business_date, seq)
  INCLUDE (debit, credit)
  WHERE customer_id IS NOT NULL;
CREATE INDEX ledger_entries_openings ON ibex.ledger_entries (store_id, customer_id, business_date, seq)
  WHERE type = 'OPENING';
CREATE INDEX ledger_entries_by_day ON ibex.ledger_entries (store_id, business_date, seq);

CREATE TABLE ibex.stock_movements (
  store_id uuid NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  product_id uuid NOT NULL,
  kind text NOT NULL CONSTRAINT stock_movements_kind_known
    CHECK (kind IN ('OPENING', 'SOLD', 'RETURNED', 'RECEIVED', 'COUNTED', 'DAMAGED', 'ADJUSTED')),
  quantity numeric NOT NULL,
  balance numeric NOT NULL,
  reason text NOT NULL DEFAULT '',
  unit_cost numeric,
  invoice_id uuid,
  credit_note_id uuid,
  operator_id uuid NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT stock_movements_pk PRIMARY KEY (store_id, seq),
  CONSTRAINT stock_movements_id_unique UNIQUE (store_id, id),
  CONSTRAINT stock_movements_product_fk FOREIGN KEY (store_id, product_id) REFERENCES ibex.products (store_id, id),
  CONSTRAINT stock_movements_invoice_fk FOREIGN KEY (store_id, invoice_id) REFERENCES ibex.invoices (store_id, id),
  CONSTRAINT stock_movements_credit_note_fk FOREIGN KEY (store_id, credit_note_id)
    REFERENCES ibex.credit_notes (store_id, id),
  CONSTRAINT stock_movements_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id)
);
CREATE INDEX stock_movements_by_product ON ibex.stock_movements (store_id, product_id, seq);

CREATE TABLE ibex.audit_entries (
  store_id uuid NOT NULL,
  seq bigint NOT NULL,
  action text NOT NULL,
  entity text NOT NULL,
  entity_id text NOT NULL,
  operator_id uuid NOT NULL,
  token_id uuid,
  request_id text NOT NULL DEFAULT '',
  address text NOT NULL DEFAULT '',
  reason text NOT NULL DEFAULT '',
  before jsonb,
  after jsonb,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT audit_entries_pk PRIMARY KEY (store_id, seq),
  CONSTRAINT audit_entries_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id)
);
CREATE INDEX audit_entries_by_entity ON ibex.audit_entries (store_id, entity, entity_id, seq);
CREATE INDEX audit_entries_by_operator ON ibex.audit_entries (store_id, operator_id, seq);
CREATE INDEX audit_entries_by_time ON ibex.audit_entries (store_id, recorded_at) INCLUDE (operator_id);

CREATE TABLE ibex.events (
  store_id uuid NOT NULL CONSTRAINT events_store_fk REFERENCES ibex.stores,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  type text NOT NULL,
  data jsonb NOT NULL,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT events_pk PRIMARY KEY (store_id, seq)
);

CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ibex.ledger_entries
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER ledger_entries_no_truncate BEFORE TRUNCATE ON ibex.ledger_entries
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER stock_movements_append_only BEFORE UPDATE OR DELETE ON ibex.stock_movements
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER stock_movements_no_truncate BEFORE TRUNCATE ON ibex.stock_movements
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON ibex.audit_entries
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON ibex.audit_entries
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER payments_append_only BEFORE UPDATE OR DELETE ON ibex.payments
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER payments_no_truncate BEFORE TRUNCATE ON ibex.payments
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER credit_notes_append_only BEFORE UPDATE OR DELETE ON ibex.credit_notes
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER credit_notes_no_truncate BEFORE TRUNCATE ON ibex.credit_notes
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER credit_note_lines_append_only BEFORE UPDATE OR DELETE ON ibex.credit_note_lines
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER credit_note_lines_no_truncate BEFORE TRUNCATE ON ibex.credit_note_lines
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER shift_movements_append_only BEFORE UPDATE OR DELETE ON ibex.shift_movements
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER shift_movements_no_truncate BEFORE TRUNCATE ON ibex.shift_movements
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
"""

DOWNGRADE = """
DROP TRIGGER shift_movements_append_only ON ibex.shift_movements;
DROP TRIGGER shift_movements_no_truncate ON ibex.shift_movements;
DROP TRIGGER credit_note_lines_append_only ON ibex.credit_note_lines;
DROP TRIGGER credit_note_lines_no_truncate ON ibex.credit_note_lines;
DROP TRIGGER credit_notes_append_only ON ibex.credit_notes;
DROP TRIGGER credit_notes_no_truncate ON ibex.credit_notes;
DROP TRIGGER payments_append_only ON ibex.payments;
DROP TRIGGER payments_no_truncate ON ibex.payments;
DROP TABLE ibex.events;
DROP TABLE ibex.audit_entries;
DROP TABLE ibex.stock_movements;
DROP TABLE ibex.ledger_entries;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
