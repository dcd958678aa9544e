"""Reading the file: rows as they are, in exact numbers."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from ibex_devtools.load.api import LoadError

COLUMNS: Final = (
    "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country",
)  # fmt: skip
RETURN_MARK: Final = "C"
_GZIP: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the file. Numbers of invoices are text: some begin with a letter."""

    line: int
    invoice_no: str
    stock_code: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    moment: str
    customer_no: str
    country: str

    @property
    def is_return(self) -> bool:
        """Whether it gives goods back: its number begins with C."""
        return self.invoice_no.startswith(RETURN_MARK)

    @property
    def is_credit(self) -> bool:
        """Whether goods came back for a price."""
        return self.is_return and self.quantity < 0 and self.unit_price > 0

    @property
    def is_sale(self) -> bool:
        """Whether goods were sold for a price; the rest are returns, losses, gifts and corrections."""
        return not self.is_return and self.quantity > 0 and self.unit_price > 0


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a .csv or .csv.gz. Raises LoadError naming the line that cannot be read."""
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise LoadError(f"{path} lacks the columns {', '.join(missing)}.")
    for values in reader:
        try:
            yield Row(
                line=reader.line_num,
                invoice_no=values["InvoiceNo"].strip(),
                stock_code=_clean(values["StockCode"]),
                description=_clean(values["Description"]),
                quantity=Decimal(values["Quantity"].strip()),
                unit_price=Decimal(values["UnitPrice"].strip()),
                moment=_clean(values["InvoiceDate"]),
                customer_no=_clean(values["CustomerID"]).removesuffix(".0"),
                country=_clean(values["Country"]),
            )
        except (InvalidOperation, AttributeError):
            raise LoadError(f"{path}, line {reader.line_num}: this is no row of that format.") from None


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP):
            raw = gzip.decompress(raw)
    except OSError as error:
        raise LoadError(f"{path} cannot be read: {error.strerror or error}.") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # as the data set was published first


def _clean(text: str) -> str:
    """Without control characters, and with single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
