"""Sales of tills that were offline: many at once, each recorded once, in one transaction.

``ibex.post_batch`` takes all locks first, in the order of ``ibex.post`` (products, customers, shifts, each by id), so
that a batch and any other posting never wait for each other in a circle. Each sale is then posted by ``ibex.post`` in a
sub-transaction of its own: one that is refused leaves nothing, no number and no lock, and the others go on.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FINGERPRINTS = """
-- What a till sent for a sale, as SHA-256 of its content: sent again, it is known; sent with other content, refused.
CREATE TABLE ibex.sale_fingerprints (
  store_id uuid NOT NULL,
  invoice_id uuid NOT NULL,
  fingerprint bytea NOT NULL CONSTRAINT sale_fingerprints_sha256 CHECK (octet_length(fingerprint) = 32),
  recorded_at timestamptz NOT NULL,
  CONSTRAINT sale_fingerprints_pk PRIMARY KEY (store_id, invoice_id),
  CONSTRAINT sale_fingerprints_invoice_fk FOREIGN KEY (store_id, invoice_id) REFERENCES ibex.invoices (store_id, id)
);
CREATE TRIGGER sale_fingerprints_append_only BEFORE UPDATE OR DELETE ON ibex.sale_fingerprints
  FOR EACH ROW EXECUTE FUNCTION ibex.refuse_change();
CREATE TRIGGER sale_fingerprints_no_truncate BEFORE TRUNCATE ON ibex.sale_fingerprints
  FOR EACH STATEMENT EXECUTE FUNCTION ibex.refuse_change();
"""

KNOWN = """
-- NULL for an id that no invoice has. A sale that came another way has no fingerprint: it is the same if it sold the
-- same goods at the same prices to the same customer.
CREATE FUNCTION ibex.known_sale(p_store uuid, p_id uuid, p_fingerprint bytea, p_rows text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_rows jsonb := p_rows::jsonb;
  v_known record;
  v_same boolean;
BEGIN
  SELECT i.number, i.total, i.oversold, i.customer_id, i.status, f.fingerprint INTO v_known
    FROM ibex.invoices i LEFT JOIN ibex.sale_fingerprints f ON f.store_id = i.store_id AND f.invoice_id = i.id
    WHERE i.store_id = p_store AND i.id = p_id;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  IF v_known.fingerprint IS NOT NULL THEN
    v_same := v_known.fingerprint = p_fingerprint;
  ELSE
    v_same := v_rows IS NOT NULL AND v_known.status IN ('UNPAID', 'PAID')
      AND v_known.customer_id IS NOT DISTINCT FROM (v_rows -> 'invoices' -> 0 ->> 'customer_id')::uuid
      AND NOT EXISTS (
        WITH kept AS (SELECT l.product_id, l.quantity, l.unit_price FROM ibex.invoice_lines l
                      WHERE l.store_id = p_store AND l.invoice_id = p_id),
             sent AS (SELECT s.product_id, s.quantity, s.unit_price
                      FROM jsonb_populate_recordset(NULL::ibex.invoice_lines, v_rows -> 'invoice_lines') s)
        (SELECT * FROM kept EXCEPT ALL SELECT * FROM sent) UNION ALL (SELECT * FROM sent EXCEPT ALL SELECT * FROM kept)
      );
  END IF;
  RETURN jsonb_build_object('result', CASE WHEN v_same THEN 'exists' ELSE 'conflict' END, 'number', v_known.number,
                            'total', v_known.total::text, 'oversold', v_known.oversold);
END $$;
"""

POST_BATCH = """
-- p_batch: store_id, at, key, products, customers, shifts, items ({id, fingerprint}). p_heads and p_rows are what
-- ibex.post takes, for each item; NULL for one that is only to be looked for. Returns an array of one object for each:
-- result 'created', 'exists', 'conflict', 'refused' (with state, detail, constraint) or 'missing'.
CREATE FUNCTION ibex.post_batch(p_batch jsonb, p_heads text[], p_rows text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  v_store uuid := (p_batch ->> 'store_id')::uuid;
  v_at timestamptz := (p_batch ->> 'at')::timestamptz;
  v_key text := p_batch ->> 'key';
  v_results jsonb[] := '{}';
  v_item jsonb;
  v_id uuid;
  v_fingerprint bytea;
  v_result jsonb;
  v_posted jsonb;
  v_state text;
  v_detail text;
  v_constraint text;
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
  PERFORM 1 FROM ibex.products p WHERE p.store_id = v_store
    AND p.id IN (SELECT x::uuid FROM jsonb_array_elements_text(p_batch -> 'products') x) ORDER BY p.id FOR NO KEY UPDATE;
  PERFORM 1 FROM ibex.customers c WHERE c.store_id = v_store
    AND c.id IN (SELECT x::uuid FROM jsonb_array_elements_text(p_batch -> 'customers') x) ORDER BY c.id FOR NO KEY UPDATE;
  PERFORM 1 FROM ibex.shifts s WHERE s.store_id = v_store
    AND s.id IN (SELECT x::uuid FROM jsonb_array_elements_text(p_batch -> 'shifts') x) ORDER BY s.id FOR SHARE;

  FOR n IN 1 .. jsonb_array_length(p_batch -> 'items') LOOP
    v_item := p_batch -> 'items' -> (n - 1);
    v_id := (v_item ->> 'id')::uuid;
    v_fingerprint := decode(v_item ->> 'fingerprint', 'hex');
    v_result := ibex.known_sale(v_store, v_id, v_fingerprint, p_rows[n]);
    IF v_result IS NULL AND p_heads[n] IS NULL THEN
      v_result := '{"result": "missing"}';
    ELSIF v_result IS NULL THEN
      BEGIN
        v_posted := ibex.post(p_heads[n]::jsonb, p_rows[n]);
        INSERT INTO ibex.sale_fingerprints (store_id, invoice_id, fingerprint, recorded_at)
          VALUES (v_store, v_id, v_fingerprint, v_at);
        v_result := jsonb_build_object('result', 'created', 'numbers', v_posted -> 'numbers', 'oversold',
          EXISTS (SELECT 1 FROM jsonb_array_elements(v_posted -> 'moved') m WHERE (m ->> 'oversold')::boolean));
      EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE, v_detail = PG_EXCEPTION_DETAIL,
          v_constraint = CONSTRAINT_NAME;
        IF v_state NOT LIKE 'IB%' AND v_state NOT LIKE '23%' THEN
          RAISE;
        END IF;
        -- Another posting has just recorded it: now it can be seen.
        IF v_constraint = 'invoices_pk' THEN
          v_result := ibex.known_sale(v_store, v_id, v_fingerprint, p_rows[n]);
        END IF;
        v_result := coalesce(v_result, jsonb_build_object('result', 'refused', 'state', v_state, 'detail', v_detail,
                                                          'constraint', v_constraint));
      END;
    END IF;
    v_results := v_results || v_result;
  END LOOP;
  RETURN to_jsonb(v_results);
END $$;

-- Keeps the answer to a batch: made by the caller from the results, in the same transaction.
CREATE FUNCTION ibex.keep_answer(p_store uuid, p_key text, p_fingerprint bytea, p_status smallint, p_body text,
  p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ibex.idempotency_keys AS k (store_id, key, fingerprint, status, body, created_at)
    VALUES (p_store, p_key, p_fingerprint, p_status, p_body, p_at)
    ON CONFLICT (store_id, key) DO UPDATE
      SET fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
          created_at = excluded.created_at
      WHERE k.created_at <= p_at - interval '24 hours';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'key exists' USING ERRCODE = 'IB005', DETAIL = '{}';
  END IF;
END $$;
"""

DOWNGRADE = """
DROP FUNCTION ibex.keep_answer(uuid, text, bytea, smallint, text, timestamptz);
DROP FUNCTION ibex.post_batch(jsonb, text[], text[]);
DROP FUNCTION ibex.known_sale(uuid, uuid, bytea, text);
DROP TABLE ibex.sale_fingerprints;
"""


def upgrade() -> None:
    op.execute(FINGERPRINTS)
    op.execute(KNOWN)
    op.execute(POST_BATCH)


def downgrade() -> None:
    op.execute(DOWNGRADE)
