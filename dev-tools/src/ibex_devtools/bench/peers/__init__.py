"""Two services that a shop's developer would otherwise write, for the same sale, plainly and fairly.

Both price a sale from the catalogue, guard the stock, write invoice, lines, payment, stock movements and ledger entries
in one transaction, and read an invoice back with its lines. Both have uvloop, httptools, TLS to the database, a pool
as large as IBEX's, prepared statements, no pre-ping and no access log.

What they leave out, in their favour: tokens and permissions, tenants, idempotency keys, numbers without gaps, audit,
events, credit limits, discounts, tax summaries, several tenders, shifts, request ids, rate limits, deadlines, the
rules that the database itself enforces (append-only history, sums of lines, foreign keys to operators and stores).
"""
