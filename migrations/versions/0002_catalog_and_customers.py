"""Products, their barcodes, categories and price history; customers."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# squawk: ignore prefer-bigint-over-int: a version counts the edits of one row, two thousand million are enough

UPGRADE = """
CREATE TABLE ibex.categories (
  store_id uuid NOT NULL CONSTRAINT categories_store_fk REFERENCES ibex.stores,
  id uuid NOT NULL,
  name text NOT NULL,
  active boolean NOT NULL DEFAULT true,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT categories_pk PRIMARY KEY (store_id, id),
  CONSTRAINT categories_name_unique UNIQUE (store_id, name)
);

CREATE TABLE ibex.products (
  store_id uuid NOT NULL CONSTRAINT products_store_fk REFERENCES ibex.stores,
  id uuid NOT NULL,
  sku text NOT NULL,
  name text NOT NULL,
  category_id uuid,
  unit text NOT NULL DEFAULT 'EACH',
  unit_price numeric NOT NULL CONSTRAINT products_price_not_negative CHECK (unit_price >= 0),
  cost_price numeric CONSTRAINT products_cost_not_negative CHECK (cost_price >= 0),
  tax_rate numeric NOT NULL DEFAULT 0 CONSTRAINT products_tax_rate_is_percent CHECK (tax_rate BETWEEN 0 AND 100),
  track_stock boolean NOT NULL DEFAULT true,
  stock numeric NOT NULL DEFAULT 0,
  oversold boolean NOT NULL DEFAULT false,
  reorder_level numeric CONSTRAINT products_reorder_level_not_negative CHECK (reorder_level >= 0),
  active boolean NOT NULL DEFAULT true,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT products_pk PRIMARY KEY (store_id, id),
  CONSTRAINT products_sku_unique UNIQUE (store_id, sku),
  CONSTRAINT products_stock_never_negative CHECK (stock >= 0 OR oversold),
  CONSTRAINT products_category_fk FOREIGN KEY (store_id, category_id) REFERENCES ibex.categories (store_id, id)
) WITH (fillfactor = 70);
CREATE INDEX products_by_category ON ibex.products (store_id, category_id) WHERE category_id IS NOT NULL;
CREATE INDEX products_by_name ON ibex.products (store_id, name, id);

CREATE TABLE ibex.product_barcodes (
  store_id uuid NOT NULL,
  barcode text NOT NULL,
  product_id uuid NOT NULL,
  CONSTRAINT product_barcodes_pk PRIMARY KEY (store_id, barcode),
  CONSTRAINT product_barcodes_product_fk FOREIGN KEY (store_id, product_id) REFERENCES ibex.products (store_id, id)
);
CREATE INDEX product_barcodes_by_product ON ibex.product_barcodes (store_id, product_id);

CREATE TABLE ibex.price_changes (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  product_id uuid NOT NULL,
  product_version integer NOT NULL,
  unit_price numeric NOT NULL,
  cost_price numeric,
  tax_rate numeric NOT NULL,
  operator_id uuid NOT NULL,
  changed_at timestamptz NOT NULL,
  CONSTRAINT price_changes_pk PRIMARY KEY (store_id, product_id, product_version),
  CONSTRAINT price_changes_product_fk FOREIGN KEY (store_id, product_id) REFERENCES ibex.products (store_id, id),
  CONSTRAINT price_changes_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id)
);
CREATE TRIGGER price_changes_append_only BEFORE UPDATE OR DELETE ON ibex.price_changes
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER price_changes_no_truncate BEFORE TRUNCATE ON ibex.price_changes
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();

CREATE TABLE ibex.customers (
  store_id uuid NOT NULL CONSTRAINT customers_store_fk REFERENCES ibex.stores,
  id uuid NOT NULL,
  name text NOT NULL,
  phone text,
  email text,
  address text,
  credit_limit numeric CONSTRAINT customers_credit_limit_not_negative CHECK (credit_limit >= 0),
  balance numeric NOT NULL DEFAULT 0,
  account_credit numeric NOT NULL DEFAULT 0
    CONSTRAINT customers_account_credit_not_negative CHECK (account_credit >= 0),
  opening_due numeric NOT NULL DEFAULT 0
    CONSTRAINT customers_opening_due_not_negative CHECK (opening_due >= 0),
  active boolean NOT NULL DEFAULT true,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT customers_pk PRIMARY KEY (store_id, id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX customers_phone_unique ON ibex.customers (store_id, phone) WHERE phone IS NOT NULL;
CREATE INDEX customers_by_name ON ibex.customers (store_id, name, id);
"""

DOWNGRADE = """
DROP TABLE ibex.customers;
DROP TABLE ibex.price_changes;
DROP TABLE ibex.product_barcodes;
DROP TABLE ibex.products;
DROP TABLE ibex.categories;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
