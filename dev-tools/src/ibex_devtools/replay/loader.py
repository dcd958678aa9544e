"""The month, sold through the API: catalogue, customers, sales, payments, returns."""

from __future__ import annotations

import uuid
from collections import defaultdict
from decimal import Decimal
from typing import Final

from ibex_devtools.load.api import Json, LoadError, Till
from ibex_devtools.replay.ledger_book import Book, Item, Sale, line_total
from ibex_devtools.replay.returns import Note

_MAX_NAME: Final = 200
_IDS: Final = uuid.UUID("0190b6e4-5c11-7d2e-9b1a-6f1d7a1c0de5")


class Loader:
    """Sells a book. Ids follow from the store and the file's own numbers, so that a run cannot sell twice."""

    def __init__(self, till: Till, store_id: str) -> None:
        self._till = till
        self._store_id = store_id

    def id_of(self, kind: str, number: str) -> str:
        """The id of a thing of the file in this store."""
        return str(uuid.uuid5(_IDS, f"{self._store_id}/{kind}/{number}"))

    async def load(self, book: Book) -> None:
        """All of it. Raises LoadError for the first thing that is refused."""
        await self._till.each("products", book.items.values(), self._add_product)
        await self._till.each("customers", book.customers, self._add_customer)
        await self._till.each("sales", book.sales, lambda sale: self._sell(sale, book))
        owed = [sale for sale in book.sales if sale.payment]
        await self._till.each("payments", owed, self._pay)
        # Those of one invoice one after the other: how much lowers the debt depends on what came before.
        by_sale: dict[str, list[Note]] = defaultdict(list)
        for note in book.notes:
            by_sale[note.key if note.sale is None else note.sale.number].append(note)
        await self._till.each("returns", by_sale.values(), self._take_back)

    async def _add_product(self, item: Item) -> None:
        product_id = self.id_of("product", item.sku)
        body = {
            "id": product_id,
            "sku": item.sku,
            "name": item.name[:_MAX_NAME].strip(),
            "unit_price": plain(item.price),
            "stock": plain(item.opening_stock),
        }
        await self._till.post("/v1/products", body, key=product_id)

    async def _add_customer(self, number: str) -> None:
        customer_id = self.id_of("customer", number)
        body = {"id": customer_id, "name": f"Customer {number}"}
        await self._till.post("/v1/customers", body, key=customer_id)

    async def _sell(self, sale: Sale, book: Book) -> None:
        sale_id = self.id_of("sale", sale.number)
        lines: list[Json] = []
        for row in sale.rows:
            line = {"sku": row.stock_code, "quantity": plain(row.quantity)}
            if row.unit_price != book.items[row.stock_code].price:
                line["unit_price"] = plain(row.unit_price)
            lines.append(line)
        body: Json = {"id": sale_id, "lines": lines, "note": sale.note, "payment_method": "CASH"}
        if sale.on_credit:
            body |= {"payment_method": "CREDIT", "customer_id": self.id_of("customer", sale.customer_no)}
        invoice = await self._till.post("/v1/sales", body, key=sale_id)
        must_be_this_sale(invoice, sale)

    async def _pay(self, sale: Sale) -> None:
        sale_id = self.id_of("sale", sale.number)
        body = {"payment_method": "TRANSFER", "amount": plain(sale.payment)}
        invoice = await self._till.post(f"/v1/invoices/{sale_id}/payments", body, key=f"{sale_id}-payment")
        if Decimal(invoice["outstanding"]) != sale.total - sale.payment:
            raise LoadError(f"Invoice {sale.number}: {invoice['outstanding']} left after {sale.payment} was paid.")

    async def _take_back(self, notes: list[Note]) -> None:
        for note in notes:
            note_id = self.id_of("credit note", note.key)
            body: Json = {"id": note_id, "reason": f"Return {note.key}", "refund_method": note.method}
            if note.sale is None:
                path = "/v1/credit-notes"
                body["lines"] = [
                    {
                        "sku": part.row.stock_code,
                        "quantity": plain(-part.row.quantity),
                        "unit_price": plain(part.row.unit_price),
                        "disposition": "WRITTEN_OFF",
                    }
                    for part in note.parts
                ]
                if note.customer_no:
                    body["customer_id"] = self.id_of("customer", note.customer_no)
            else:
                path = f"/v1/invoices/{self.id_of('sale', note.sale.number)}/credit-notes"
                body["lines"] = [
                    {"line_no": part.line_no, "quantity": plain(-part.row.quantity)} for part in note.parts
                ]
            must_be_this_note(await self._till.post(path, body, key=note_id), note)


def must_be_this_note(made: Json, note: Note) -> None:
    """Raises LoadError unless the answer credits and gives back what the file says, to the cent."""
    told = (Decimal(made["total"]), Decimal(made["refunded"]))
    if told != (note.total, note.refund):
        raise LoadError(f"Return {note.key}: {note.total} and {note.refund} in the file, {told} in the shop.")
    for part, line in zip(note.parts, made["lines"], strict=True):
        if Decimal(line["total"]) != part.amount:
            raise LoadError(f"Return {note.key}, line {part.row.line} of the file: the shop says {line['total']}.")


def must_be_this_sale(invoice: Json, sale: Sale) -> None:
    """Raises LoadError unless the answer holds the sale's lines and total, to the cent."""
    if Decimal(invoice["total"]) != sale.total:
        raise LoadError(f"Invoice {sale.number}: {sale.total} in the file, {invoice['total']} in the shop.")
    for row, line in zip(sale.rows, invoice["lines"], strict=True):
        told = (line["sku"], Decimal(line["quantity"]), Decimal(line["total"]))
        if told != (row.stock_code, row.quantity, line_total(row)):
            raise LoadError(f"Invoice {sale.number}, line {row.line} of the file: the shop says {told}.")


def plain(number: Decimal) -> str:
    """Without an exponent and without trailing zeros that say nothing: 6.0 -> 6, 2.550 -> 2.55."""
    return f"{number.normalize():f}"
