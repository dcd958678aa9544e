"""The cells of a table of products: from text to values, and what is wrong with them, row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.money import Currency, percent, stock_level, unit_price
from ibex.domain.shared.text import label

MAX_ROWS: Final = 10_000
BARCODE_SEPARATOR: Final = "|"
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,10})?\Z")
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """A row as text, by column. ``number`` is the row of the spreadsheet: the first after the header is 2."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """What is wrong with one cell, or (without a column) with the row."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is read. An empty cell clears a ``clearable`` field and leaves any other as it is."""

    read: Callable[[str, Currency], Any]
    clearable: bool = False
    empty: Any = None


def join_barcodes(codes: Iterable[str]) -> str:
    """Barcodes as one cell: separated by ``|``; a backslash stands before a ``|`` or ``\\`` that is a code's own."""
    return BARCODE_SEPARATOR.join(re.sub(r"([|\\])", r"\\\1", code) for code in codes)


def split_barcodes(cell: str) -> tuple[str, ...]:
    """The codes of a cell that `join_barcodes` (or a person) wrote; spaces around them are dropped."""
    parts = re.findall(r"(?:[^|\\]|\\.|\\\Z)+", cell, flags=re.DOTALL)
    codes = (re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL).strip() for part in parts)
    return tuple(code for code in codes if code)


def _text(cell: str, _: Currency) -> str:
    return cell


def _number(cell: str) -> Decimal:
    if not _DECIMAL.match(cell):
        raise InvalidValue("Write a decimal number such as 12.50, with a point and no other sign.")
    return Decimal(cell)


def _flag(cell: str, _: Currency) -> bool:
    folded = cell.lower()
    if folded in _YES:
        return True
    if folded in _NO:
        return False
    raise InvalidValue("Write true or false.")


def _category(cell: str, _: Currency) -> str:
    return label(cell, field="category", max_length=100)


COLUMNS: Final[dict[str, Column]] = {
    "sku": Column(_text),
    "name": Column(_text),
    "unit_price": Column(lambda cell, currency: unit_price(_number(cell), currency)),
    "tax_rate": Column(lambda cell, _: percent(_number(cell))),
    "cost_price": Column(lambda cell, currency: unit_price(_number(cell), currency), clearable=True),
    "category": Column(_category, clearable=True),
    "barcodes": Column(lambda cell, _: split_barcodes(cell), clearable=True, empty=()),
    "unit": Column(_text),
    "track_stock": Column(_flag),
    "stock": Column(lambda cell, _: _number(cell)),
    "reorder_level": Column(lambda cell, _: stock_level(_number(cell), field="reorder_level"), clearable=True),
    "active": Column(_flag),
}
"""The columns, in the order in which they are exported."""


def read_row(row: ImportRow, currency: Currency) -> tuple[dict[str, Any], list[RowError]]:
    """The row's values by column, and what could not be read. Columns that are not given are left out."""
    values: dict[str, Any] = {}
    errors: list[RowError] = []
    for name, cell in row.cells.items():
        column, trimmed = COLUMNS[name], cell.strip()
        if not trimmed:
            if column.clearable:
                values[name] = column.empty
            continue
        try:
            values[name] = column.read(trimmed, currency)
        except InvalidValue as error:
            errors.append(RowError(row=row.number, column=name, message=error.message))
    if "sku" not in values:
        errors.append(RowError(row=row.number, column="sku", message="Every row needs a SKU."))
    return values, errors


def must_be_columns(names: Sequence[str]) -> None:
    """Raises InvalidValue for a header with a column that is unknown or there twice, or without the SKU."""
    for i, name in enumerate(names):
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise InvalidValue(f"There is no column {name[:50]!r}. The columns are {known}.", field="header")
        if name in names[:i]:
            raise InvalidValue(f"The column {name} is there twice.", field="header")
    if "sku" not in names:
        raise InvalidValue("The table needs the column sku.", field="header")
