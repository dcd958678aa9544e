"""Shifts read from PostgreSQL."""

from __future__ import annotations

from typing import Final

import msgspec

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.drawer.model import Shift, ShiftStatus
from ibex.domain.drawer.queries import ShiftFilter, ShiftReport, ShiftRow
from ibex.domain.shared.ids import ShiftId, StoreId
from ibex.domain.shared.paging import Page, PageRequest

COLUMNS: Final = """
s.id, s.store_id, s.drawer, s.opening_float, s.opened_by, s.opened_at, s.business_date, s.status, s.version, s.number,
s.closed_by, s.closed_at, s.expected_cash, s.counted_cash, s.difference
"""
REPORTED: Final = f"""
SELECT {COLUMNS},
  CASE s.status WHEN 'OPEN' THEN ibex.shift_report(s.store_id, s.id, $3, NULL) ELSE s.report END AS report
FROM ibex.shifts s
"""
_DECODE: Final = msgspec.json.Decoder(ShiftReport).decode


def shift_of(row: Record) -> Shift:
    """A row of COLUMNS as a shift."""
    return Shift(
        id=row["id"],
        store_id=row["store_id"],
        drawer=row["drawer"],
        opening_float=row["opening_float"],
        opened_by=row["opened_by"],
        opened_at=row["opened_at"],
        business_date=row["business_date"],
        status=ShiftStatus(row["status"]),
        version=row["version"],
    )


def shift_row_of(row: Record) -> ShiftRow:
    """The same with what it was closed with."""
    report = row.get("report")
    return ShiftRow(
        shift=shift_of(row),
        number=row["number"],
        closed_by=row["closed_by"],
        closed_at=row["closed_at"],
        expected_cash=row["expected_cash"],
        counted_cash=row["counted_cash"],
        difference=row["difference"],
        report=None if report is None else _DECODE(report),
    )


class PostgresShifts:
    """Implements ShiftRepository and ShiftQueries. One round trip each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, store_id: StoreId, shift_id: ShiftId) -> Shift | None:
        """See the port."""
        row = await self._database.read_one(
            f"SELECT {COLUMNS} FROM ibex.shifts s WHERE s.store_id = $1 AND s.id = $2", store_id, shift_id
        )
        return None if row is None else shift_of(row)

    async def list(self, store_id: StoreId, where: ShiftFilter, page: PageRequest) -> Page[ShiftRow]:
        """See the port."""
        conditions = Conditions("s.store_id", store_id)
        conditions.add("s.drawer = {}", where.drawer)
        conditions.add("s.status = {}", None if where.status is None else where.status.value)
        conditions.add("s.business_date >= {}", where.date_from)
        conditions.add("s.business_date <= {}", where.date_to)
        conditions.after("s.opened_at, s.id", ("timestamptz", "uuid"), page, descending=True)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT {COLUMNS} FROM ibex.shifts s WHERE {conditions} ORDER BY s.opened_at DESC, s.id DESC {limit}",
            *conditions.arguments,
        )
        shifts = [shift_row_of(row) for row in rows]
        return page_of(shifts, [(s.shift.opened_at.isoformat(), str(s.shift.id)) for s in shifts], page)

    async def shift(self, store_id: StoreId, shift_id: ShiftId, *, exponent: int) -> ShiftRow | None:
        """See the port."""
        row = await self._database.read_one(
            f"{REPORTED} WHERE s.store_id = $1 AND s.id = $2", store_id, shift_id, exponent
        )
        return None if row is None else shift_row_of(row)

    async def current(self, store_id: StoreId, drawer: str, *, exponent: int) -> ShiftRow | None:
        """See the port."""
        row = await self._database.read_one(
            f"{REPORTED} WHERE s.store_id = $1 AND s.drawer = $2 AND s.status = 'OPEN'", store_id, drawer, exponent
        )
        return None if row is None else shift_row_of(row)
