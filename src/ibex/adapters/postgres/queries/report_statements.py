"""The statements of the reports. Each reads sums by day (docs/decisions/0011) and what came after them, in one
snapshot, so that its cost follows the days asked for and not the length of the books.

Parameters: $1 the store, $2 and $3 the first and the last day.
"""

from __future__ import annotations

from typing import Final

_DOCUMENT_SUMS: Final = """
coalesce(sum(d.sales_count), 0)::bigint AS sales_count, coalesce(sum(d.sales), 0) AS sales,
coalesce(sum(d.sales_tax), 0) AS sales_tax, coalesce(sum(d.sales_rounding), 0) AS sales_rounding,
coalesce(sum(d.discounts), 0) AS discounts, coalesce(sum(d.returns_count), 0)::bigint AS returns_count,
coalesce(sum(d.returns), 0) AS returns, coalesce(sum(d.returns_tax), 0) AS returns_tax,
coalesce(sum(d.returns_rounding), 0) AS returns_rounding
"""
_LINE_SUMS: Final = """
0::bigint AS sales_count, coalesce(sum(d.sold_net + d.sold_tax), 0) AS sales,
coalesce(sum(d.sold_tax), 0) AS sales_tax, 0::numeric AS sales_rounding, coalesce(sum(d.discounts), 0) AS discounts,
0::bigint AS returns_count, coalesce(sum(d.returned_net + d.returned_tax), 0) AS returns,
coalesce(sum(d.returned_tax), 0) AS returns_tax, 0::numeric AS returns_rounding,
coalesce(sum(d.sold_quantity), 0) AS quantity_sold, coalesce(sum(d.returned_quantity), 0) AS quantity_returned
"""
_HOURS: Final = "ibex.sales_of_hours($1, $2, $3) d"
_CUSTOMERS: Final = "ibex.sales_of_customers($1, $2, $3) d"
_PRODUCTS: Final = "ibex.sales_of_products($1, $2, $3) d"
_TOTALS: Final = f"SELECT {_DOCUMENT_SUMS} FROM {_HOURS}"


def _by_document(source: str, key: str, label: str, join: str, order: str) -> str:
    """Rows of documents, and their whole (``whole``)."""
    return f"""
    SELECT g.whole, g.key::text, {label} AS label, g.sales_count, g.sales, g.sales_tax, g.sales_rounding, g.discounts,
      g.returns_count, g.returns, g.returns_tax, g.returns_rounding
    FROM (SELECT grouping({key}) = 1 AS whole, {key} AS key, {_DOCUMENT_SUMS} FROM {source}
          GROUP BY GROUPING SETS (({key}), ())) g
    {join} ORDER BY g.whole DESC, {order} LIMIT $4
    """


def _by_line(key: str, label: str, sku: str, join: str) -> str:
    """Rows of lines; the whole is the documents', so that it holds the cash rounding too."""
    return f"""
    WITH p AS MATERIALIZED (
      SELECT d.product_id, {_LINE_SUMS} FROM {_PRODUCTS} GROUP BY d.product_id
    ), r AS (
      SELECT false AS whole, {key}::text AS key, {label} AS label, {sku} AS sku,
        sum(p.sales_count)::bigint AS sales_count,
        sum(p.sales) AS sales, sum(p.sales_tax) AS sales_tax, sum(p.sales_rounding) AS sales_rounding,
        sum(p.discounts) AS discounts, sum(p.returns_count)::bigint AS returns_count, sum(p.returns) AS returns,
        sum(p.returns_tax) AS returns_tax, sum(p.returns_rounding) AS returns_rounding,
        sum(p.quantity_sold) AS quantity_sold, sum(p.quantity_returned) AS quantity_returned
      FROM p JOIN ibex.products x ON x.store_id = $1 AND x.id = p.product_id {join} GROUP BY {key}, {label}
      ORDER BY sum(p.sales - p.returns) DESC, {key} LIMIT $4
    )
    SELECT true AS whole, NULL AS key, '' AS label, NULL::text AS sku, t.*,
      (SELECT coalesce(sum(p.quantity_sold), 0) FROM p) AS quantity_sold,
      (SELECT coalesce(sum(p.quantity_returned), 0) FROM p) AS quantity_returned
    FROM ({_TOTALS}) t
    UNION ALL SELECT * FROM r
    """


_CATEGORY: Final = "LEFT JOIN ibex.categories c ON c.store_id = $1 AND c.id = x.category_id"
SALES: Final[dict[str, str]] = {
    "day": _by_document(_HOURS, "d.business_date", "coalesce(g.key::text, '')", "", "g.key"),
    "hour": _by_document(_HOURS, "d.hour", "coalesce(lpad(g.key::text, 2, '0') || ':00', '')", "", "g.key"),
    "operator": _by_document(
        _HOURS,
        "d.operator_id",
        "coalesce(o.name, '')",
        "LEFT JOIN ibex.operators o ON o.store_id = $1 AND o.id = g.key",
        "g.sales - g.returns DESC, g.key",
    ),
    "customer": _by_document(
        _CUSTOMERS,
        "d.customer_id",
        "coalesce(c.name, '')",
        "LEFT JOIN ibex.customers c ON c.store_id = $1 AND c.id = g.key",
        "g.sales - g.returns DESC, g.key",
    ),
    "product": _by_line("x.id", "x.name", "min(x.sku)", ""),
    "category": _by_line("x.category_id", "coalesce(c.name, '')", "NULL::text", _CATEGORY),
}
MONEY: Final = """
SELECT grouping(d.method) = 1 AS whole, coalesce(d.method, '') AS method,
  coalesce(sum(d.receipts_count), 0)::bigint AS receipts_count, coalesce(sum(d.receipts), 0) AS receipts,
  coalesce(sum(d.refunds_count), 0)::bigint AS refunds_count, coalesce(sum(d.refunds), 0) AS refunds
FROM ibex.money_of_methods($1, $2, $3) d GROUP BY GROUPING SETS ((d.method), ()) ORDER BY 1 DESC, d.method
"""
TAX: Final = f"""
SELECT true AS whole, NULL::numeric AS tax_rate, 0::numeric AS sales_net, 0::numeric AS net_tax,
  0::numeric AS returns_net, 0::numeric AS returned_tax, t.* FROM ({_TOTALS}) t
UNION ALL
SELECT false, r.*, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM (
  SELECT d.tax_rate, sum(d.sold_net), sum(d.sold_tax), sum(d.returned_net), sum(d.returned_tax)
  FROM {_PRODUCTS} GROUP BY d.tax_rate ORDER BY d.tax_rate DESC
) r
"""
_MARGIN_SUMS: Final = """
coalesce(sum(d.sold_quantity - d.returned_quantity), 0) AS quantity,
coalesce(sum(d.sold_net - d.returned_net), 0) AS revenue,
coalesce(sum(d.sold_net_costed - d.returned_net_costed), 0) AS revenue_costed,
coalesce(sum(d.sold_cost - d.returned_cost), 0) AS cost
"""


def margins(key: str, label: str, sku: str, join: str, order: str) -> str:
    """Margins of lines by ``key``, best first, and their whole."""
    inner = "d.business_date" if key == "p.business_date" else "d.product_id"
    return f"""
    WITH p AS MATERIALIZED (SELECT {inner}, {_MARGIN_SUMS} FROM {_PRODUCTS} GROUP BY {inner}),
    r AS (
      SELECT false AS whole, {key}::text AS key, {label} AS label, {sku} AS sku, sum(p.quantity) AS quantity,
        sum(p.revenue) AS revenue, sum(p.revenue_costed) AS revenue_costed, sum(p.cost) AS cost
      FROM p {join} GROUP BY {key}, {label} ORDER BY {order}, {key} LIMIT $4
    )
    SELECT true AS whole, NULL AS key, '' AS label, NULL::text AS sku, coalesce(sum(p.quantity), 0) AS quantity,
      coalesce(sum(p.revenue), 0) AS revenue, coalesce(sum(p.revenue_costed), 0) AS revenue_costed,
      coalesce(sum(p.cost), 0) AS cost FROM p
    UNION ALL SELECT * FROM r
    """


_OF_PRODUCT: Final = "JOIN ibex.products x ON x.store_id = $1 AND x.id = p.product_id"
_BY_MARGIN: Final = "sum(p.revenue_costed - p.cost) DESC"
MARGINS: Final[dict[str, str]] = {
    "product": margins("x.id", "x.name", "min(x.sku)", _OF_PRODUCT, _BY_MARGIN),
    "category": margins(
        "x.category_id", "coalesce(c.name, '')", "NULL::text", f"{_OF_PRODUCT} {_CATEGORY}", _BY_MARGIN
    ),
    "day": margins("p.business_date", "p.business_date::text", "NULL::text", "", "p.business_date"),
}
TOP: Final[dict[str, str]] = {
    "net": margins("x.id", "x.name", "min(x.sku)", _OF_PRODUCT, "sum(p.revenue) DESC"),
    "quantity": margins("x.id", "x.name", "min(x.sku)", _OF_PRODUCT, "sum(p.quantity) DESC"),
    "margin": MARGINS["product"],
}
SLOW: Final = f"""
WITH p AS MATERIALIZED (
  SELECT d.product_id, sum(d.sold_quantity - d.returned_quantity) AS quantity FROM {_PRODUCTS} GROUP BY d.product_id
), s AS (
  SELECT x.id, x.sku, x.name, x.stock, round(x.stock * x.cost_price, $5::integer) AS stock_value,
    coalesce(p.quantity, 0) AS quantity_sold
  FROM ibex.products x LEFT JOIN p ON p.product_id = x.id
  WHERE x.store_id = $1 AND x.active AND x.track_stock AND x.stock > 0
  ORDER BY coalesce(p.quantity, 0), x.stock * coalesce(x.cost_price, 0) DESC, x.id LIMIT $4
)
SELECT s.id AS product_id, s.sku, s.name, s.stock, s.stock_value, s.quantity_sold, l.occurred_at AS last_sold_at
FROM s LEFT JOIN LATERAL (
  SELECT m.occurred_at FROM ibex.stock_movements m
  WHERE m.store_id = $1 AND m.product_id = s.id AND m.kind = 'SOLD' ORDER BY m.seq DESC LIMIT 1
) l ON true
ORDER BY s.quantity_sold, s.stock_value DESC NULLS LAST, s.id
"""
# What is oversold is worth nothing rather than less than nothing: a count will tell what there is.
VALUATION: Final = """
SELECT grouping(x.category_id, c.name) > 0 AS whole, x.category_id, coalesce(c.name, '') AS category,
  count(x.id) AS products, coalesce(sum(greatest(x.stock, 0)), 0) AS quantity,
  coalesce(sum(round(greatest(x.stock, 0) * x.cost_price, $2::integer)), 0) AS value,
  coalesce(sum(round(greatest(x.stock, 0) * x.unit_price, $2::integer)), 0) AS retail_value,
  count(x.id) FILTER (WHERE x.cost_price IS NULL) AS uncosted_products,
  count(x.id) FILTER (WHERE x.oversold) AS oversold_products
FROM ibex.products x LEFT JOIN ibex.categories c ON c.store_id = x.store_id AND c.id = x.category_id
WHERE x.store_id = $1 AND x.track_stock AND x.stock <> 0
GROUP BY GROUPING SETS ((x.category_id, c.name), ()) ORDER BY 1 DESC, c.name NULLS LAST
"""
RECEIVABLES: Final = """
SELECT b.*, i.*, d.id AS customer_id, d.name, d.balance, d.credit
FROM (SELECT count(*) FILTER (WHERE c.balance > 0) AS customers,
        coalesce(sum(c.balance) FILTER (WHERE c.balance > 0), 0) AS owed,
        coalesce(-sum(c.balance) FILTER (WHERE c.balance < 0), 0) AS owing,
        coalesce(sum(c.account_credit), 0) AS account_credit
      FROM ibex.customers c WHERE c.store_id = $1) b
CROSS JOIN (SELECT count(*) AS unpaid_invoices, coalesce(sum(x.total - x.paid - x.credited), 0) AS unpaid,
        count(*) FILTER (WHERE x.due_date < $2) AS overdue_invoices,
        coalesce(sum(x.total - x.paid - x.credited) FILTER (WHERE x.due_date < $2), 0) AS overdue
      FROM ibex.invoices x WHERE x.store_id = $1 AND x.status = 'UNPAID') i
LEFT JOIN LATERAL (
  SELECT c.id, c.name, c.balance, c.account_credit AS credit FROM ibex.customers c
  WHERE c.store_id = $1 AND c.balance <> 0 ORDER BY c.balance DESC, c.id LIMIT $3
) d ON true
ORDER BY d.balance DESC, d.id
"""
