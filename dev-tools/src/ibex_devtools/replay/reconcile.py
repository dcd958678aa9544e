"""What the shop says afterwards, next to what the file says."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from ibex_devtools.load.api import Till
from ibex_devtools.load.comparison import Comparison
from ibex_devtools.replay.ledger_book import SPARE_STOCK, Book
from ibex_devtools.replay.loader import Loader

ZERO = Decimal(0)


async def reconcile(till: Till, loader: Loader, book: Book) -> Comparison:
    """Invoices, ledger, stock and customers' balances and statements; all of them, to the cent."""
    found = Comparison()
    await _invoices(till, loader, book, found)
    await _credit_notes(till, loader, book, found)
    await _ledger(till, loader, book, found)
    await _stock(till, book, found)
    await _customers(till, loader, book, found)
    return found


async def _invoices(till: Till, loader: Loader, book: Book, found: Comparison) -> None:
    invoices = {invoice["id"]: invoice async for invoice in till.pages("/v1/invoices")}
    found.add("invoices", len(book.sales), len(invoices))
    found.add("lines", book.line_count, sum(i["line_count"] for i in invoices.values()))
    found.add("total", book.total, sum((Decimal(i["total"]) for i in invoices.values()), ZERO))
    numbers = sorted(i["number"] for i in invoices.values())
    found.require(list(range(1, len(invoices) + 1)), numbers, "numbers of invoices, without a gap")
    for sale in book.sales:
        invoice = invoices.get(loader.id_of("sale", sale.number))
        if invoice is None:
            found.require("an invoice", "none", f"invoice {sale.number}")
            continue
        paid = sale.paid - sale.refunded
        told = (*(Decimal(invoice[name]) for name in ("total", "paid", "credited")), invoice["status"])
        status = "PAID" if paid + sale.credited == sale.total else "UNPAID"
        found.require((sale.total, paid, sale.credited, status), told, f"invoice {sale.number}")
        found.require(len(sale.rows), invoice["line_count"], f"lines of invoice {sale.number}")


async def _credit_notes(till: Till, loader: Loader, book: Book, found: Comparison) -> None:
    notes = {note["id"]: note async for note in till.pages("/v1/credit-notes")}
    linked = [note for note in book.notes if note.sale is not None]
    found.add("credit notes", len(book.notes), len(notes))
    found.add("of them for an invoice", len(linked), sum(1 for n in notes.values() if n["invoice_id"] is not None))
    found.add(
        "lines that came back", sum(len(n.parts) for n in book.notes), sum(n["line_count"] for n in notes.values())
    )
    credited = sum((Decimal(n["total"]) for n in notes.values()), ZERO)
    found.add("credited", book.credited, credited)
    invoices = [i async for i in till.pages("/v1/invoices")]
    found.add("net", book.total - book.credited, sum((Decimal(i["total"]) for i in invoices), ZERO) - credited)
    numbers = sorted(n["number"] for n in notes.values())
    found.require(list(range(1, len(notes) + 1)), numbers, "numbers of credit notes, without a gap")
    for note in book.notes:
        told = notes.get(loader.id_of("credit note", note.key))
        sale_id = None if note.sale is None else loader.id_of("sale", note.sale.number)
        known = None if told is None else (Decimal(told["total"]), Decimal(told["refunded"]), told["invoice_id"])
        found.require((note.total, note.refund, sale_id), known, f"credit note {note.key}")


async def _ledger(till: Till, loader: Loader, book: Book, found: Comparison) -> None:
    sides: dict[str, Decimal] = defaultdict(Decimal)
    owed: dict[str | None, Decimal] = defaultdict(Decimal)
    last, count = 0, 0
    async for entry in till.lines("/v1/ledger"):
        count += 1
        found.require(last + 1, entry["seq"], "sequence of the ledger")
        last = entry["seq"]
        debit, credit = Decimal(entry["debit"]), Decimal(entry["credit"])
        sides[entry["type"]] += debit + credit
        owed[entry["customer_id"]] += debit - credit
    receipts = sum(1 for sale in book.sales if not sale.on_credit and sale.total) + sum(
        1 for sale in book.sales if sale.payment
    )
    refunds = sum(1 for note in book.notes if note.refund_in_money)
    found.add("ledger entries", len(book.sales) + receipts + len(book.notes) + refunds, count)
    found.add("SALE", book.total, sides["SALE"])
    found.add("RECEIPT", book.in_cash + book.settled, sides["RECEIPT"])
    found.add("CREDIT_NOTE", book.credited, sides["CREDIT_NOTE"])
    found.add("REFUND", book.paid_out, sides["REFUND"])
    found.require(ZERO, owed[None], "what nobody owes")
    for number, balance in book.balances().items():
        found.require(balance, owed[loader.id_of("customer", number)], f"ledger of customer {number}")


async def _stock(till: Till, book: Book, found: Comparison) -> None:
    stock = {product["sku"]: Decimal(product["stock"]) async for product in till.pages("/v1/products")}
    found.add("products", len(book.items), len(stock))
    sold = sum((item.sold for item in book.items.values()), ZERO)
    left = sum(stock.values(), ZERO)
    opening = sum((item.opening_stock for item in book.items.values()), ZERO)
    expected = book.stock()
    back = sum(expected.values(), ZERO) - SPARE_STOCK * len(book.items)
    found.add("units sold, less those back", sold - back, opening - left)
    for sku, units in expected.items():
        found.require(units, stock.get(sku), f"stock of {sku}")


async def _customers(till: Till, loader: Loader, book: Book, found: Comparison) -> None:
    owed = book.balances()
    balances = {c["id"]: Decimal(c["balance"]) async for c in till.pages("/v1/customers")}
    found.add("customers", len(book.customers), len(balances))
    found.add("owed", sum(owed.values(), ZERO), sum(balances.values(), ZERO))
    bought: dict[str, Decimal] = defaultdict(Decimal)
    for sale in book.sales:
        bought[sale.customer_no] += sale.total
    for note in book.notes:
        bought[note.customer_no] += note.refund_in_money

    async def check(number: str) -> None:
        customer_id = loader.id_of("customer", number)
        found.require(owed[number], balances.get(customer_id), f"balance of customer {number}")
        statement = await till.get(f"/v1/customers/{customer_id}/statement", limit=1)
        told = (Decimal(statement["debits"]), Decimal(statement["closing_balance"]))
        found.require((bought[number], owed[number]), told, f"statement of customer {number}")

    await till.each("statements", book.customers, check)
