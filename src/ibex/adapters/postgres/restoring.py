"""Writing a store out of an archive: one transaction, in constant memory, counted again before it is committed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from ibex.adapters.postgres.archive_tables import EXPORTED, HIDDEN, REPLACED, REVISION, TableShape, shapes
from ibex.adapters.postgres.failures import OUTAGES, unavailable
from ibex.adapters.postgres.pool import Connection
from ibex.adapters.postgres.snapshots import totals_of
from ibex.domain.identity.model import ApiToken
from ibex.domain.leaving.model import Manifest, TableFile
from ibex.domain.leaving.ports import ArchiveReader, Restored
from ibex.domain.shared.errors import AlreadyExists, InvalidValue, NotFound
from ibex.domain.shared.ids import OperatorId, StoreId

STATEMENT_SECONDS: Final = 600.0
EXISTS: Final = "SELECT 1 FROM ibex.stores s WHERE s.id = $1"
OWNER: Final = """
SELECT o.id FROM ibex.operators o WHERE o.store_id = $1 AND o.role = 'OWNER' AND o.active ORDER BY o.created_at, o.id
LIMIT 1
"""
GIVE: Final = """
INSERT INTO ibex.api_tokens (store_id, id, operator_id, label, prefix, secret_hash, scopes, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# The import is an act of its own, and comes after the counting: the archive's totals are those of the books without it.
NOTE: Final = """
WITH counted AS (
  UPDATE ibex.store_counters c SET audit_seq = c.audit_seq + 1 WHERE c.store_id = $1 RETURNING c.audit_seq
)
INSERT INTO ibex.audit_entries (store_id, seq, action, entity, entity_id, operator_id, after, recorded_at)
SELECT $1, k.audit_seq, 'store.imported', 'store', $1::uuid::text, $2,
  jsonb_build_object('exported_at', $3::text, 'store_id', $4::text), $5
FROM counted k
"""
_NAME: Final = re.compile(r"[a-z_]{1,63}\Z")

Checked = Callable[[str, Iterator[tuple[bytes, int]]], Iterator[bytes]]


class PostgresRestorer:
    """Implements Restorer, on a connection of its own: a whole store takes longer than a request may."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect

    async def restore(
        self,
        archive: ArchiveReader,
        store_id: StoreId,
        at: datetime,
        make_token: Callable[[OperatorId], ApiToken],
        checked: Checked,
    ) -> Restored:
        """See the port."""
        try:
            connection = await self._connect()
        except OUTAGES as error:
            raise unavailable() from error
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL timezone = 'UTC'; SET LOCAL statement_timeout = 0")
                return await _restore(connection, archive, store_id, at, make_token, checked)
        except asyncpg.IntegrityConstraintViolationError as error:
            if error.constraint_name == "stores_pk":
                raise _there_already() from error
            raise InvalidValue(
                f"The archive does not hold together: {error.constraint_name} is broken.", field="archive"
            ) from error
        except OUTAGES as error:
            raise unavailable() from error
        except asyncpg.PostgresError as error:
            if not (error.sqlstate or "").startswith("IB"):
                raise
            raise InvalidValue(f"The archive does not hold together: {error}.", field="archive") from error
        finally:
            connection.terminate()


async def _restore(
    connection: Connection,
    archive: ArchiveReader,
    store_id: StoreId,
    at: datetime,
    make_token: Callable[[OperatorId], ApiToken],
    checked: Checked,
) -> Restored:
    manifest = archive.manifest
    files = await _fitting(connection, manifest)
    if await connection.fetchval(EXISTS, store_id) is not None:
        raise _there_already()
    for shape, file in files:
        statement = insert_lines(shape, file.columns)
        for lines in checked(file.file, archive.portions(file.file)):
            # In JSON a line feed within a text is escaped: those that are here end rows.
            document = b"[" + lines.rstrip(b"\n").replace(b"\n", b",") + b"]"
            try:
                await connection.execute(statement, document.decode(), store_id, at, timeout=STATEMENT_SECONDS)
            except (asyncpg.DataError, UnicodeDecodeError) as error:
                raise InvalidValue(f"A row of {file.file} does not fit its table.", field=file.file) from error
    # Deferred checks run now, so that what they refuse is told as what it is.
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE", timeout=STATEMENT_SECONDS)
    totals = await totals_of(connection, store_id)
    _compare(totals, manifest.totals)
    owner_id: OperatorId | None = await connection.fetchval(OWNER, store_id)
    if owner_id is None:
        raise NotFound("The archive holds no active owner.", field="operators.jsonl")
    token = make_token(owner_id)
    await connection.execute(
        GIVE,
        store_id,
        token.id,
        owner_id,
        token.label,
        token.prefix,
        token.secret_hash,
        None,
        token.created_at,
        token.expires_at,
    )
    exported = manifest.exported_at.isoformat()
    await connection.execute(NOTE, store_id, owner_id, exported, str(manifest.store_id), at)
    return Restored(store_id=store_id, owner_id=owner_id, totals=totals)


async def _fitting(connection: Connection, manifest: Manifest) -> Sequence[tuple[TableShape, TableFile]]:
    """The archive's files in the order of EXPORTED, each with its table. Raises InvalidValue."""
    revision: str = await connection.fetchval(REVISION)
    if manifest.schema_revision > revision:
        raise InvalidValue(
            f"The archive is of schema {manifest.schema_revision}, and this service is at {revision}: update it first.",
            field="manifest.json",
        )
    tables = await shapes(connection)
    files = {file.name: file for file in manifest.tables}
    if len(files) != len(manifest.tables) or not set(files) <= set(EXPORTED) or "stores" not in files:
        raise InvalidValue("The archive's tables are not those of a store.", field="manifest.json")
    found = []
    for name in EXPORTED:
        if name in files:
            file, shape = files[name], tables[name]
            unknown = [column for column in file.columns if column not in shape.exported or not _NAME.match(column)]
            if unknown or len(set(file.columns)) != len(file.columns):
                raise InvalidValue(f"{file.file} has columns that are not known here.", field=file.file)
            if name == "stores" and file.rows != 1:
                raise InvalidValue("An archive holds one store.", field=file.file)
            found.append((shape, file))
    return found


def insert_lines(shape: TableShape, columns: Sequence[str]) -> str:
    """Rows of JSON into the table; whose they are is not theirs to say. A column that the archive does not have takes
    its default. $1 are the rows, $2 the store, $3 the moment."""
    replaced = REPLACED.get(shape.name, {})
    hidden = HIDDEN.get(shape.name, frozenset())
    values = {column: f'x."{column}"' for column in columns}
    values |= {column: replaced[column] for column in replaced if column in values or column in hidden}
    values[shape.store_column] = "$2::uuid"
    names = ", ".join(f'"{column}"' for column in values)
    # Parameters that a table does without must be mentioned all the same.
    return (
        f"INSERT INTO ibex.{shape.name} ({names}) SELECT {', '.join(values.values())} "
        f"FROM jsonb_populate_recordset(NULL::ibex.{shape.name}, $1::jsonb) x WHERE $3::timestamptz IS NOT NULL"
    )


def _compare(found: Mapping[str, str], told: Mapping[str, str]) -> None:
    differing = sorted(name for name in {*found, *told} if found.get(name) != told.get(name))
    if differing:
        name = differing[0]
        raise InvalidValue(
            f"The totals are not those of the manifest: {name} is {found.get(name)} instead of {told.get(name)}.",
            field="manifest.json",
        )


def _there_already() -> AlreadyExists:
    return AlreadyExists("This store is here already; import it under a new id with --as-new-id.", field="store")
