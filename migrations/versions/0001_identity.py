"""Stores, operators, tokens, counters and idempotency keys."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# squawk: ignore prefer-bigint-over-int: a version counts the edits of one row, two thousand million are enough
# squawk: ignore prefer-bigint-over-smallint: an HTTP status has three digits

UPGRADE = """
CREATE SCHEMA IF NOT EXISTS ibex;

CREATE FUNCTION ibex.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'IB020';
END $$;

CREATE TABLE ibex.stores (
  id uuid CONSTRAINT stores_pk PRIMARY KEY,
  name text NOT NULL,
  currency text NOT NULL CONSTRAINT stores_currency_is_iso CHECK (currency ~ '^[A-Z]{3}$'),
  time_zone text NOT NULL,
  day_starts_at time NOT NULL DEFAULT '00:00',
  prices_include_tax boolean NOT NULL,
  cash_rounding numeric NOT NULL DEFAULT 0 CONSTRAINT stores_cash_rounding_positive CHECK (cash_rounding >= 0),
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL
);

CREATE TABLE ibex.operators (
  store_id uuid NOT NULL CONSTRAINT operators_store_fk REFERENCES ibex.stores,
  id uuid NOT NULL,
  name text NOT NULL,
  role text NOT NULL CONSTRAINT operators_role_known CHECK (role IN ('OWNER', 'MANAGER', 'CASHIER', 'AUDITOR')),
  active boolean NOT NULL DEFAULT true,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT operators_pk PRIMARY KEY (store_id, id)
);

CREATE TABLE ibex.api_tokens (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  operator_id uuid NOT NULL,
  label text NOT NULL,
  prefix text NOT NULL,
  secret_hash bytea NOT NULL CONSTRAINT api_tokens_hash_is_sha256 CHECK (octet_length(secret_hash) = 32),
  scopes text[],
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT api_tokens_pk PRIMARY KEY (store_id, id),
  CONSTRAINT api_tokens_secret_unique UNIQUE (secret_hash),
  CONSTRAINT api_tokens_operator_fk FOREIGN KEY (store_id, operator_id) REFERENCES ibex.operators (store_id, id)
);

-- One row a store. Numbers are gapless because they are taken in the transaction that uses them; the row's lock also
-- makes the sequences below rise in the order of commits, so that a cursor over them misses nothing.
CREATE TABLE ibex.store_counters (
  store_id uuid CONSTRAINT store_counters_pk PRIMARY KEY CONSTRAINT store_counters_store_fk REFERENCES ibex.stores,
  invoice_number bigint NOT NULL DEFAULT 0,
  credit_note_number bigint NOT NULL DEFAULT 0,
  receipt_number bigint NOT NULL DEFAULT 0,
  shift_number bigint NOT NULL DEFAULT 0,
  ledger_seq bigint NOT NULL DEFAULT 0,
  movement_seq bigint NOT NULL DEFAULT 0,
  audit_seq bigint NOT NULL DEFAULT 0,
  event_seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE ibex.idempotency_keys (
  store_id uuid NOT NULL CONSTRAINT idempotency_keys_store_fk REFERENCES ibex.stores,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  status smallint NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL,
  CONSTRAINT idempotency_keys_pk PRIMARY KEY (store_id, key)
);
CREATE INDEX idempotency_keys_age ON ibex.idempotency_keys (created_at);
"""

DOWNGRADE = """
DROP TABLE ibex.idempotency_keys;
DROP TABLE ibex.store_counters;
DROP TABLE ibex.api_tokens;
DROP TABLE ibex.operators;
DROP TABLE ibex.stores;
DROP FUNCTION ibex.refuse_change();
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
