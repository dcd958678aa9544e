"""Drawer shifts: what closes them, and what keeps a closed one as it is.

``ibex.post`` locks the shift FOR UPDATE, which waits for every posting that holds it FOR SHARE, and only then calls
``close_shift``: each statement of it sees all that was committed, so a payment is in the report or was refused.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FORMATS = """
CREATE FUNCTION ibex.amount_text(p_amount numeric, p_exponent integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT round(coalesce(p_amount, 0), p_exponent)::text
$$;
CREATE FUNCTION ibex.time_text(p_time timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
"""

PARTS = """
CREATE FUNCTION ibex.shift_methods(p_store uuid, p_shift uuid, p_exponent integer) RETURNS json LANGUAGE sql AS $$
  SELECT coalesce(json_agg(json_build_object('method', m.method, 'count', m.n,
           'receipts', ibex.amount_text(m.receipts, p_exponent), 'refunds', ibex.amount_text(m.refunds, p_exponent),
           'net', ibex.amount_text(coalesce(m.receipts, 0) - coalesce(m.refunds, 0), p_exponent)) ORDER BY m.method),
         '[]'::json)
  FROM (SELECT p.method, count(*) AS n, sum(p.amount) FILTER (WHERE p.kind = 'RECEIPT') AS receipts,
               sum(p.amount) FILTER (WHERE p.kind = 'REFUND') AS refunds
        FROM ibex.payments p WHERE p.store_id = p_store AND p.shift_id = p_shift GROUP BY p.method) m
$$;

CREATE FUNCTION ibex.shift_operators(p_store uuid, p_shift uuid, p_exponent integer) RETURNS json LANGUAGE sql AS $$
  SELECT coalesce(json_agg(json_build_object('operator_id', o.id, 'name', o.name, 'sales_count', w.sales,
           'sales_total', ibex.amount_text(w.sold, p_exponent), 'credit_notes_count', w.notes,
           'credit_notes_total', ibex.amount_text(w.returned, p_exponent),
           'received', ibex.amount_text(w.received, p_exponent)) ORDER BY o.name, o.id), '[]'::json)
  FROM (
    SELECT x.operator_id, sum(x.sales) AS sales, sum(x.sold) AS sold, sum(x.notes) AS notes,
           sum(x.returned) AS returned, sum(x.received) AS received
    FROM (
      SELECT i.operator_id, 1 AS sales, i.total AS sold, 0 AS notes, 0 AS returned, 0 AS received
        FROM ibex.invoices i WHERE i.store_id = p_store AND i.shift_id = p_shift
      UNION ALL
      SELECT c.operator_id, 0, 0, 1, c.total, 0
        FROM ibex.credit_notes c WHERE c.store_id = p_store AND c.shift_id = p_shift
      UNION ALL
      SELECT p.operator_id, 0, 0, 0, 0, CASE p.kind WHEN 'RECEIPT' THEN p.amount ELSE -p.amount END
        FROM ibex.payments p WHERE p.store_id = p_store AND p.shift_id = p_shift AND p.method <> 'ACCOUNT'
    ) x GROUP BY x.operator_id
  ) w JOIN ibex.operators o ON o.store_id = p_store AND o.id = w.operator_id
$$;

CREATE FUNCTION ibex.shift_taxes(p_store uuid, p_shift uuid, p_exponent integer) RETURNS json LANGUAGE sql AS $$
  SELECT coalesce(json_agg(json_build_object('rate', t.tax_rate::text,
           'net', ibex.amount_text(t.net, p_exponent), 'tax', ibex.amount_text(t.tax, p_exponent),
           'credited_net', ibex.amount_text(t.credited_net, p_exponent),
           'credited_tax', ibex.amount_text(t.credited_tax, p_exponent)) ORDER BY t.tax_rate DESC), '[]'::json)
  FROM (
    SELECT x.tax_rate, sum(x.net) AS net, sum(x.tax) AS tax, sum(x.credited_net) AS credited_net,
           sum(x.credited_tax) AS credited_tax
    FROM (
      SELECT l.tax_rate, l.net, l.tax, 0 AS credited_net, 0 AS credited_tax
        FROM ibex.invoices i JOIN ibex.invoice_lines l ON l.store_id = i.store_id AND l.invoice_id = i.id
        WHERE i.store_id = p_store AND i.shift_id = p_shift
      UNION ALL
      SELECT l.tax_rate, 0, 0, l.net, l.tax
        FROM ibex.credit_notes c JOIN ibex.credit_note_lines l ON l.store_id = c.store_id AND l.credit_note_id = c.id
        WHERE c.store_id = p_store AND c.shift_id = p_shift
    ) x GROUP BY x.tax_rate
  ) t
$$;

CREATE FUNCTION ibex.shift_movements_json(p_store uuid, p_shift uuid, p_exponent integer)
RETURNS json LANGUAGE sql AS $$
  SELECT coalesce(json_agg(json_build_object('id', m.id, 'kind', m.kind,
           'amount', ibex.amount_text(m.amount, p_exponent), 'reason', m.reason, 'operator_id', m.operator_id,
           'recorded_at', ibex.time_text(m.recorded_at)) ORDER BY m.recorded_at, m.id), '[]'::json)
  FROM ibex.shift_movements m WHERE m.store_id = p_store AND m.shift_id = p_shift
$$;
"""

REPORT = """
-- The figures of a shift: so far, or (with p_closing) as they are closed with. VOLATILE, as all that it calls, because
-- it must see what was committed while the lock was waited for.
CREATE FUNCTION ibex.shift_report(p_store uuid, p_shift uuid, p_exponent integer, p_closing jsonb)
RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  s ibex.shifts;
  v_cash record;
  v_moved record;
  v_sales record;
  v_notes record;
  v_expected numeric;
BEGIN
  SELECT * INTO s FROM ibex.shifts x WHERE x.store_id = p_store AND x.id = p_shift;
  SELECT coalesce(sum(p.amount) FILTER (WHERE p.kind = 'RECEIPT'), 0) AS receipts,
         coalesce(sum(p.amount) FILTER (WHERE p.kind = 'REFUND'), 0) AS refunds INTO v_cash
    FROM ibex.payments p WHERE p.store_id = p_store AND p.shift_id = p_shift AND p.method = 'CASH';
  SELECT coalesce(sum(m.amount) FILTER (WHERE m.kind = 'PAID_IN'), 0) AS paid_in,
         coalesce(sum(m.amount) FILTER (WHERE m.kind = 'PAID_OUT'), 0) AS paid_out INTO v_moved
    FROM ibex.shift_movements m WHERE m.store_id = p_store AND m.shift_id = p_shift;
  SELECT count(*) AS n, sum(i.subtotal) AS subtotal, sum(i.discount_total) AS discount, sum(i.net_total) AS net,
         sum(i.tax_total) AS tax, sum(i.rounding) AS rounding, sum(i.total) AS total INTO v_sales
    FROM ibex.invoices i WHERE i.store_id = p_store AND i.shift_id = p_shift;
  SELECT count(*) AS n, sum(c.net_total) AS net, sum(c.tax_total) AS tax, sum(c.rounding) AS rounding,
         sum(c.total) AS total INTO v_notes
    FROM ibex.credit_notes c WHERE c.store_id = p_store AND c.shift_id = p_shift;
  v_expected := s.opening_float + v_cash.receipts - v_cash.refunds + v_moved.paid_in - v_moved.paid_out;
  RETURN json_build_object(
    'number', p_closing -> 'number', 'shift_id', s.id, 'drawer', s.drawer, 'business_date', s.business_date,
    'opened_by', s.opened_by, 'opened_at', ibex.time_text(s.opened_at),
    'closed_by', p_closing -> 'closed_by', 'closed_at', p_closing -> 'closed_at', 'note', p_closing -> 'note',
    'opening_float', ibex.amount_text(s.opening_float, p_exponent),
    'cash_receipts', ibex.amount_text(v_cash.receipts, p_exponent),
    'cash_refunds', ibex.amount_text(v_cash.refunds, p_exponent),
    'paid_in', ibex.amount_text(v_moved.paid_in, p_exponent),
    'paid_out', ibex.amount_text(v_moved.paid_out, p_exponent),
    'expected_cash', ibex.amount_text(v_expected, p_exponent),
    'counted_cash', round((p_closing ->> 'counted_cash')::numeric, p_exponent)::text,
    'difference', round((p_closing ->> 'counted_cash')::numeric - v_expected, p_exponent)::text,
    'denominations', p_closing -> 'denominations',
    'methods', ibex.shift_methods(p_store, p_shift, p_exponent),
    'operators', ibex.shift_operators(p_store, p_shift, p_exponent),
    'sales', json_build_object('count', v_sales.n, 'subtotal', ibex.amount_text(v_sales.subtotal, p_exponent),
      'discounts', ibex.amount_text(v_sales.discount, p_exponent), 'net', ibex.amount_text(v_sales.net, p_exponent),
      'tax', ibex.amount_text(v_sales.tax, p_exponent), 'rounding', ibex.amount_text(v_sales.rounding, p_exponent),
      'total', ibex.amount_text(v_sales.total, p_exponent)),
    'credit_notes', json_build_object('count', v_notes.n, 'net', ibex.amount_text(v_notes.net, p_exponent),
      'tax', ibex.amount_text(v_notes.tax, p_exponent), 'rounding', ibex.amount_text(v_notes.rounding, p_exponent),
      'total', ibex.amount_text(v_notes.total, p_exponent)),
    'taxes', ibex.shift_taxes(p_store, p_shift, p_exponent),
    'movements', ibex.shift_movements_json(p_store, p_shift, p_exponent));
END $$;
"""

CLOSE = """
-- Closes the shift that ibex.post has locked. Returns pairs of a place in the answer and what belongs there.
CREATE FUNCTION ibex.close_shift(p_store uuid, p_operator uuid, p_at timestamptz, p_close jsonb, p_number bigint)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_shift uuid := (p_close ->> 'shift_id')::uuid;
  v_counted numeric := (p_close ->> 'counted_cash')::numeric;
  v_report json;
BEGIN
  v_report := ibex.shift_report(p_store, v_shift, (p_close ->> 'exponent')::integer, jsonb_build_object(
    'number', p_number, 'closed_by', p_operator, 'closed_at', ibex.time_text(p_at), 'note', p_close -> 'note',
    'counted_cash', v_counted, 'denominations', p_close -> 'denominations'));
  UPDATE ibex.shifts s SET status = 'CLOSED', number = p_number, closed_by = p_operator, closed_at = p_at,
      counted_cash = v_counted, expected_cash = (v_report ->> 'expected_cash')::numeric,
      difference = (v_report ->> 'difference')::numeric, report = v_report, version = s.version + 1
    WHERE s.store_id = p_store AND s.id = v_shift;
  RETURN jsonb_build_array(
    jsonb_build_array(p_close ->> 'expected_at', v_report ->> 'expected_cash'),
    jsonb_build_array(p_close ->> 'difference_at', v_report ->> 'difference'),
    jsonb_build_array(p_close ->> 'report_at', v_report::text));
END $$;

CREATE FUNCTION ibex.guard_shift() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  closing text[] := ARRAY['status', 'number', 'closed_by', 'closed_at', 'counted_cash', 'expected_cash', 'difference',
                          'report', 'version'];
BEGIN
  IF OLD.status = 'CLOSED' OR NEW.status <> 'CLOSED'
      OR (to_jsonb(NEW) - closing) IS DISTINCT FROM (to_jsonb(OLD) - closing) THEN
    RAISE EXCEPTION 'a shift only closes, once' USING ERRCODE = 'IB023', DETAIL = '{}';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER shifts_guard BEFORE UPDATE ON ibex.shifts FOR EACH ROW EXECUTE FUNCTION ibex.guard_shift();
CREATE TRIGGER shifts_never_deleted BEFORE DELETE ON ibex.shifts
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER shifts_no_truncate BEFORE TRUNCATE ON ibex.shifts
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
"""

DOWNGRADE = """
DROP TRIGGER shifts_no_truncate ON ibex.shifts;
DROP TRIGGER shifts_never_deleted ON ibex.shifts;
DROP TRIGGER shifts_guard ON ibex.shifts;
DROP FUNCTION ibex.guard_shift();
DROP FUNCTION ibex.close_shift(uuid, uuid, timestamptz, jsonb, bigint);
DROP FUNCTION ibex.shift_report(uuid, uuid, integer, jsonb);
DROP FUNCTION ibex.shift_movements_json(uuid, uuid, integer);
DROP FUNCTION ibex.shift_taxes(uuid, uuid, integer);
DROP FUNCTION ibex.shift_operators(uuid, uuid, integer);
DROP FUNCTION ibex.shift_methods(uuid, uuid, integer);
DROP FUNCTION ibex.time_text(timestamptz);
DROP FUNCTION ibex.amount_text(numeric, integer);
"""


def upgrade() -> None:
    op.execute(FORMATS)
    op.execute(PARTS)
    op.execute(REPORT)
    op.execute(CLOSE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
