"""What people, the audit chain, events and webhooks need."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# squawk: ignore require-concurrent-index-creation: the tables are empty when the first deploy makes these indexes

UPGRADE = """
CREATE INDEX api_tokens_by_issue ON ibex.api_tokens (store_id, created_at, id);
CREATE INDEX operators_by_name ON ibex.operators (store_id, name, id);

-- A store is never left without somebody who may let people in. Postings of a store come one after the other (they
-- lock its counters), so that two owners cannot let each other go at the same time.
CREATE FUNCTION ibex.keep_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM ibex.operators o WHERE o.store_id = NEW.store_id AND o.role = 'OWNER' AND o.active;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the store would have no owner' USING ERRCODE = 'IB024', DETAIL = '{}';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER operators_keep_an_owner AFTER UPDATE ON ibex.operators
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ibex.keep_an_owner();
CREATE TRIGGER operators_never_deleted BEFORE DELETE ON ibex.operators
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();

-- The seal on the audit trail: each link is the SHA-256 of the link before and of one entry. It is built apart from
-- the write path, so that it slows no sale.
CREATE TABLE ibex.audit_links (
  store_id uuid NOT NULL,
  seq bigint NOT NULL,
  link bytea NOT NULL CONSTRAINT audit_links_link_is_sha256 CHECK (octet_length(link) = 32),
  sealed_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT audit_links_pk PRIMARY KEY (store_id, seq),
  CONSTRAINT audit_links_entry_fk FOREIGN KEY (store_id, seq) REFERENCES ibex.audit_entries (store_id, seq)
);
CREATE TRIGGER audit_links_append_only BEFORE UPDATE OR DELETE ON ibex.audit_links
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER audit_links_no_truncate BEFORE TRUNCATE ON ibex.audit_links
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
"""

DOWNGRADE = """
DROP TABLE ibex.audit_links;
DROP TRIGGER operators_never_deleted ON ibex.operators;
DROP TRIGGER operators_keep_an_owner ON ibex.operators;
DROP FUNCTION ibex.keep_an_owner();
DROP INDEX ibex.operators_by_name;
DROP INDEX ibex.api_tokens_by_issue;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
