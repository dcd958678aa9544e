"""Invoices, credit notes, drawer shifts and payments."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# squawk: ignore prefer-bigint-over-int: versions and line counts are of one document, whose lines are limited
# squawk: ignore prefer-bigint-over-smallint: lines are numbered within one document, which the service limits

UPGRADE = """
CREATE TABLE ibex.shifts (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  number bigint,
  drawer text NOT NULL,
  status text NOT NULL CONSTRAINT shifts_status_known CHECK (status IN ('OPEN', 'CLOSED')),
  opened_by uuid NOT NULL,
  opened_at timestamptz NOT NULL,
  business_date date NOT NULL,
  opening_float numeric NOT NULL CONSTRAINT shifts_float_not_negative CHECK (opening_float >= 0),
  closed_by uuid,
  closed_at timestamptz,
  expected_cash numeric,
  counted_cash numeric,
  difference numeric,
  -- json, not jsonb: the closing report is kept as it was first answered, in its order.
  report json,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT shifts_pk PRIMARY KEY (store_id, id),
  CONSTRAINT shifts_number_unique UNIQUE (store_id, number),
  CONSTRAINT shifts_opened_by_fk FOREIGN KEY (store_id, opened_by) REFERENCES ibex.operators (store_id, id),
  CONSTRAINT shifts_closed_by_fk FOREIGN KEY (store_id, closed_by) REFERENCES ibex.operators (store_id, id),
  CONSTRAINT shifts_closed_is_whole CHECK ((status = 'CLOSED') = (number IS NOT NULL AND closed_at IS NOT NULL
    AND expected_cash IS NOT NULL AND counted_cash IS NOT NULL AND report IS NOT NULL)),
  CONSTRAINT shifts_difference_adds_up CHECK (difference = counted_cash - expected_cash)
);
CREATE UNIQUE INDEX shifts_one_open_per_drawer ON ibex.shifts (store_id, drawer) WHERE status = 'OPEN';
CREATE INDEX shifts_by_opening ON ibex.shifts (store_id, opened_at, id);

CREATE TABLE ibex.invoices (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  number bigint,
  status text NOT NULL CONSTRAINT invoices_status_known CHECK (status IN ('DRAFT', 'UNPAID', 'PAID', 'CANCELLED')),
  customer_id uuid,
  operator_id uuid NOT NULL,
  shift_id uuid,
  currency text NOT NULL,
  prices_include_tax boolean NOT NULL,
  line_count integer NOT NULL CONSTRAINT invoices_have_lines CHECK (line_count >= 1),
  subtotal numeric NOT NULL,
  discount_total numeric NOT NULL,
  net_total numeric NOT NULL,
  tax_total numeric NOT NULL,
  rounding numeric NOT NULL DEFAULT 0,
  total numeric NOT NULL CONSTRAINT invoices_total_not_negative CHECK (total >= 0),
  paid numeric NOT NULL DEFAULT 0 CONSTRAINT invoices_paid_not_negative CHECK (paid >= 0),
  credited numeric NOT NULL DEFAULT 0 CONSTRAINT invoices_credited_not_negative CHECK (credited >= 0),
  discount jsonb,
  note text NOT NULL DEFAULT '',
  offline boolean NOT NULL DEFAULT false,
  oversold boolean NOT NULL DEFAULT false,
  due_date date,
  business_date date NOT NULL,
  occurred_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  issued_at timestamptz,
  cancelled_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT invoices_pk PRIMARY KEY (store_id, id),
  CONSTRAINT invoices_number_unique UNIQUE (store_id, number),
  CONSTRAINT invoices_customer_fk FOREIGN KEY (store_id, customer_id) REFERENCES ibex.customers (store_id, id),
  CONSTRAINT invoices_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id),
  CONSTRAINT invoices_shift_fk FOREIGN KEY (store_id, shift_id) REFERENCES ibex.shifts (store_id, id),
  CONSTRAINT invoices_issued_are_numbered CHECK ((status IN ('UNPAID', 'PAID')) = (number IS NOT NULL)
    AND (number IS NULL) = (issued_at IS NULL)),
  CONSTRAINT invoices_totals_add_up CHECK (total = net_total + tax_total + rounding),
  CONSTRAINT invoices_settled_within_total CHECK (paid + credited <= total),
  CONSTRAINT invoices_paid_means_settled CHECK (status NOT IN ('UNPAID', 'PAID')
    OR (status = 'PAID') = (paid + credited = total)),
  CONSTRAINT invoices_unpaid_has_a_debtor CHECK (status <> 'UNPAID' OR customer_id IS NOT NULL),
  CONSTRAINT invoices_drafts_are_unsettled CHECK (status NOT IN ('DRAFT', 'CANCELLED') OR (paid = 0 AND credited = 0))
) WITH (fillfactor = 85);
CREATE INDEX invoices_by_creation ON ibex.invoices (store_id, created_at, id);
CREATE INDEX invoices_by_status ON ibex.invoices (store_id, status, created_at, id) WHERE status IN ('DRAFT', 'UNPAID');
CREATE INDEX invoices_by_customer ON ibex.invoices (store_id, customer_id, created_at, id) WHERE customer_id IS NOT NULL;
CREATE INDEX invoices_owed ON ibex.invoices (store_id, customer_id, business_date, number) WHERE status = 'UNPAID';
CREATE INDEX invoices_by_shift ON ibex.invoices (store_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX invoices_by_day ON ibex.invoices (store_id, business_date, number);

CREATE TABLE ibex.invoice_lines (
  store_id uuid NOT NULL,
  invoice_id uuid NOT NULL,
  line_no smallint NOT NULL CONSTRAINT invoice_lines_no_positive CHECK (line_no >= 1),
  product_id uuid NOT NULL,
  sku text NOT NULL,
  name text NOT NULL,
  unit_price numeric NOT NULL CONSTRAINT invoice_lines_price_not_negative CHECK (unit_price >= 0),
  quantity numeric NOT NULL CONSTRAINT invoice_lines_quantity_positive CHECK (quantity > 0),
  tax_rate numeric NOT NULL CONSTRAINT invoice_lines_tax_rate_is_percent CHECK (tax_rate BETWEEN 0 AND 100),
  cost_price numeric,
  gross numeric NOT NULL,
  discount numeric NOT NULL CONSTRAINT invoice_lines_discount_not_negative CHECK (discount >= 0),
  order_discount numeric NOT NULL CONSTRAINT invoice_lines_order_discount_not_negative CHECK (order_discount >= 0),
  net numeric NOT NULL CONSTRAINT invoice_lines_net_not_negative CHECK (net >= 0),
  tax numeric NOT NULL CONSTRAINT invoice_lines_tax_not_negative CHECK (tax >= 0),
  total numeric NOT NULL,
  returned numeric NOT NULL DEFAULT 0,
  CONSTRAINT invoice_lines_pk PRIMARY KEY (store_id, invoice_id, line_no),
  CONSTRAINT invoice_lines_invoice_fk FOREIGN KEY (store_id, invoice_id) REFERENCES ibex.invoices (store_id, id),
  CONSTRAINT invoice_lines_product_fk FOREIGN KEY (store_id, product_id) REFERENCES ibex.products (store_id, id),
  CONSTRAINT invoice_lines_total_adds_up CHECK (total = net + tax),
  CONSTRAINT invoice_lines_returned_within_sold CHECK (returned >= 0 AND returned <= quantity)
);

CREATE TABLE ibex.credit_notes (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  number bigint NOT NULL,
  invoice_id uuid,
  customer_id uuid,
  operator_id uuid NOT NULL,
  shift_id uuid,
  currency text NOT NULL,
  prices_include_tax boolean NOT NULL,
  reason text NOT NULL,
  line_count integer NOT NULL CONSTRAINT credit_notes_have_lines CHECK (line_count >= 1),
  net_total numeric NOT NULL,
  tax_total numeric NOT NULL,
  rounding numeric NOT NULL DEFAULT 0,
  total numeric NOT NULL CONSTRAINT credit_notes_total_not_negative CHECK (total >= 0),
  refunded numeric NOT NULL CONSTRAINT credit_notes_refunded_not_negative CHECK (refunded >= 0),
  business_date date NOT NULL,
  occurred_at timestamptz NOT NULL,
  issued_at timestamptz NOT NULL,
  CONSTRAINT credit_notes_pk PRIMARY KEY (store_id, id),
  CONSTRAINT credit_notes_number_unique UNIQUE (store_id, number),
  CONSTRAINT credit_notes_invoice_fk FOREIGN KEY (store_id, invoice_id) REFERENCES ibex.invoices (store_id, id),
  CONSTRAINT credit_notes_customer_fk FOREIGN KEY (store_id, customer_id) REFERENCES ibex.customers (store_id, id),
  CONSTRAINT credit_notes_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id),
  CONSTRAINT credit_notes_shift_fk FOREIGN KEY (store_id, shift_id) REFERENCES ibex.shifts (store_id, id),
  CONSTRAINT credit_notes_totals_add_up CHECK (total = net_total + tax_total + rounding),
  CONSTRAINT credit_notes_refund_within_total CHECK (refunded <= total)
);
CREATE INDEX credit_notes_by_invoice ON ibex.credit_notes (store_id, invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX credit_notes_by_customer ON ibex.credit_notes (store_id, customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX credit_notes_by_shift ON ibex.credit_notes (store_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX credit_notes_by_day ON ibex.credit_notes (store_id, business_date, number);

CREATE TABLE ibex.credit_note_lines (
  store_id uuid NOT NULL,
  credit_note_id uuid NOT NULL,
  line_no smallint NOT NULL CONSTRAINT credit_note_lines_no_positive CHECK (line_no >= 1),
  invoice_id uuid,
  invoice_line_no smallint,
  product_id uuid NOT NULL,
  sku text NOT NULL,
  name text NOT NULL,
  unit_price numeric NOT NULL CONSTRAINT credit_note_lines_price_not_negative CHECK (unit_price >= 0),
  quantity numeric NOT NULL CONSTRAINT credit_note_lines_quantity_positive CHECK (quantity > 0),
  tax_rate numeric NOT NULL,
  cost_price numeric,
  net numeric NOT NULL,
  tax numeric NOT NULL,
  total numeric NOT NULL,
  disposition text NOT NULL
    CONSTRAINT credit_note_lines_disposition_known CHECK (disposition IN ('RESTOCKED', 'WRITTEN_OFF')),
  CONSTRAINT credit_note_lines_pk PRIMARY KEY (store_id, credit_note_id, line_no),
  CONSTRAINT credit_note_lines_note_fk FOREIGN KEY (store_id, credit_note_id)
    REFERENCES ibex.credit_notes (store_id, id),
  CONSTRAINT credit_note_lines_product_fk FOREIGN KEY (store_id, product_id) REFERENCES ibex.products (store_id, id),
  CONSTRAINT credit_note_lines_invoice_line_fk FOREIGN KEY (store_id, invoice_id, invoice_line_no)
    REFERENCES ibex.invoice_lines (store_id, invoice_id, line_no),
  CONSTRAINT credit_note_lines_total_adds_up CHECK (total = net + tax)
);
CREATE INDEX credit_note_lines_by_invoice_line
  ON ibex.credit_note_lines (store_id, invoice_id, invoice_line_no) WHERE invoice_id IS NOT NULL;

-- A receipt is one act of money coming in (or, as a refund, going out); it may hold several rows: one for each tender
-- and document that the money is for. All of them bear the receipt's id and number.
CREATE TABLE ibex.payments (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  receipt_id uuid NOT NULL,
  receipt_number bigint NOT NULL,
  kind text NOT NULL CONSTRAINT payments_kind_known CHECK (kind IN ('RECEIPT', 'REFUND')),
  method text NOT NULL CONSTRAINT payments_method_known CHECK (method IN ('CASH', 'CARD', 'TRANSFER', 'ACCOUNT')),
  amount numeric NOT NULL CONSTRAINT payments_amount_positive CHECK (amount > 0),
  tendered numeric NOT NULL,
  change_due numeric NOT NULL CONSTRAINT payments_change_not_negative CHECK (change_due >= 0),
  reference text NOT NULL DEFAULT '',
  invoice_id uuid,
  credit_note_id uuid,
  customer_id uuid,
  -- For a debt from before the shop moved in (customers.opening_due). A payment of a customer for no document and no
  -- such debt is money on account: it came onto the account (RECEIPT) or was paid back from it (REFUND).
  for_opening boolean NOT NULL DEFAULT false,
  shift_id uuid,
  operator_id uuid NOT NULL,
  business_date date NOT NULL,
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT payments_pk PRIMARY KEY (store_id, id),
  CONSTRAINT payments_tender_adds_up CHECK (tendered = amount + change_due),
  CONSTRAINT payments_have_a_purpose CHECK (invoice_id IS NOT NULL OR credit_note_id IS NOT NULL OR customer_id IS NOT NULL),
  CONSTRAINT payments_opening_is_a_customers CHECK (NOT for_opening
    OR (kind = 'RECEIPT' AND customer_id IS NOT NULL AND invoice_id IS NULL AND credit_note_id IS NULL)),
  CONSTRAINT payments_invoice_fk FOREIGN KEY (store_id, invoice_id) REFERENCES ibex.invoices (store_id, id),
  CONSTRAINT payments_credit_note_fk FOREIGN KEY (store_id, credit_note_id) REFERENCES ibex.credit_notes (store_id, id),
  CONSTRAINT payments_customer_fk FOREIGN KEY (store_id, customer_id) REFERENCES ibex.customers (store_id, id),
  CONSTRAINT payments_shift_fk FOREIGN KEY (store_id, shift_id) REFERENCES ibex.shifts (store_id, id),
  CONSTRAINT payments_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id)
);
CREATE INDEX payments_by_receipt ON ibex.payments (store_id, receipt_number, id);
CREATE INDEX payments_by_receipt_id ON ibex.payments (store_id, receipt_id);
CREATE INDEX payments_by_invoice ON ibex.payments (store_id, invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX payments_by_credit_note ON ibex.payments (store_id, credit_note_id) WHERE credit_note_id IS NOT NULL;
CREATE INDEX payments_by_customer ON ibex.payments (store_id, customer_id) WHERE customer_id IS NOT NULL;
-- What moves customers' account credit and settles their opening debts: few rows.
CREATE INDEX payments_on_account ON ibex.payments (store_id, customer_id, business_date)
  WHERE customer_id IS NOT NULL AND (method = 'ACCOUNT' OR (invoice_id IS NULL AND credit_note_id IS NULL));
CREATE INDEX payments_by_shift ON ibex.payments (store_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX payments_by_day ON ibex.payments (store_id, business_date);

CREATE TABLE ibex.shift_movements (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  shift_id uuid NOT NULL,
  kind text NOT NULL CONSTRAINT shift_movements_kind_known CHECK (kind IN ('PAID_IN', 'PAID_OUT')),
  amount numeric NOT NULL CONSTRAINT shift_movements_amount_positive CHECK (amount > 0),
  reason text NOT NULL,
  operator_id uuid NOT NULL,
  recorded_at timestamptz NOT NULL,
  CONSTRAINT shift_movements_pk PRIMARY KEY (store_id, id),
  CONSTRAINT shift_movements_shift_fk FOREIGN KEY (store_id, shift_id) REFERENCES ibex.shifts (store_id, id),
  CONSTRAINT shift_movements_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id)
);
CREATE INDEX shift_movements_by_shift ON ibex.shift_movements (store_id, shift_id);
"""

DOWNGRADE = """
DROP TABLE ibex.shift_movements;
DROP TABLE ibex.payments;
DROP TABLE ibex.credit_note_lines;
DROP TABLE ibex.credit_notes;
DROP TABLE ibex.invoice_lines;
DROP TABLE ibex.invoices;
DROP TABLE ibex.shifts;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
