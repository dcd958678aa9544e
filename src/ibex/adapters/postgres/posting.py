"""From a use case's changes to the two arguments of ``ibex.post``: what to check, and what to write."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from decimal import Decimal
from functools import singledispatchmethod
from itertools import groupby
from typing import Any, Final

import msgspec

from ibex.adapters.postgres.rows import (
    RECORDS,
    Row,
    changed_invoice_row,
    closing_row,
    credit_note_line_row,
    credit_note_row,
    invoice_line_row,
    invoice_row,
    ledger_row,
    line_returned_row,
    movement_rows,
    payment_row,
)
from ibex.domain.catalog.model import MovementKind, Product, StockMovement
from ibex.domain.customers.model import AccountCredit, OpeningDue
from ibex.domain.drawer.model import DrawerClosing
from ibex.domain.ledger.model import EntryType, LedgerEntry
from ibex.domain.sales.credit_notes import CreditNote, LineReturned
from ibex.domain.sales.model import Invoice, InvoiceLine
from ibex.domain.sales.receivables import Receivable
from ibex.domain.sales.tender import Payment
from ibex.domain.shared.journal import (
    Added,
    AuditEntry,
    BalanceTouch,
    Changed,
    Changes,
    Event,
    Removed,
    Reply,
    Unchanged,
)

_ENCODE = msgspec.json.Encoder(decimal_format="string").encode

LOCKED_FIRST: Final = frozenset({"products", "customers", "shifts"})
RECORDS_ONE_BY_ONE: Final = 50
"""More records than these are put together into statements that write many rows at once."""


class Posting:
    """Collects the rows of one posting."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._rows: dict[str, list[Row]] = {}
        self._guards: list[Row] = []
        self._stock: list[Row] = []
        self._balances: dict[Any, Row] = {}
        self._closing: Row | None = None
        # Bound once: each look-up of a singledispatchmethod makes a function.
        take = self.take
        for fact in changes.facts:
            take(fact)

    def head(self, reply: Reply) -> str:
        """The first argument of ``ibex.post``."""
        changes = self._changes
        head: dict[str, Any] = {
            "store_id": changes.store_id,
            "operator_id": changes.operator_id,
            "at": changes.at,
            "count": self._counts(),
            "numbers": self._numbers(),
        }
        if reply.key is not None:
            head["key"] = reply.key
            head["fingerprint"] = reply.fingerprint.hex()
            head["status"] = reply.status
        if self._guards:
            head["invoices"] = self._guards
        if locks := self._locks():
            head["locks"] = locks
        if self._stock:
            head["stock"] = self._stock
            if len({row["product_id"] for row in self._stock}) < len(self._stock):
                # Several sales: the product's row changes once for all of them.
                self._stock[0]["together"] = True
            if any("balance_at" in row or "quantity_at" in row for row in self._stock):
                head["places"] = True
        if self._balances:
            head["balances"] = list(self._balances.values())
        if changes.shift_id is not None:
            head["shift_id"] = changes.shift_id
        if self._closing is not None:
            head["close"] = self._closing
        return _ENCODE(head).decode()

    def rows(self, body: bytes | None) -> str:
        """The second argument of ``ibex.post``; ``body`` is the answer to keep."""
        rows: dict[str, Any] = dict(self._rows)
        if len(rows.get("records", ())) > RECORDS_ONE_BY_ONE:
            rows["records"] = runs_of(rows["records"])
        if body is not None:
            rows["body"] = body.decode()
        return _ENCODE(rows).decode()

    def _locks(self) -> dict[str, list[Any]]:
        # What a sale locks before the counters must be locked before them by whoever changes it, too: else the two
        # wait for each other. The database takes them in its one order.
        locks: dict[str, list[Any]] = {}
        for record in self._rows.get("records", ()):
            if record["op"] == "update" and record["t"] in LOCKED_FIRST:
                locks.setdefault(record["t"], []).append(record["id"])
        return locks

    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = Tally(counter.value for counter, _ in self._changes.numbers)
        counts["ledger"] = len(self._rows.get("ledger_entries", ()))
        counts["opening"] = len(self._rows.get("opening_stock", ()))
        counts["audit"] = len(self._rows.get("audit_entries", ()))
        counts["event"] = len(self._rows.get("events", ()))
        return counts

    def _numbers(self) -> list[tuple[str, str, int]]:
        # Each with how many of the same counter come after it: the last takes the counter's new value.
        left = Tally(counter for counter, _ in self._changes.numbers)
        numbers = []
        for counter, placeholder in self._changes.numbers:
            left[counter] -= 1
            numbers.append((counter.value, str(placeholder), left[counter]))
        return numbers

    def _put(self, section: str, row: Row) -> None:
        self._rows.setdefault(section, []).append(row)

    def _seq(self, section: str) -> int:
        return len(self._rows.get(section, ())) + 1

    def _balance(self, customer_id: Any) -> Row:
        return self._balances.setdefault(
            customer_id,
            {
                "customer_id": customer_id,
                "delta": Decimal(0),
                "account_credit": Decimal(0),
                "enforce_limit": not self._changes.may_exceed_credit_limit,
                "must_be_active": False,
            },
        )

    @singledispatchmethod
    def take(self, fact: object) -> None:
        """Takes one fact. Raises TypeError for one that the journal does not know."""
        raise TypeError(f"the journal cannot write a {type(fact).__name__}")

    @take.register
    def _(self, fact: Added) -> None:
        thing = fact.thing
        if isinstance(thing, Invoice):
            self._put("invoices", invoice_row(thing))
            for line in thing.lines:
                self._put("invoice_lines", invoice_line_row(thing.id, line))
        elif isinstance(thing, CreditNote):
            self._put("credit_notes", credit_note_row(thing) | {"shift_id": self._changes.shift_id})
            for part in thing.lines:
                self._put("credit_note_lines", credit_note_line_row(thing, part))
        elif isinstance(thing, tuple) and isinstance(thing[1], InvoiceLine):
            self._put("invoice_lines", invoice_line_row(thing[0], thing[1]))
        else:
            table, to_row = RECORDS[type(thing)]
            row = to_row(thing)
            if "id" not in row and hasattr(thing, "id"):
                row["id"] = thing.id
            if isinstance(thing, Product):
                row["stock"] = thing.stock
            self._put("records", {"t": table, "op": "insert", "row": self._stamped(row, thing, new=True)})

    @take.register
    def _(self, fact: Changed) -> None:
        thing: Any = fact.thing
        if isinstance(thing, Invoice):
            self._guards.append({"id": thing.id, "version": thing.version})
            table, row = "invoices", changed_invoice_row(thing)
        else:
            if isinstance(thing, Receivable):
                self._guards.append({"id": thing.id, "version": thing.version})
            table, to_row = RECORDS[type(thing)]
            row = self._stamped(to_row(thing), thing, new=False)
        self._put("records", {"t": table, "op": "update", "id": thing.id, "version": thing.version, "row": row})

    def _stamped(self, row: Row, thing: Any, *, new: bool) -> Row:
        if new and hasattr(thing, "created_at"):
            row["created_at"] = self._changes.at
        if hasattr(thing, "updated_at"):
            row["updated_at"] = self._changes.at
        return row

    @take.register
    def _(self, fact: Removed) -> None:
        self._put("records", {"t": fact.table, "op": "delete", "row": dict(fact.key)})

    @take.register
    def _(self, fact: Unchanged) -> None:
        self._guards.append({"id": fact.invoice_id, "version": fact.version})

    @take.register
    def _(self, fact: StockMovement) -> None:
        if fact.kind is MovementKind.OPENING:
            seq = self._seq("opening_stock")
            self._put("opening_stock", movement_rows(fact, seq)[1] | {"product_id": fact.product_id})
            return
        check, row = movement_rows(fact, self._seq("stock_movements"))
        self._stock.append(check)
        self._put("stock_movements", row)

    @take.register
    def _(self, fact: LineReturned) -> None:
        self._put("returned", line_returned_row(fact))

    @take.register
    def _(self, fact: Payment) -> None:
        self._put("payments", payment_row(fact))

    @take.register
    def _(self, fact: LedgerEntry) -> None:
        self._put("ledger_entries", ledger_row(fact, self._seq("ledger_entries")))
        if fact.customer_id is not None:
            balance = self._balance(fact.customer_id)
            balance["delta"] += fact.debit - fact.credit
            if fact.type is EntryType.SALE:
                balance["must_be_active"] = True

    @take.register
    def _(self, fact: AccountCredit) -> None:
        self._balance(fact.customer_id)["account_credit"] += fact.amount

    @take.register
    def _(self, fact: OpeningDue) -> None:
        balance = self._balance(fact.customer_id)
        balance["opening_due"] = balance.get("opening_due", Decimal(0)) + fact.amount
        if fact.expected is not None:
            balance["opening_was"] = fact.expected

    @take.register
    def _(self, fact: DrawerClosing) -> None:
        self._closing = closing_row(fact)

    @take.register
    def _(self, fact: BalanceTouch) -> None:
        balance = self._balance(fact.customer_id)
        balance["must_be_active"] = balance["must_be_active"] or fact.must_be_active

    @take.register
    def _(self, fact: AuditEntry) -> None:
        changes = self._changes
        self._put(
            "audit_entries",
            {
                "seq": self._seq("audit_entries"),
                "action": fact.action,
                "entity": fact.entity,
                "entity_id": fact.entity_id,
                "token_id": changes.token_id,
                "request_id": changes.request_id,
                "address": changes.address,
                "reason": fact.reason,
                "before": fact.before,
                "after": fact.after,
            },
        )

    @take.register
    def _(self, fact: Event) -> None:
        self._put("events", {"seq": self._seq("events"), "id": fact.id, "type": fact.type, "data": fact.data})


def runs_of(records: Sequence[Row]) -> list[Row]:
    """Neighbours that do the same to the same columns of the same table, as one record with many rows."""
    runs: list[Row] = []
    for (table, op, _), group in groupby(records, key=lambda r: (r["t"], r["op"], tuple(r["row"]))):
        if op == "update":
            rows = [{"id": r["id"], "version": r["version"], "changed": r["row"]} for r in group]
        else:
            rows = [r["row"] for r in group]
        runs.append({"t": table, "op": op, "rows": rows})
    return runs
