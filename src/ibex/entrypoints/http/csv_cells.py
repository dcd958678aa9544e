"""Cells of CSV files that people open in spreadsheets."""

from datetime import datetime

from ibex.domain.shared.text import FORMULA_SIGNS


def safe_cell(value: object) -> str:
    """The value as a cell. Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP).

    A negative number stays a number: it holds nothing but digits, a sign and a point.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    cell = str(value)
    if cell.startswith(FORMULA_SIGNS) and not _is_number(cell):
        return "'" + cell
    return cell


def text_cell(value: str) -> str:
    """Text as a cell that `read_cell` gives back as it was: what begins with an apostrophe gets one more."""
    return "'" + value if value.startswith("'") else safe_cell(value)


def read_cell(cell: str) -> str:
    """A cell of a table that was exported, or written by hand: without the apostrophe that defuses a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA_SIGNS, "'")) else cell


def _is_number(cell: str) -> bool:
    return cell.removeprefix("-").replace(".", "", 1).isascii() and cell.removeprefix("-").replace(".", "", 1).isdigit()
