"""What the replay reads out of a file, before anything is sold."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from ibex_devtools.load.api import LoadError
from ibex_devtools.replay.ledger_book import Book, make_book
from ibex_devtools.replay.rows import read_rows

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def book_of(tmp_path: Path, *rows: str, header: str = HEADER) -> Book:
    path = tmp_path / "month.csv"
    path.write_text("\n".join([header, *rows]))
    return make_book(read_rows(path))


def row(invoice: str = "1", code: str = "A", quantity: str = "1", price: str = "1.00", customer: str = "") -> str:
    return f"{invoice},{code},THING,{quantity},2010-12-01 08:26:00,{price},{customer},United Kingdom"


def test_only_goods_sold_for_a_price_count(tmp_path: Path) -> None:
    book = book_of(
        tmp_path,
        row("1"),
        row("C2", quantity="-1"),
        row("C3", quantity="1"),
        row("4", quantity="-20", price="0.0"),
        row("5", price="0.0"),
        row("A6", price="-11062.06"),
        row("A7", price="11062.06"),
    )
    assert [sale.number for sale in book.sales] == ["1", "A7"]
    # C2 gives goods back, which is a matter of its own; the other four are left out.
    assert (book.total, book.skipped) == (Decimal("11063.06"), 4)


def test_lines_are_rounded_half_up_to_the_cent_one_by_one(tmp_path: Path) -> None:
    book = book_of(tmp_path, row(price="0.001"), row(price="0.005"), row(quantity="3", price="0.335"))
    assert book.total == Decimal("0.00") + Decimal("0.01") + Decimal("1.01")


def test_a_code_has_the_price_and_description_that_came_first_and_case_counts(tmp_path: Path) -> None:
    book = book_of(tmp_path, row(price="2.55", quantity="2"), row(price="3.0", quantity="4"), row(code="a"))
    assert (book.items["A"].price, int(book.items["A"].sold), int(book.items["A"].opening_stock)) == (
        Decimal("2.55"),
        6,
        16,
    )
    assert list(book.items) == ["A", "a"]


def test_whoever_is_no_customer_pays_cash_and_customers_pay_later_or_not(tmp_path: Path) -> None:
    book = book_of(tmp_path, *(row(str(n), price="1.01", customer=f"{n}.0") for n in range(1, 4)), row("4"))
    assert book.customers == ["1", "2", "3"]
    assert book.balances() == {"1": Decimal("0.00"), "2": Decimal("0.50"), "3": Decimal("1.01")}
    assert (book.in_cash, book.settled) == (Decimal("1.00"), Decimal("1.52"))


def test_a_file_may_be_packed_and_may_be_latin_1(tmp_path: Path) -> None:
    text = f"{HEADER}\n1,A,CAF\xc9 \x07  SIGN,1,2010-12-01,1.0,,France"
    for name, raw in (("a.csv", text.encode("latin-1")), ("b.csv.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(raw)
        assert make_book(read_rows(tmp_path / name)).items["A"].name == "CAF\xc9 SIGN"


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        ([row(price="0.12345")], HEADER, "Line 2: a price has at most four decimals"),
        ([row(quantity="six")], HEADER, "line 2: this is no row"),
        ([row()], HEADER.replace("UnitPrice", "Price"), "lacks the columns UnitPrice"),
        ([row(quantity="-1")], HEADER, "no sale"),
    ],
)
def test_what_cannot_be_sold_is_said(tmp_path: Path, rows: list[str], header: str, words: str) -> None:
    with pytest.raises(LoadError, match=words):
        book_of(tmp_path, *rows, header=header)
