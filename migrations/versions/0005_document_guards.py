"""What an issued document may never do, enforced by the database itself."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UPGRADE = """
-- The life cycle, and the immutability of what was issued: only the settlement of an issued invoice may change.
CREATE FUNCTION ibex.guard_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  settlement text[] := ARRAY['status', 'paid', 'credited', 'version'];
BEGIN
  IF OLD.status <> NEW.status AND NOT (
       (OLD.status = 'DRAFT' AND NEW.status IN ('UNPAID', 'PAID', 'CANCELLED'))
    OR (OLD.status = 'UNPAID' AND NEW.status = 'PAID')) THEN
    RAISE EXCEPTION 'an invoice cannot go from % to %', OLD.status, NEW.status USING ERRCODE = 'IB021';
  END IF;
  IF OLD.status = 'CANCELLED' THEN
    RAISE EXCEPTION 'a cancelled invoice cannot change' USING ERRCODE = 'IB021';
  END IF;
  IF OLD.status IN ('UNPAID', 'PAID') AND (to_jsonb(NEW) - settlement) IS DISTINCT FROM (to_jsonb(OLD) - settlement) THEN
    RAISE EXCEPTION 'an issued invoice cannot change' USING ERRCODE = 'IB021';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER invoices_guard BEFORE UPDATE ON ibex.invoices FOR EACH ROW EXECUTE FUNCTION ibex.guard_invoice();
CREATE TRIGGER invoices_never_deleted BEFORE DELETE ON ibex.invoices
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER invoices_no_truncate BEFORE TRUNCATE ON ibex.invoices
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();

CREATE FUNCTION ibex.guard_invoice_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (to_jsonb(NEW) - 'returned') IS DISTINCT FROM (to_jsonb(OLD) - 'returned') OR NEW.returned < OLD.returned THEN
      RAISE EXCEPTION 'a line of an invoice cannot change' USING ERRCODE = 'IB021';
    END IF;
    RETURN NEW;
  END IF;
  PERFORM 1 FROM ibex.invoices i
    WHERE i.store_id = OLD.store_id AND i.id = OLD.invoice_id AND i.status = 'DRAFT' AND i.number IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a line of an issued invoice cannot be removed' USING ERRCODE = 'IB021';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER invoice_lines_guard BEFORE UPDATE OR DELETE ON ibex.invoice_lines
  FOR EACH ROW EXECUTE FUNCTION ibex.guard_invoice_line();
CREATE TRIGGER invoice_lines_no_truncate BEFORE TRUNCATE ON ibex.invoice_lines
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();

-- Sums of lines equal totals, and no line is missing or too many. Checked when the transaction ends, so that an
-- invoice and its lines may be written in any order.
CREATE FUNCTION ibex.check_invoice_adds_up(p_store uuid, p_invoice uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM ibex.invoices i,
    LATERAL (SELECT count(*) AS n, sum(l.net) AS net, sum(l.tax) AS tax, sum(l.gross) AS gross,
                    sum(l.discount + l.order_discount) AS discount
             FROM ibex.invoice_lines l WHERE l.store_id = i.store_id AND l.invoice_id = i.id) s
    WHERE i.store_id = p_store AND i.id = p_invoice
      AND s.n = i.line_count AND s.net = i.net_total AND s.tax = i.tax_total
      AND s.gross = i.subtotal AND s.discount = i.discount_total;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lines of invoice % do not add up to its totals', p_invoice USING ERRCODE = 'IB022';
  END IF;
END $$;
CREATE FUNCTION ibex.invoice_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ibex.check_invoice_adds_up(NEW.store_id, NEW.id);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER invoices_add_up
  AFTER INSERT OR UPDATE ON ibex.invoices
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ibex.invoice_adds_up();

-- Lines added to an invoice that this transaction did not write, or taken from it: that invoice's own check is not
-- coming, so check now.
CREATE FUNCTION ibex.invoice_lines_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ibex.check_invoice_adds_up(i.store_id, i.id)
    FROM (SELECT DISTINCT store_id, invoice_id FROM touched) a
    JOIN ibex.invoices i ON i.store_id = a.store_id AND i.id = a.invoice_id
    WHERE i.xmin <> pg_current_xact_id()::xid;
  RETURN NULL;
END $$;
CREATE TRIGGER invoice_lines_add_up AFTER INSERT ON ibex.invoice_lines
  REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION ibex.invoice_lines_add_up();
CREATE TRIGGER invoice_lines_left_add_up AFTER DELETE ON ibex.invoice_lines
  REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION ibex.invoice_lines_add_up();

CREATE FUNCTION ibex.check_credit_note_adds_up(p_store uuid, p_note uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM ibex.credit_notes c,
    LATERAL (SELECT count(*) AS n, sum(l.net) AS net, sum(l.tax) AS tax
             FROM ibex.credit_note_lines l WHERE l.store_id = c.store_id AND l.credit_note_id = c.id) s
    WHERE c.store_id = p_store AND c.id = p_note
      AND s.n = c.line_count AND s.net = c.net_total AND s.tax = c.tax_total;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the lines of credit note % do not add up to its totals', p_note USING ERRCODE = 'IB022';
  END IF;
END $$;
CREATE FUNCTION ibex.credit_note_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ibex.check_credit_note_adds_up(NEW.store_id, NEW.id);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER credit_notes_add_up AFTER INSERT ON ibex.credit_notes
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ibex.credit_note_adds_up();
CREATE FUNCTION ibex.credit_note_lines_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM ibex.check_credit_note_adds_up(c.store_id, c.id)
    FROM (SELECT DISTINCT store_id, credit_note_id FROM added) a
    JOIN ibex.credit_notes c ON c.store_id = a.store_id AND c.id = a.credit_note_id
    WHERE c.xmin <> pg_current_xact_id()::xid;
  RETURN NULL;
END $$;
CREATE TRIGGER credit_note_lines_add_up AFTER INSERT ON ibex.credit_note_lines
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ibex.credit_note_lines_add_up();
"""

DOWNGRADE = """
DROP TRIGGER credit_note_lines_add_up ON ibex.credit_note_lines;
DROP FUNCTION ibex.credit_note_lines_add_up();
DROP TRIGGER credit_notes_add_up ON ibex.credit_notes;
DROP FUNCTION ibex.credit_note_adds_up();
DROP FUNCTION ibex.check_credit_note_adds_up(uuid, uuid);
DROP TRIGGER invoice_lines_left_add_up ON ibex.invoice_lines;
DROP TRIGGER invoice_lines_add_up ON ibex.invoice_lines;
DROP FUNCTION ibex.invoice_lines_add_up();
DROP TRIGGER invoices_add_up ON ibex.invoices;
DROP FUNCTION ibex.invoice_adds_up();
DROP FUNCTION ibex.check_invoice_adds_up(uuid, uuid);
DROP TRIGGER invoice_lines_no_truncate ON ibex.invoice_lines;
DROP TRIGGER invoice_lines_guard ON ibex.invoice_lines;
DROP FUNCTION ibex.guard_invoice_line();
DROP TRIGGER invoices_no_truncate ON ibex.invoices;
DROP TRIGGER invoices_never_deleted ON ibex.invoices;
DROP TRIGGER invoices_guard ON ibex.invoices;
DROP FUNCTION ibex.guard_invoice();
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
