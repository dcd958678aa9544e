"""Sales of a batch posted together, and stock that is found by its key.

``ibex.post_groups`` posts several sales in one call of ``ibex.post``: what a statement costs before its first row is
then paid once for all of them. It does so only where nothing is out of the ordinary. With the first group in which a
sale is known already, is refused, or sells what is not there, it stops and leaves the rest to ``ibex.post_batch``,
which judges each sale on its own.
"""

import runpy
from pathlib import Path
from typing import cast

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# LIMIT tells the planner that these are few. It takes a hundred rows of JSON for granted otherwise, and would read all
# of a store's products (or customers) to find three.
STOCK = """
CREATE OR REPLACE FUNCTION ibex.post_stock(p_store uuid, p_stock jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_refused jsonb;
  v_moved jsonb;
BEGIN
  -- Lock first, in the order of ids; judge in the same breath, on the rows as locked.
  SELECT jsonb_agg(jsonb_build_object('product_id', j.product_id, 'why', j.why, 'asked', j.asked, 'stock', j.stock))
    INTO v_refused
  FROM (
    SELECT w.product_id, -w.quantity AS asked, p.stock,
      CASE WHEN p.id IS NULL THEN 'IB007'
           WHEN w.version IS NOT NULL AND p.version <> w.version THEN 'IB002'
           WHEN w.must_be_active AND NOT p.active THEN 'IB010'
           WHEN p.track_stock AND w.quantity < 0 AND NOT w.may_oversell AND p.stock + w.quantity < 0 THEN 'IB001'
      END AS why
    FROM (SELECT * FROM jsonb_to_recordset(p_stock)
            AS s(product_id uuid, quantity numeric, version integer, must_be_active boolean, may_oversell boolean)
          ORDER BY s.product_id) w
    LEFT JOIN LATERAL (
      SELECT * FROM ibex.products x WHERE x.store_id = p_store AND x.id = w.product_id FOR NO KEY UPDATE
    ) p ON true
  ) j
  WHERE j.why IS NOT NULL;
  IF v_refused IS NOT NULL THEN
    RAISE EXCEPTION 'stock' USING ERRCODE = (SELECT min(r ->> 'why') FROM jsonb_array_elements(v_refused) r),
      DETAIL = v_refused::text;
  END IF;
  IF p_stock -> 0 ? 'together' THEN
    RETURN ibex.move_together(p_store, p_stock);
  END IF;
  WITH moved AS (
    UPDATE ibex.products p
    SET stock = CASE WHEN NOT p.track_stock THEN p.stock WHEN w.counted IS NOT NULL THEN w.counted
                     ELSE p.stock + w.quantity END,
        oversold = p.track_stock AND
                   CASE WHEN w.counted IS NOT NULL THEN false ELSE p.stock + w.quantity < 0 END
    FROM (SELECT * FROM jsonb_to_recordset(p_stock)
            AS s(ord integer, product_id uuid, quantity numeric, counted numeric)
          LIMIT jsonb_array_length(p_stock)) w,
         ibex.products before
    WHERE p.store_id = p_store AND p.id = w.product_id
      AND before.store_id = p_store AND before.id = w.product_id
    RETURNING w.ord, p.id, p.stock, p.track_stock, p.oversold, p.stock - before.stock AS delta
  )
  SELECT jsonb_agg(jsonb_build_object('ord', m.ord, 'product_id', m.id, 'balance', m.stock, 'quantity', m.delta,
                                      'oversold', m.oversold) ORDER BY m.ord)
    INTO v_moved FROM moved m WHERE m.track_stock;
  RETURN coalesce(v_moved, '[]'::jsonb);
END $$;
"""

TOGETHER = """
-- The same product moved several times in one posting: its row changes once, and each movement has the stock that was
-- left after it. For what is sold; a count stands alone. The products are locked and judged already.
CREATE FUNCTION ibex.move_together(p_store uuid, p_stock jsonb) RETURNS jsonb LANGUAGE sql AS $$
  WITH wanted AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(p_stock) AS s(ord integer, product_id uuid, quantity numeric)
    LIMIT jsonb_array_length(p_stock)
  ), sums AS MATERIALIZED (
    SELECT w.product_id, sum(w.quantity) AS quantity FROM wanted w GROUP BY w.product_id
  ), moved AS (
    UPDATE ibex.products p
    SET stock = CASE WHEN p.track_stock THEN p.stock + s.quantity ELSE p.stock END,
        oversold = p.track_stock AND p.stock + s.quantity < 0
    FROM sums s
    WHERE p.store_id = p_store AND p.id = s.product_id
    RETURNING p.id, p.track_stock, p.stock - s.quantity AS before
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('ord', m.ord, 'product_id', m.product_id, 'balance', m.balance,
                                               'quantity', m.quantity, 'oversold', m.balance < 0) ORDER BY m.ord),
                  '[]'::jsonb)
  FROM (
    SELECT w.ord, w.product_id, w.quantity,
      moved.before + sum(w.quantity) OVER (PARTITION BY w.product_id ORDER BY w.ord) AS balance
    FROM wanted w JOIN moved ON moved.id = w.product_id
    WHERE moved.track_stock
  ) m
$$;
"""

BALANCES = """
CREATE OR REPLACE FUNCTION ibex.post_balances(p_store uuid, p_balances jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_refused jsonb;
  v_opening jsonb;
BEGIN
  SELECT jsonb_agg(jsonb_build_object('customer_id', j.customer_id, 'why', j.why, 'balance', j.balance,
                                      'credit_limit', j.credit_limit, 'account_credit', j.account_credit,
                                      'asked', j.delta)) FILTER (WHERE j.why IS NOT NULL),
         jsonb_object_agg(j.customer_id, j.balance)
    INTO v_refused, v_opening
  FROM (
    SELECT w.customer_id, w.delta, c.balance, c.credit_limit, c.account_credit,
      CASE WHEN c.id IS NULL THEN 'IB007'
           WHEN c.opening_due <> w.opening_was THEN 'IB009'
           WHEN c.account_credit + w.account_credit < 0 THEN 'IB011'
           WHEN w.enforce_limit AND w.delta > 0 AND c.balance + w.delta > c.credit_limit THEN 'IB004'
           WHEN w.must_be_active AND NOT c.active THEN 'IB012'
      END AS why
    FROM (SELECT * FROM jsonb_to_recordset(p_balances) AS b(customer_id uuid, delta numeric, account_credit numeric,
                                                            opening_was numeric, enforce_limit boolean,
                                                            must_be_active boolean)
          ORDER BY b.customer_id) w
    LEFT JOIN LATERAL (
      SELECT * FROM ibex.customers x WHERE x.store_id = p_store AND x.id = w.customer_id FOR NO KEY UPDATE
    ) c ON true
  ) j;
  IF v_refused IS NOT NULL THEN
    RAISE EXCEPTION 'balance' USING ERRCODE = (SELECT min(r ->> 'why') FROM jsonb_array_elements(v_refused) r),
      DETAIL = v_refused::text;
  END IF;
  UPDATE ibex.customers c SET balance = c.balance + w.delta, account_credit = c.account_credit + w.account_credit,
      opening_due = c.opening_due + coalesce(w.opening_due, 0)
    FROM (SELECT * FROM jsonb_to_recordset(p_balances)
            AS b(customer_id uuid, delta numeric, account_credit numeric, opening_due numeric)
          LIMIT jsonb_array_length(p_balances)) w
    WHERE c.store_id = p_store AND c.id = w.customer_id
      AND (w.delta <> 0 OR w.account_credit <> 0 OR w.opening_due <> 0);
  RETURN v_opening;
END $$;
"""

GROUPS = """
-- p_batch is what ibex.post_batch takes, but for items: groups, an array of arrays of {id, fingerprint}. p_heads and
-- p_rows are what ibex.post takes, for each group. Returns an array of what ibex.post returned, for the first groups;
-- from the first that is not there on, nothing has happened.
CREATE FUNCTION ibex.post_groups(p_batch jsonb, p_heads text[], p_rows text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_store uuid := (p_batch ->> 'store_id')::uuid;
  v_at timestamptz := (p_batch ->> 'at')::timestamptz;
  v_posted jsonb;
  v_results jsonb[] := '{}';
  v_state text;
BEGIN
  -- The key is checked and everything is locked as for any batch.
  PERFORM ibex.post_batch(p_batch || '{"items": []}', '{}', '{}');
  FOR n IN 1 .. coalesce(array_length(p_heads, 1), 0) LOOP
    EXIT WHEN EXISTS (
      SELECT 1 FROM jsonb_to_recordset(p_batch -> 'groups' -> (n - 1)) AS g(id uuid), LATERAL (
        SELECT 1 FROM ibex.invoices i WHERE i.store_id = v_store AND i.id = g.id LIMIT 1) known);
    BEGIN
      v_posted := ibex.post(p_heads[n]::jsonb, p_rows[n]);
      IF v_posted -> 'moved' @> '[{"oversold": true}]' THEN
        RAISE EXCEPTION 'oversold' USING ERRCODE = 'IB001', DETAIL = '{}';
      END IF;
      INSERT INTO ibex.sale_fingerprints (store_id, invoice_id, fingerprint, recorded_at)
        SELECT v_store, g.id, decode(g.fingerprint, 'hex'), v_at
        FROM jsonb_to_recordset(p_batch -> 'groups' -> (n - 1)) AS g(id uuid, fingerprint text);
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE;
      IF v_state NOT LIKE 'IB%' AND v_state NOT LIKE '23%' THEN
        RAISE;
      END IF;
      EXIT;
    END;
    v_results := v_results || v_posted;
  END LOOP;
  RETURN to_jsonb(v_results);
END $$;
"""

DOWNGRADE = """
DROP FUNCTION ibex.post_groups(jsonb, text[], text[]);
DROP FUNCTION ibex.move_together(uuid, jsonb);
"""


def upgrade() -> None:
    op.execute(TOGETHER)
    op.execute(STOCK)
    op.execute(BALANCES)
    op.execute(GROUPS)


def downgrade() -> None:
    op.execute(DOWNGRADE)
    before = runpy.run_path(str(Path(__file__).with_name("0006_post.py")))
    for name in ("STOCK", "BALANCES"):
        op.execute(cast("str", before[name]).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
