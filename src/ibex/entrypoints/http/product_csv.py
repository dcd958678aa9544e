"""Products as CSV (RFC 4180, UTF-8): the table that is exported is the table that is imported."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ibex.domain.catalog.import_cells import COLUMNS, MAX_ROWS, ImportRow, join_barcodes, must_be_columns
from ibex.domain.catalog.importing import ImportResult
from ibex.domain.catalog.queries import ListedProduct
from ibex.domain.shared.errors import LimitExceeded
from ibex.entrypoints.http.csv_cells import read_cell, text_cell
from ibex.entrypoints.http.refusals import Refusal, invalid
from ibex.entrypoints.http.types import View, text, text_or_none

HEADER: Final = (",".join(COLUMNS) + "\r\n").encode()
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_DELIMITERS: Final = ",;\t"


class RowErrorView(View):
    """What is wrong with a cell. The first row after the header is 2, as spreadsheets count."""

    row: int
    column: str
    message: str


class ImportView(View):
    """What came of an import, or what would come of it (``dry_run``). At most 1000 errors are listed."""

    dry_run: bool
    rows: int
    created: int
    changed: int
    unchanged: int
    failed: int
    categories_created: int
    stock_ignored: int
    """Products that were there already and whose stock the table has otherwise: an import does not set it."""
    errors: list[RowErrorView]


def import_view(result: ImportResult) -> ImportView:
    """The result of an import."""
    return ImportView(
        dry_run=result.dry_run,
        rows=result.rows,
        created=result.created,
        changed=result.changed,
        unchanged=result.unchanged,
        failed=result.failed,
        categories_created=result.categories_created,
        stock_ignored=result.stock_ignored,
        errors=[RowErrorView(row=e.row, column=e.column, message=e.message) for e in result.errors],
    )


def csv_portion(rows: Sequence[ListedProduct]) -> bytes:
    """Products as rows of the table."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        cells = _cells(row)
        writer.writerow([text_cell(cells[name] or "") for name in COLUMNS])
    return out.getvalue().encode()


def _cells(row: ListedProduct) -> Mapping[str, str | None]:
    product = row.product
    return {
        "sku": product.sku,
        "name": product.name,
        "unit_price": text(product.unit_price),
        "tax_rate": text(product.tax_rate),
        "cost_price": text_or_none(product.cost_price),
        "category": row.category,
        "barcodes": join_barcodes(product.barcodes),
        "unit": product.unit,
        "track_stock": "true" if product.track_stock else "false",
        "stock": text(product.stock),
        "reorder_level": text_or_none(product.reorder_level),
        "active": "true" if product.active else "false",
    }


def parse_products(body: bytes) -> list[ImportRow]:
    """The rows of the table. Raises Refusal (malformed_csv), InvalidValue for its header, LimitExceeded.

    Cells are separated as the header is: by commas, or by the semicolons or tabs that spreadsheets write in some
    countries. Rows without any cell filled are passed over.
    """
    try:
        content = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal("malformed_csv", "The table must be in UTF-8.") from None
    if "\0" in content:
        raise Refusal("malformed_csv", "The NUL character is not allowed.")
    first = content.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not any(header):
            raise invalid("header", "The first row must name the columns.")
        must_be_columns(header)
        return _rows(reader, header)
    except csv.Error as error:
        raise Refusal("malformed_csv", f"The table is not valid CSV, in line {reader.line_num}: {error}.") from None


def require_csv(content_type: str | None) -> None:
    """Raises Refusal unless the body is declared to be CSV in UTF-8."""
    kind, _, parameters = (content_type or "").partition(";")
    charset = [p.strip().lower().replace('"', "") for p in parameters.split(";") if "charset" in p.lower()]
    if kind.strip().lower() != "text/csv" or charset not in ([], ["charset=utf-8"]):
        raise Refusal("unsupported_media_type", "Send the table as text/csv in UTF-8.")


def _rows(reader: Any, header: Sequence[str]) -> list[ImportRow]:
    rows: list[ImportRow] = []
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            raise Refusal("malformed_csv", f"Row {number} has {len(cells)} cells, the header {len(header)}.")
        if len(rows) == MAX_ROWS:
            raise LimitExceeded(f"A table has at most {MAX_ROWS} rows.", field="body", limit=MAX_ROWS)
        named = zip(header, cells, strict=False)
        rows.append(ImportRow(number=number, cells={name: read_cell(cell.strip()) for name, cell in named}))
    return rows
