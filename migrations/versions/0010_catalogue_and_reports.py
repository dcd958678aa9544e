"""What the catalogue, stock and reports need: locks and bulk writes of a posting, indexes, sums by day."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# squawk: ignore require-concurrent-index-creation: the tables are empty when the first deploy makes these indexes
# squawk: ignore prefer-bigint-over-smallint: an hour of the day is at most 23

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
    PERFORM 1 FROM ibex.products p WHERE p.store_id = p_store AND p.id = ANY (v_ids) ORDER BY p.id FOR NO KEY UPDATE;
  END IF;
  IF p_head #> '{locks,customers}' IS NOT NULL OR p_head ? 'balances' THEN
    v_ids := ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(p_head #> '{locks,customers}') x
                   UNION SELECT (b ->> 'customer_id')::uuid FROM jsonb_array_elements(p_head -> 'balances') b);
    PERFORM 1 FROM ibex.customers c WHERE c.store_id = p_store AND c.id = ANY (v_ids) ORDER BY c.id FOR NO KEY UPDATE;
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
# Reports read sums by day that are kept aside of the sale's path; docs/decisions/0011 says why and how.
SUMS = """
-- Up to which entry of the ledger the sums below are made. What came after it is read from the books themselves.
-- The sums refer to nothing by foreign key: the books that they are made of do, and a key's lock on a product would
-- hold up its sale.
CREATE TABLE ibex.report_marks (
  store_id uuid CONSTRAINT report_marks_pk PRIMARY KEY CONSTRAINT report_marks_store_fk REFERENCES ibex.stores,
  ledger_seq bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE ibex.sales_by_hour (
  store_id uuid NOT NULL,
  business_date date NOT NULL,
  hour smallint NOT NULL,
  operator_id uuid NOT NULL,
  sales_count bigint NOT NULL,
  sales numeric NOT NULL,
  sales_net numeric NOT NULL,
  sales_tax numeric NOT NULL,
  sales_rounding numeric NOT NULL,
  discounts numeric NOT NULL,
  returns_count bigint NOT NULL,
  returns numeric NOT NULL,
  returns_net numeric NOT NULL,
  returns_tax numeric NOT NULL,
  returns_rounding numeric NOT NULL,
  CONSTRAINT sales_by_hour_pk PRIMARY KEY (store_id, business_date, hour, operator_id)
) WITH (fillfactor = 70);

CREATE TABLE ibex.sales_by_customer (
  store_id uuid NOT NULL,
  business_date date NOT NULL,
  customer_id uuid,
  sales_count bigint NOT NULL,
  sales numeric NOT NULL,
  sales_net numeric NOT NULL,
  sales_tax numeric NOT NULL,
  sales_rounding numeric NOT NULL,
  discounts numeric NOT NULL,
  returns_count bigint NOT NULL,
  returns numeric NOT NULL,
  returns_net numeric NOT NULL,
  returns_tax numeric NOT NULL,
  returns_rounding numeric NOT NULL,
  CONSTRAINT sales_by_customer_unique UNIQUE NULLS NOT DISTINCT (store_id, business_date, customer_id)
) WITH (fillfactor = 70);

CREATE TABLE ibex.sales_by_product (
  store_id uuid NOT NULL,
  business_date date NOT NULL,
  product_id uuid NOT NULL,
  tax_rate numeric NOT NULL,
  sold_quantity numeric NOT NULL,
  sold_net numeric NOT NULL,
  sold_tax numeric NOT NULL,
  discounts numeric NOT NULL,
  sold_cost numeric NOT NULL,
  sold_net_costed numeric NOT NULL,
  returned_quantity numeric NOT NULL,
  returned_net numeric NOT NULL,
  returned_tax numeric NOT NULL,
  returned_cost numeric NOT NULL,
  returned_net_costed numeric NOT NULL,
  CONSTRAINT sales_by_product_pk PRIMARY KEY (store_id, business_date, product_id, tax_rate)
) WITH (fillfactor = 70);

CREATE TABLE ibex.money_by_method (
  store_id uuid NOT NULL,
  business_date date NOT NULL,
  method text NOT NULL,
  receipts_count bigint NOT NULL,
  receipts numeric NOT NULL,
  refunds_count bigint NOT NULL,
  refunds numeric NOT NULL,
  CONSTRAINT money_by_method_pk PRIMARY KEY (store_id, business_date, method)
) WITH (fillfactor = 70);
"""
FACTS = """
-- Entries of the ledger after one and up to another, of some days: by their sequence where these are few, else by day.
CREATE FUNCTION ibex.entries_after(p_store uuid, p_from date, p_to date, p_after bigint, p_upto bigint)
RETURNS SETOF ibex.ledger_entries LANGUAGE plpgsql STABLE ROWS 1000 AS $$
BEGIN
  IF p_upto <= p_after THEN
    RETURN;
  ELSIF p_upto - p_after <= 50000 OR NOT (isfinite(p_from) OR isfinite(p_to)) THEN
    -- "+ 0" keeps the planner from the index of the other kind.
    RETURN QUERY SELECT * FROM ibex.ledger_entries e
      WHERE e.store_id = p_store AND e.seq > p_after AND e.seq <= p_upto
        AND (NOT isfinite(p_from) OR e.business_date + 0 >= p_from)
        AND (NOT isfinite(p_to) OR e.business_date + 0 <= p_to);
  ELSE
    RETURN QUERY SELECT * FROM ibex.ledger_entries e
      WHERE e.store_id = p_store AND e.business_date BETWEEN p_from AND p_to
        AND e.seq + 0 > p_after AND e.seq + 0 <= p_upto;
  END IF;
END $$;

-- "OFFSET 0" keeps the planner from reading whole tables for few entries: each entry looks up its own rows.
CREATE FUNCTION ibex.document_facts(p_store uuid, p_from date, p_to date, p_after bigint, p_upto bigint)
RETURNS TABLE (business_date date, hour smallint, operator_id uuid, customer_id uuid, sales_count bigint, sales numeric,
  sales_net numeric, sales_tax numeric, sales_rounding numeric, discounts numeric, returns_count bigint,
  returns numeric, returns_net numeric, returns_tax numeric, returns_rounding numeric)
LANGUAGE sql STABLE AS $$
  SELECT e.business_date, extract(hour FROM e.occurred_at AT TIME ZONE s.time_zone)::smallint, e.operator_id,
    e.customer_id, sale::bigint, e.debit, CASE sale WHEN 1 THEN d.net ELSE 0 END, CASE sale WHEN 1 THEN d.tax ELSE 0 END,
    CASE sale WHEN 1 THEN d.rounding ELSE 0 END, d.discount, 1 - sale::bigint, e.credit,
    CASE sale WHEN 0 THEN d.net ELSE 0 END, CASE sale WHEN 0 THEN d.tax ELSE 0 END,
    CASE sale WHEN 0 THEN d.rounding ELSE 0 END
  FROM ibex.entries_after(p_store, p_from, p_to, p_after, p_upto) e
  JOIN ibex.stores s ON s.id = p_store
  CROSS JOIN LATERAL (SELECT (e.type = 'SALE')::integer AS sale) t
  CROSS JOIN LATERAL (
    SELECT i.net_total AS net, i.tax_total AS tax, i.rounding, i.discount_total AS discount FROM ibex.invoices i
      WHERE sale = 1 AND i.store_id = p_store AND i.id = e.invoice_id
    UNION ALL
    SELECT c.net_total, c.tax_total, c.rounding, 0 FROM ibex.credit_notes c
      WHERE sale = 0 AND c.store_id = p_store AND c.id = e.credit_note_id
    OFFSET 0
  ) d
  WHERE e.type IN ('SALE', 'CREDIT_NOTE')
$$;

-- A line costs quantity x cost price, at the decimals of its own amounts. What was written off does not come back.
CREATE FUNCTION ibex.line_facts(p_store uuid, p_from date, p_to date, p_after bigint, p_upto bigint)
RETURNS TABLE (business_date date, product_id uuid, tax_rate numeric, sold_quantity numeric, sold_net numeric,
  sold_tax numeric, discounts numeric, sold_cost numeric, sold_net_costed numeric, returned_quantity numeric,
  returned_net numeric, returned_tax numeric, returned_cost numeric, returned_net_costed numeric)
LANGUAGE sql STABLE AS $$
  SELECT e.business_date, l.* FROM ibex.entries_after(p_store, p_from, p_to, p_after, p_upto) e
  CROSS JOIN LATERAL (
    SELECT x.product_id, x.tax_rate, x.quantity, x.net, x.tax, x.discount + x.order_discount,
      coalesce(round(x.quantity * x.cost_price, scale(x.net)), 0), CASE WHEN x.cost_price IS NULL THEN 0 ELSE x.net END,
      0::numeric, 0::numeric, 0::numeric, 0::numeric, 0::numeric
    FROM ibex.invoice_lines x WHERE e.type = 'SALE' AND x.store_id = p_store AND x.invoice_id = e.invoice_id
    UNION ALL
    SELECT y.product_id, y.tax_rate, 0, 0, 0, 0, 0, 0, y.quantity, y.net, y.tax,
      CASE y.disposition WHEN 'RESTOCKED' THEN coalesce(round(y.quantity * y.cost_price, scale(y.net)), 0) ELSE 0 END,
      CASE WHEN y.cost_price IS NULL THEN 0 ELSE y.net END
    FROM ibex.credit_note_lines y
      WHERE e.type = 'CREDIT_NOTE' AND y.store_id = p_store AND y.credit_note_id = e.credit_note_id
    OFFSET 0
  ) l
  WHERE e.type IN ('SALE', 'CREDIT_NOTE')
$$;

CREATE FUNCTION ibex.money_facts(p_store uuid, p_from date, p_to date, p_after bigint, p_upto bigint)
RETURNS TABLE (business_date date, method text, receipts_count bigint, receipts numeric, refunds_count bigint,
  refunds numeric)
LANGUAGE sql STABLE AS $$
  SELECT e.business_date, p.method, (e.type = 'RECEIPT')::integer::bigint, e.credit, (e.type = 'REFUND')::integer::bigint,
    e.debit
  FROM ibex.entries_after(p_store, p_from, p_to, p_after, p_upto) e
  CROSS JOIN LATERAL (
    SELECT x.method FROM ibex.payments x WHERE x.store_id = p_store AND x.id = e.payment_id OFFSET 0
  ) p
  WHERE e.type IN ('RECEIPT', 'REFUND')
$$;

CREATE FUNCTION ibex.report_mark(p_store uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT m.ledger_seq FROM ibex.report_marks m WHERE m.store_id = p_store), 0)
$$;

CREATE FUNCTION ibex.ledger_end(p_store uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT c.ledger_seq FROM ibex.store_counters c WHERE c.store_id = p_store), 0)
$$;

-- The sums of some days: those that are made, and what came after them.
CREATE FUNCTION ibex.sales_of_hours(p_store uuid, p_from date, p_to date) RETURNS SETOF ibex.sales_by_hour
LANGUAGE sql STABLE AS $$
  SELECT h.* FROM ibex.sales_by_hour h WHERE h.store_id = p_store AND h.business_date BETWEEN p_from AND p_to
  UNION ALL
  SELECT p_store, f.business_date, f.hour, f.operator_id, f.sales_count, f.sales, f.sales_net, f.sales_tax,
    f.sales_rounding, f.discounts, f.returns_count, f.returns, f.returns_net, f.returns_tax, f.returns_rounding
  FROM ibex.document_facts(p_store, p_from, p_to, ibex.report_mark(p_store), ibex.ledger_end(p_store)) f
$$;

CREATE FUNCTION ibex.sales_of_customers(p_store uuid, p_from date, p_to date) RETURNS SETOF ibex.sales_by_customer
LANGUAGE sql STABLE AS $$
  SELECT c.* FROM ibex.sales_by_customer c WHERE c.store_id = p_store AND c.business_date BETWEEN p_from AND p_to
  UNION ALL
  SELECT p_store, f.business_date, f.customer_id, f.sales_count, f.sales, f.sales_net, f.sales_tax,
    f.sales_rounding, f.discounts, f.returns_count, f.returns, f.returns_net, f.returns_tax, f.returns_rounding
  FROM ibex.document_facts(p_store, p_from, p_to, ibex.report_mark(p_store), ibex.ledger_end(p_store)) f
$$;

CREATE FUNCTION ibex.sales_of_products(p_store uuid, p_from date, p_to date) RETURNS SETOF ibex.sales_by_product
LANGUAGE sql STABLE AS $$
  SELECT p.* FROM ibex.sales_by_product p WHERE p.store_id = p_store AND p.business_date BETWEEN p_from AND p_to
  UNION ALL
  SELECT p_store, f.* FROM ibex.line_facts(p_store, p_from, p_to, ibex.report_mark(p_store), ibex.ledger_end(p_store)) f
$$;

CREATE FUNCTION ibex.money_of_methods(p_store uuid, p_from date, p_to date) RETURNS SETOF ibex.money_by_method
LANGUAGE sql STABLE AS $$
  SELECT m.* FROM ibex.money_by_method m WHERE m.store_id = p_store AND m.business_date BETWEEN p_from AND p_to
  UNION ALL
  SELECT p_store, f.* FROM ibex.money_facts(p_store, p_from, p_to, ibex.report_mark(p_store), ibex.ledger_end(p_store)) f
$$;
"""
FOLD = """
-- Adds up to p_most entries more to the sums, and tells how many are left (-1: somebody else is at it). Whatever is
-- recorded meanwhile has a higher sequence, because sequences rise in the order of commits.
CREATE FUNCTION ibex.fold_sales(p_store uuid, p_most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_mark bigint;
  v_upto bigint;
  v_end bigint := ibex.ledger_end(p_store);
BEGIN
  INSERT INTO ibex.report_marks (store_id, ledger_seq) VALUES (p_store, 0) ON CONFLICT DO NOTHING;
  SELECT m.ledger_seq INTO v_mark FROM ibex.report_marks m WHERE m.store_id = p_store FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN -1;
  END IF;
  v_upto := least(v_mark + p_most, v_end);
  IF v_upto <= v_mark THEN
    RETURN 0;
  END IF;
  INSERT INTO ibex.sales_by_hour AS t
    SELECT p_store, f.business_date, f.hour, f.operator_id, sum(f.sales_count), sum(f.sales), sum(f.sales_net),
      sum(f.sales_tax), sum(f.sales_rounding), sum(f.discounts), sum(f.returns_count), sum(f.returns),
      sum(f.returns_net), sum(f.returns_tax), sum(f.returns_rounding)
    FROM ibex.document_facts(p_store, '-infinity', 'infinity', v_mark, v_upto) f
    GROUP BY f.business_date, f.hour, f.operator_id
    ON CONFLICT (store_id, business_date, hour, operator_id) DO UPDATE SET
      sales_count = t.sales_count + excluded.sales_count, sales = t.sales + excluded.sales,
      sales_net = t.sales_net + excluded.sales_net, sales_tax = t.sales_tax + excluded.sales_tax,
      sales_rounding = t.sales_rounding + excluded.sales_rounding, discounts = t.discounts + excluded.discounts,
      returns_count = t.returns_count + excluded.returns_count, returns = t.returns + excluded.returns,
      returns_net = t.returns_net + excluded.returns_net, returns_tax = t.returns_tax + excluded.returns_tax,
      returns_rounding = t.returns_rounding + excluded.returns_rounding;
  INSERT INTO ibex.sales_by_customer AS t
    SELECT p_store, f.business_date, f.customer_id, sum(f.sales_count), sum(f.sales), sum(f.sales_net),
      sum(f.sales_tax), sum(f.sales_rounding), sum(f.discounts), sum(f.returns_count), sum(f.returns),
      sum(f.returns_net), sum(f.returns_tax), sum(f.returns_rounding)
    FROM ibex.document_facts(p_store, '-infinity', 'infinity', v_mark, v_upto) f
    GROUP BY f.business_date, f.customer_id
    ON CONFLICT (store_id, business_date, customer_id) DO UPDATE SET
      sales_count = t.sales_count + excluded.sales_count, sales = t.sales + excluded.sales,
      sales_net = t.sales_net + excluded.sales_net, sales_tax = t.sales_tax + excluded.sales_tax,
      sales_rounding = t.sales_rounding + excluded.sales_rounding, discounts = t.discounts + excluded.discounts,
      returns_count = t.returns_count + excluded.returns_count, returns = t.returns + excluded.returns,
      returns_net = t.returns_net + excluded.returns_net, returns_tax = t.returns_tax + excluded.returns_tax,
      returns_rounding = t.returns_rounding + excluded.returns_rounding;
  INSERT INTO ibex.sales_by_product AS t
    SELECT p_store, f.business_date, f.product_id, f.tax_rate, sum(f.sold_quantity), sum(f.sold_net), sum(f.sold_tax),
      sum(f.discounts), sum(f.sold_cost), sum(f.sold_net_costed), sum(f.returned_quantity), sum(f.returned_net),
      sum(f.returned_tax), sum(f.returned_cost), sum(f.returned_net_costed)
    FROM ibex.line_facts(p_store, '-infinity', 'infinity', v_mark, v_upto) f
    GROUP BY f.business_date, f.product_id, f.tax_rate
    ON CONFLICT (store_id, business_date, product_id, tax_rate) DO UPDATE SET
      sold_quantity = t.sold_quantity + excluded.sold_quantity, sold_net = t.sold_net + excluded.sold_net,
      sold_tax = t.sold_tax + excluded.sold_tax, discounts = t.discounts + excluded.discounts,
      sold_cost = t.sold_cost + excluded.sold_cost, sold_net_costed = t.sold_net_costed + excluded.sold_net_costed,
      returned_quantity = t.returned_quantity + excluded.returned_quantity,
      returned_net = t.returned_net + excluded.returned_net, returned_tax = t.returned_tax + excluded.returned_tax,
      returned_cost = t.returned_cost + excluded.returned_cost,
      returned_net_costed = t.returned_net_costed + excluded.returned_net_costed;
  INSERT INTO ibex.money_by_method AS t
    SELECT p_store, f.business_date, f.method, sum(f.receipts_count), sum(f.receipts), sum(f.refunds_count),
      sum(f.refunds)
    FROM ibex.money_facts(p_store, '-infinity', 'infinity', v_mark, v_upto) f
    GROUP BY f.business_date, f.method
    ON CONFLICT (store_id, business_date, method) DO UPDATE SET
      receipts_count = t.receipts_count + excluded.receipts_count, receipts = t.receipts + excluded.receipts,
      refunds_count = t.refunds_count + excluded.refunds_count, refunds = t.refunds + excluded.refunds;
  UPDATE ibex.report_marks SET ledger_seq = v_upto WHERE store_id = p_store;
  RETURN v_end - v_upto;
END $$;
"""
SESSIONS = """
CREATE TABLE ibex.report_sessions (
  store_id uuid NOT NULL,
  id uuid NOT NULL,
  token_id uuid NOT NULL,
  secret_hash bytea NOT NULL CONSTRAINT report_sessions_hash_is_sha256 CHECK (octet_length(secret_hash) = 32),
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  CONSTRAINT report_sessions_pk PRIMARY KEY (store_id, id),
  CONSTRAINT report_sessions_secret_unique UNIQUE (secret_hash),
  CONSTRAINT report_sessions_token_fk FOREIGN KEY (store_id, token_id) REFERENCES ibex.api_tokens (store_id, id)
);
CREATE INDEX report_sessions_by_expiry ON ibex.report_sessions (expires_at);
"""
DOWNGRADE = """
DROP TABLE ibex.report_sessions;
DROP FUNCTION ibex.fold_sales(uuid, integer);
DROP FUNCTION ibex.money_of_methods(uuid, date, date);
DROP FUNCTION ibex.sales_of_products(uuid, date, date);
DROP FUNCTION ibex.sales_of_customers(uuid, date, date);
DROP FUNCTION ibex.sales_of_hours(uuid, date, date);
DROP FUNCTION ibex.ledger_end(uuid);
DROP FUNCTION ibex.report_mark(uuid);
DROP FUNCTION ibex.money_facts(uuid, date, date, bigint, bigint);
DROP FUNCTION ibex.line_facts(uuid, date, date, bigint, bigint);
DROP FUNCTION ibex.document_facts(uuid, date, date, bigint, bigint);
DROP FUNCTION ibex.entries_after(uuid, date, date, bigint, bigint);
DROP TABLE ibex.money_by_method;
DROP TABLE ibex.sales_by_product;
DROP TABLE ibex.sales_by_customer;
DROP TABLE ibex.sales_by_hour;
DROP TABLE ibex.report_marks;
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
    op.execute(SUMS)
    op.execute(FACTS)
    op.execute(FOLD)
    op.execute(SESSIONS)


def downgrade() -> None:
    op.execute(DOWNGRADE)
