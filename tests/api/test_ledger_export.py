"""The ledger as a file: whole, in the order of its entries, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import uuid
from decimal import Decimal

import pytest

from ibex.entrypoints.http.csv_cells import safe_cell
from tests.api.client import Json, Shop

CSV, LINES = {"accept": "text/csv"}, {"accept": "application/x-ndjson"}
NOTES = (
    "plain",
    '=HYPERLINK("http://evil","x")',
    "+1-2",
    "-12.50",
    "-12.50 and more",
    "@sum",
    "\tcell",
    'a "quoted", word',
    "two\nlines",
    "-",
    "-.5",
    "",
)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def _with_notes(shop: Shop) -> None:
    """Entries with notes that only a spreadsheet minds; the note of an entry comes from an opening balance."""
    for note in NOTES:
        customer = await shop.make_customer()
        body: Json = {"amount": "10.00", "date": "2020-01-01", "note": note}
        await shop.service.database.write(
            "SELECT ibex.post($1::jsonb, $2::text)",
            *_posting(shop, customer, body),
            repeatable=False,
        )


def _posting(shop: Shop, customer: Json, body: Json) -> tuple[str, str]:
    head = {
        "store_id": str(shop.store_id),
        "operator_id": str(shop.owner_id),
        "at": "2026-01-01T00:00:00Z",
        "count": {"ledger": 1},
        "numbers": [],
        "balances": [{"customer_id": customer["id"], "delta": body["amount"], "account_credit": "0"}],
    }
    entry = {
        "seq": 1,
        "id": str(uuid.uuid4()),
        "type": "OPENING",
        "debit": body["amount"],
        "credit": "0",
        "currency": "EUR",
        "customer_id": customer["id"],
        "note": body["note"],
        "business_date": body["date"],
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    return json.dumps(head), json.dumps({"ledger_entries": [entry]})


async def test_the_file_holds_what_the_pages_hold(shop: Shop) -> None:
    product, customer = await shop.make_product(), await shop.make_customer()
    await shop.sell([(product, "2")])
    await shop.sell([(product, "1")], method="CREDIT", customer_id=customer["id"])

    answer = await shop.api.request("GET", "/v1/ledger", headers=CSV)
    entries = await shop.ledger()

    assert answer.status_code == 200, answer.text
    assert answer.text.endswith("\r\n")
    rows = rows_of(answer.text)
    assert [list(row) for row in rows[:1]] == [list(entries[0])]
    assert len(rows) == len(entries) == 3
    for row, entry in zip(rows, entries, strict=True):
        for name, value in entry.items():
            if name in ("occurred_at", "recorded_at"):
                assert row[name].endswith("Z")
                assert row[name][:19] == value[:19]
            else:
                assert row[name] == ("" if value is None else str(value)), name


async def test_a_note_cannot_be_a_formula(shop: Shop) -> None:
    await _with_notes(shop)

    rows = rows_of((await shop.api.request("GET", "/v1/ledger", headers=CSV)).text)

    # The database makes the cells, by the same rule as the edge makes those of other exports.
    assert [row["note"] for row in rows] == [safe_cell(note) for note in NOTES]
    assert all(Decimal(row["debit"]) == 10 for row in rows)


@pytest.mark.parametrize("headers", [CSV, LINES])
async def test_filters_hold_for_the_file_too(shop: Shop, headers: dict[str, str]) -> None:
    product = await shop.make_product()
    await shop.sell(product)

    answer = await shop.api.request("GET", "/v1/ledger", headers=headers, params={"type": "RECEIPT"})
    empty = await shop.api.request("GET", "/v1/ledger", headers=headers, params={"to": "2001-01-01"})

    header = 1 if headers is CSV else 0
    assert len(answer.text.splitlines()) == header + 1
    assert "RECEIPT" in answer.text
    assert len(empty.text.splitlines()) == header
