"""``ibex.post``: the one way in which anything is written while the shop is open.

It runs in one transaction and one round trip. Locks are taken in one order everywhere, so that two postings can never
wait for each other in a circle: idempotency key, invoices by id, products by id, customers by id, shift, counters.
Rows are locked FOR NO KEY UPDATE: that is enough against other postings, and it lets the foreign keys of rows that are
inserted after the counters (KEY SHARE) pass; FOR UPDATE would close a circle with them.
``p_head`` says what to lock, check and count; ``p_rows`` is the text of the rows to insert, in which placeholders
stand for numbers that are not known before the counters are locked.

SQLSTATEs it raises, each with JSON in DETAIL: IB001 insufficient stock, IB002 product changed, IB003 document changed,
IB004 credit limit, IB005 idempotency key exists, IB006 request in progress, IB007 not found, IB008 shift closed,
IB009 record (or a customer's opening debt) changed, IB010 product inactive, IB011 less on account than asked,
IB012 customer inactive.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STOCK = """
CREATE FUNCTION ibex.post_stock(p_store uuid, p_stock jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
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
  WITH moved AS (
    UPDATE ibex.products p
    SET stock = CASE WHEN NOT p.track_stock THEN p.stock WHEN w.counted IS NOT NULL THEN w.counted
                     ELSE p.stock + w.quantity END,
        oversold = p.track_stock AND
                   CASE WHEN w.counted IS NOT NULL THEN false ELSE p.stock + w.quantity < 0 END
    FROM jsonb_to_recordset(p_stock) AS w(ord integer, product_id uuid, quantity numeric, counted numeric),
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

BALANCES = """
CREATE FUNCTION ibex.post_balances(p_store uuid, p_balances jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
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
    FROM jsonb_to_recordset(p_balances) AS w(customer_id uuid, delta numeric, account_credit numeric,
                                             opening_due numeric)
    WHERE c.store_id = p_store AND c.id = w.customer_id
      AND (w.delta <> 0 OR w.account_credit <> 0 OR w.opening_due <> 0);
  RETURN v_opening;
END $$;
"""

RECORDS = """
-- Writes of what changes seldom: a row of a listed table is added, changed (if it still has the version that the
-- caller read) or removed. Column names are quoted; the store is forced, whatever the row says.
CREATE FUNCTION ibex.post_records(p_store uuid, p_records jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r jsonb;
  v_columns text;
  v_done integer;
BEGIN
  FOR r IN SELECT value FROM jsonb_array_elements(p_records) LOOP
    IF NOT (r ->> 't' = ANY (ibex.record_tables())) THEN
      RAISE EXCEPTION 'table % is not written through records', r ->> 't';
    END IF;
    IF r ? 'rows' THEN
      PERFORM ibex.post_record_run(p_store, r);
      CONTINUE;
    END IF;
    IF r ->> 'op' = 'delete' THEN
      EXECUTE format('DELETE FROM ibex.%1$I t USING jsonb_populate_record(NULL::ibex.%1$I, $2) k
                      WHERE t.store_id = $1 AND (%2$s)', r ->> 't',
        (SELECT string_agg(format('t.%1$I = k.%1$I', x), ' AND ') FROM jsonb_object_keys(r -> 'row') x))
        USING p_store, r -> 'row';
      CONTINUE;
    END IF;
    SELECT string_agg(format('%I', x), ', ' ORDER BY x) INTO v_columns FROM jsonb_object_keys(r -> 'row') x;
    IF r ->> 'op' = 'insert' THEN
      EXECUTE format('INSERT INTO ibex.%1$I (store_id, %2$s)
                      SELECT $1, %2$s FROM jsonb_populate_record(NULL::ibex.%1$I, $2)', r ->> 't', v_columns)
        USING p_store, r -> 'row';
    ELSIF r ->> 'op' = 'update' THEN
      EXECUTE format('UPDATE ibex.%1$I t SET (%2$s, version) =
                        (SELECT %2$s, t.version + 1 FROM jsonb_populate_record(t, $2))
                      WHERE t.%3$I = $1 AND t.id = $3 AND t.version = $4', r ->> 't', v_columns,
                     CASE r ->> 't' WHEN 'stores' THEN 'id' ELSE 'store_id' END)
        USING p_store, r -> 'row', (r ->> 'id')::uuid, (r ->> 'version')::integer;
      GET DIAGNOSTICS v_done = ROW_COUNT;
      IF v_done = 0 THEN
        RAISE EXCEPTION 'record changed' USING ERRCODE = 'IB009',
          DETAIL = jsonb_build_object('table', r ->> 't', 'id', r ->> 'id')::text;
      END IF;
    ELSE
      RAISE EXCEPTION 'unknown operation %', r ->> 'op';
    END IF;
  END LOOP;
END $$;
CREATE FUNCTION ibex.record_tables() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT ARRAY['stores', 'operators', 'api_tokens', 'categories', 'products', 'product_barcodes', 'price_changes',
               'customers', 'invoices', 'invoice_lines', 'shifts', 'shift_movements', 'report_sessions',
               'webhooks', 'webhook_secrets', 'webhook_replays']
$$;
"""

POST = """
CREATE FUNCTION ibex.post(p_head jsonb, p_rows text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_store uuid := (p_head ->> 'store_id')::uuid;
  v_at timestamptz := (p_head ->> 'at')::timestamptz;
  v_operator uuid := (p_head ->> 'operator_id')::uuid;
  v_key text := p_head ->> 'key';
  v_rows jsonb;
  v_moved jsonb := '[]';
  v_opening jsonb := '{}';
  v_refused jsonb;
  v_count jsonb := p_head -> 'count';
  v_last ibex.store_counters;
  v_numbers jsonb := '{}';
  n jsonb;
  v_number bigint;
BEGIN
  IF v_key IS NOT NULL THEN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(v_store::text || v_key, 0)) THEN
      RAISE EXCEPTION 'in progress' USING ERRCODE = 'IB006', DETAIL = '{}';
    END IF;
    PERFORM 1 FROM ibex.idempotency_keys k WHERE k.store_id = v_store AND k.key = v_key
      AND k.created_at > v_at - interval '24 hours';
    IF FOUND THEN
      RAISE EXCEPTION 'key exists' USING ERRCODE = 'IB005', DETAIL = '{}';
    END IF;
  END IF;

  IF p_head ? 'invoices' THEN
    SELECT jsonb_agg(jsonb_build_object('invoice_id', j.id)) INTO v_refused FROM (
      SELECT w.id, i.version = w.version AS same
      FROM (SELECT * FROM jsonb_to_recordset(p_head -> 'invoices') AS v(id uuid, version integer) ORDER BY v.id) w
      LEFT JOIN LATERAL (
        SELECT * FROM ibex.invoices x WHERE x.store_id = v_store AND x.id = w.id FOR NO KEY UPDATE
      ) i ON true
    ) j WHERE j.same IS NOT TRUE;
    IF v_refused IS NOT NULL THEN
      RAISE EXCEPTION 'document changed' USING ERRCODE = 'IB003', DETAIL = v_refused::text;
    END IF;
  END IF;
  IF p_head ? 'locks' THEN
    PERFORM ibex.post_locks(v_store, p_head);
  END IF;
  IF p_head ? 'stock' THEN
    v_moved := ibex.post_stock(v_store, p_head -> 'stock');
  END IF;
  IF p_head ? 'balances' THEN
    v_opening := ibex.post_balances(v_store, p_head -> 'balances');
  END IF;
  IF p_head ? 'shift_id' THEN
    PERFORM 1 FROM ibex.shifts s
      WHERE s.store_id = v_store AND s.id = (p_head ->> 'shift_id')::uuid AND s.status = 'OPEN' FOR SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'shift closed' USING ERRCODE = 'IB008',
        DETAIL = jsonb_build_object('shift_id', p_head ->> 'shift_id')::text;
    END IF;
  END IF;

  IF p_head ? 'close' THEN
    -- Waits for every posting that holds the shift FOR SHARE; those that come later find it closed.
    PERFORM 1 FROM ibex.shifts s
      WHERE s.store_id = v_store AND s.id = (p_head -> 'close' ->> 'shift_id')::uuid AND s.status = 'OPEN' FOR UPDATE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'shift closed' USING ERRCODE = 'IB008',
        DETAIL = jsonb_build_object('shift_id', p_head -> 'close' ->> 'shift_id')::text;
    END IF;
  END IF;

  -- As late as possible: from here to the commit no other posting of the store goes on.
  UPDATE ibex.store_counters c SET
    invoice_number = c.invoice_number + coalesce((v_count ->> 'invoice')::integer, 0),
    credit_note_number = c.credit_note_number + coalesce((v_count ->> 'credit_note')::integer, 0),
    receipt_number = c.receipt_number + coalesce((v_count ->> 'receipt')::integer, 0),
    shift_number = c.shift_number + coalesce((v_count ->> 'shift')::integer, 0),
    ledger_seq = c.ledger_seq + coalesce((v_count ->> 'ledger')::integer, 0),
    movement_seq = c.movement_seq + jsonb_array_length(v_moved) + coalesce((v_count ->> 'opening')::integer, 0),
    audit_seq = c.audit_seq + coalesce((v_count ->> 'audit')::integer, 0),
    event_seq = c.event_seq + coalesce((v_count ->> 'event')::integer, 0)
  WHERE c.store_id = v_store RETURNING * INTO v_last;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no store' USING ERRCODE = 'IB007', DETAIL = jsonb_build_object('store_id', v_store)::text;
  END IF;

  -- "numbers" lists [counter, placeholder, how many of that counter come after it].
  FOR n IN SELECT value FROM jsonb_array_elements(p_head -> 'numbers') LOOP
    v_number := CASE n ->> 0 WHEN 'invoice' THEN v_last.invoice_number WHEN 'credit_note' THEN v_last.credit_note_number
                             WHEN 'receipt' THEN v_last.receipt_number WHEN 'shift' THEN v_last.shift_number END
                - (n ->> 2)::integer;
    p_rows := replace(p_rows, n ->> 1, v_number::text);
    v_numbers := v_numbers || jsonb_build_object(n ->> 1, v_number);
  END LOOP;
  -- Likewise the stock after a movement, and the difference that a count has found.
  IF p_head ? 'places' THEN
    FOR n IN SELECT jsonb_build_array(f.place, f.value)
             FROM jsonb_to_recordset(p_head -> 'stock') AS s(ord integer, balance_at text, quantity_at text)
             JOIN jsonb_to_recordset(v_moved) AS m(ord integer, balance text, quantity text) USING (ord),
             LATERAL (VALUES (s.balance_at, m.balance), (s.quantity_at, m.quantity)) f(place, value)
             WHERE f.place IS NOT NULL LOOP
      p_rows := replace(p_rows, n ->> 0, n ->> 1);
      v_numbers := v_numbers || jsonb_build_object(n ->> 0, n ->> 1);
    END LOOP;
  END IF;
  IF p_head ? 'close' THEN
    -- The places stand inside JSON strings (the kept answer, the audit), so that what goes there is escaped.
    FOR n IN SELECT value FROM jsonb_array_elements(
        ibex.close_shift(v_store, v_operator, v_at, p_head -> 'close', v_last.shift_number)) LOOP
      p_rows := replace(p_rows, n ->> 0, regexp_replace(to_json(n ->> 1)::text, '^"|"$', '', 'g'));
      v_numbers := v_numbers || jsonb_build_object(n ->> 0, n ->> 1);
    END LOOP;
  END IF;
  v_rows := p_rows::jsonb;
  PERFORM ibex.post_rows(v_store, v_operator, v_at, v_rows, v_moved, v_opening,
    v_last.ledger_seq - coalesce((v_count ->> 'ledger')::integer, 0),
    v_last.movement_seq - jsonb_array_length(v_moved) - coalesce((v_count ->> 'opening')::integer, 0),
    v_last.audit_seq - coalesce((v_count ->> 'audit')::integer, 0),
    v_last.event_seq - coalesce((v_count ->> 'event')::integer, 0));

  IF v_key IS NOT NULL THEN
    INSERT INTO ibex.idempotency_keys AS k (store_id, key, fingerprint, status, body, created_at)
      VALUES (v_store, v_key, decode(p_head ->> 'fingerprint', 'hex'), (p_head ->> 'status')::smallint,
              v_rows ->> 'body', v_at)
      ON CONFLICT (store_id, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
            created_at = excluded.created_at
        WHERE k.created_at <= v_at - interval '24 hours';
    IF NOT FOUND THEN
      RAISE EXCEPTION 'key exists' USING ERRCODE = 'IB005', DETAIL = '{}';
    END IF;
  END IF;
  RETURN jsonb_build_object('numbers', v_numbers, 'moved', v_moved, 'ledger_seq', v_last.ledger_seq,
                            'audit_seq', v_last.audit_seq, 'event_seq', v_last.event_seq);
END $$;
"""

DOWNGRADE = """
DROP FUNCTION ibex.post(jsonb, text);
DROP FUNCTION ibex.record_tables();
DROP FUNCTION ibex.post_records(uuid, jsonb);
DROP FUNCTION ibex.post_balances(uuid, jsonb);
DROP FUNCTION ibex.post_stock(uuid, jsonb);
"""


def upgrade() -> None:
    op.execute(STOCK)
    op.execute(BALANCES)
    op.execute(RECORDS)
    op.execute(POST)


def downgrade() -> None:
    op.execute(DOWNGRADE)
