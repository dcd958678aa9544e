"""Reading a whole store as it is in one moment: cursors in one transaction at REPEATABLE READ, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from ibex.adapters.postgres.archive_tables import EXPORTED, LEFT_OUT, REVISION, TOTALS, TableShape, shapes
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.failures import OUTAGES, unavailable
from ibex.adapters.postgres.pool import Connection
from ibex.domain.leaving.ports import StoreSnapshot, TableData
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import StoreId

PORTION_ROWS: Final = 500
STATEMENT_SECONDS: Final = 120
STORE: Final = "SELECT s.name, s.currency FROM ibex.stores s WHERE s.id = $1"
# Whoever reads slowly keeps the transaction waiting, for a while.
SETTINGS: Final = (
    f"SET LOCAL timezone = 'UTC'; SET LOCAL statement_timeout = {STATEMENT_SECONDS * 1000}; "
    f"SET LOCAL idle_in_transaction_session_timeout = {STATEMENT_SECONDS * 1000}"
)


class PostgresSnapshots:
    """Implements Snapshots."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def open(self, store_id: StoreId) -> AsyncIterator[StoreSnapshot]:
        """See the port."""
        try:
            async with (
                self._database.connection() as connection,
                connection.transaction(readonly=True, isolation="repeatable_read"),
            ):
                await connection.execute(SETTINGS)
                store = await connection.fetchrow(STORE, store_id)
                if store is None:
                    raise NotFound("There is no such store.", field="store")
                yield Snapshot(
                    connection,
                    store_id,
                    await shapes(connection),
                    name=store["name"],
                    currency=store["currency"],
                    revision=await connection.fetchval(REVISION),
                )
        except OUTAGES as error:
            raise unavailable() from error


class Snapshot:
    """Implements StoreSnapshot, for as long as the transaction is open."""

    def __init__(
        self,
        connection: Connection,
        store_id: StoreId,
        tables: Mapping[str, TableShape],
        *,
        name: str,
        currency: str,
        revision: str,
    ) -> None:
        self._connection = connection
        self._store_id = store_id
        self._tables = tables
        self.store_name = name
        self.currency = currency
        self.schema_revision = revision
        self.left_out: Mapping[str, str] = LEFT_OUT

    def tables(self) -> Iterator[TableData]:
        """See the port."""
        for table in EXPORTED:
            shape = self._tables[table]
            yield TableData(name=table, columns=shape.exported, portions=self._portions(shape))

    async def totals(self) -> Mapping[str, str]:
        """See the port."""
        return await totals_of(self._connection, self._store_id)

    async def _portions(self, shape: TableShape) -> AsyncIterator[tuple[bytes, int]]:
        cursor = await self._connection.cursor(select_lines(shape), self._store_id)
        while rows := await cursor.fetch(PORTION_ROWS, timeout=STATEMENT_SECONDS):
            yield "".join(f"{row[0]}\n" for row in rows).encode(), len(rows)


async def totals_of(connection: Connection, store_id: StoreId) -> dict[str, str]:
    """The store's totals."""
    found: str = await connection.fetchval(TOTALS, store_id, timeout=STATEMENT_SECONDS)
    totals: dict[str, Any] = msgspec.json.decode(found)
    return dict(sorted(totals.items()))


def select_lines(shape: TableShape) -> str:
    """The rows as JSON in the order of the key; decimals as strings, because a reader's floats would spoil them."""
    columns = ", ".join(
        f't."{column}"::text AS "{column}"' if column in shape.exact else f't."{column}"' for column in shape.exported
    )
    order = ", ".join(f't."{column}"' for column in shape.key)
    return (
        f"SELECT row_to_json(x)::text FROM (SELECT {columns} FROM ibex.{shape.name} t "
        f"WHERE t.{shape.store_column} = $1 ORDER BY {order}) x"
    )
