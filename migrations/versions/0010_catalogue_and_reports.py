"""What the catalogue, stock and reports need: locks and bulk writes of a posting, indexes of lists."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

POSTING = """
-- Rows that a posting changes as records, locked before the counters and in the one order: products, customers (each
-- with those that the posting moves anyway), shifts.
CREATE FUNCTION ibex.post_locks(p_store uuid, p_head jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_ids uuid[];
BEGIN
  IF p_head #> '{locks,products}' IS NOT NULL OR p_head ? 'stock' THEN
    v_ids := ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(p_head #> '{locks,products}') x
                   UNION SELECT (s ->> 'product_id')::uuid FROM jsonb_array_elements(p_head -> 'stock') s);
    PERFORM 1 FROM ibex.products p WHERE p.store_id = p_store AND p.id = ANY (v_ids) ORDER BY p.id FOR UPDATE;
  END IF;
  IF p_head #> '{locks,customers}' IS NOT NULL OR p_head ? 'balances' THEN
    v_ids := ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(p_head #> '{locks,customers}') x
                   UNION SELECT (b ->> 'customer_id')::uuid FROM jsonb_array_elements(p_head -> 'balances') b);
    PERFORM 1 FROM ibex.customers c WHERE c.store_id = p_store AND c.id = ANY (v_ids) ORDER BY c.id FOR UPDATE;
  END IF;
  IF p_head #> '{locks,shifts}' IS NOT NULL THEN
    v_ids := ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(p_head #> '{locks,shifts}') x);
    PERFORM 1 FROM ibex.shifts s WHERE s.store_id = p_store AND s.id = ANY (v_ids) ORDER BY s.id FOR UPDATE;
  END IF;
END $$;

-- Many records that do the same to the same columns of one table, in one statement: an import of 10,000 products is
-- a handful of statements instead of 30,000.
CREATE FUNCTION ibex.post_record_run(p_store uuid, p_run jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_table text := p_run ->> 't';
  v_op text := p_run ->> 'op';
  v_first jsonb := CASE v_op WHEN 'update' THEN p_run #> '{rows,0,changed}' ELSE p_run #> '{rows,0}' END;
  v_columns text := (SELECT string_agg(format('%I', x), ', ' ORDER BY x) FROM jsonb_object_keys(v_first) x);
  v_done integer;
BEGIN
  IF v_op = 'insert' THEN
    EXECUTE format('INSERT INTO ibex.%1$I (store_id, %2$s)
                    SELECT $1, %2$s FROM jsonb_populate_recordset(NULL::ibex.%1$I, $2)', v_table, v_columns)
      USING p_store, p_run -> 'rows';
  ELSIF v_op = 'delete' THEN
    EXECUTE format('DELETE FROM ibex.%1$I t USING jsonb_populate_recordset(NULL::ibex.%1$I, $2) k
                    WHERE t.store_id = $1 AND %2$s', v_table,
      (SELECT string_agg(format('t.%1$I = k.%1$I', x), ' AND ') FROM jsonb_object_keys(v_first) x))
      USING p_store, p_run -> 'rows';
  ELSIF v_op = 'update' THEN
    EXECUTE format('UPDATE ibex.%1$I t SET (%2$s, version) =
                      (SELECT %2$s, t.version + 1 FROM jsonb_populate_record(t, k.changed))
                    FROM jsonb_to_recordset($2) AS k(id uuid, version integer, changed jsonb)
                    WHERE t.store_id = $1 AND t.id = k.id AND t.version = k.version', v_table, v_columns)
      USING p_store, p_run -> 'rows';
    GET DIAGNOSTICS v_done = ROW_COUNT;
    IF v_done <> jsonb_array_length(p_run -> 'rows') THEN
      RAISE EXCEPTION 'record changed' USING ERRCODE = 'IB009', DETAIL = jsonb_build_object('table', v_table)::text;
    END IF;
  ELSE
    RAISE EXCEPTION 'unknown operation %', v_op;
  END IF;
END $$;
"""
LISTS = """
CREATE INDEX products_low_in_stock ON ibex.products (store_id, name, id)
  WHERE track_stock AND reorder_level IS NOT NULL;
CREATE INDEX products_oversold ON ibex.products (store_id, name, id) WHERE oversold;
-- What is done by hand is a sliver of all movements; sales and returns are found through their products and days.
CREATE INDEX stock_movements_by_kind ON ibex.stock_movements (store_id, kind, seq) WHERE kind NOT IN ('SOLD');
CREATE INDEX stock_movements_by_time ON ibex.stock_movements (store_id, occurred_at, seq);
"""
DOWNGRADE = """
DROP INDEX ibex.stock_movements_by_time;
DROP INDEX ibex.stock_movements_by_kind;
DROP INDEX ibex.products_oversold;
DROP INDEX ibex.products_low_in_stock;
DROP FUNCTION ibex.post_record_run(uuid, jsonb);
DROP FUNCTION ibex.post_locks(uuid, jsonb);
"""


def upgrade() -> None:
    op.execute(POSTING)
    op.execute(LISTS)


def downgrade() -> None:
    op.execute(DOWNGRADE)
