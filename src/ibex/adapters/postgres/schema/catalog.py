"""Read the live catalog of the schema `ibex` as one flat mapping: a key for each object, its definition as
text.

Only what the schema means is read: no owners' names, object ids, column positions, comments, statistics or
tablespaces. The search path is emptied for the reading, so that every name comes out qualified; each query
keeps to what PostgreSQL 15 to 17 print alike.
"""

from __future__ import annotations

import re

import asyncpg

from ibex.adapters.postgres.schema import catalog_code, catalog_grants, catalog_tables

_QUERIES = (*catalog_tables.QUERIES, *catalog_code.QUERIES, *catalog_grants.QUERIES)
_ONE_STATEMENT = "\nUNION ALL\n".join(f"({query.strip()})" for query in _QUERIES)
_TRAILING_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)


async def read_catalog(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    """Every object of the schema. Inside a transaction it sees that transaction's own changes.

    Three round trips; the caller's search path is as before afterwards.
    """
    before = await connection.fetchval("SELECT current_setting('search_path')")
    async with connection.transaction():
        await connection.execute("SELECT set_config('search_path', 'pg_catalog', true)")
        rows = await connection.fetch(_ONE_STATEMENT)
        await connection.execute("SELECT set_config('search_path', $1, true)", before)
    catalog: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row["key"], row["definition"])):
        key = row["key"]
        number = 2
        while key in catalog:
            key, number = f"{row['key']} #{number}", number + 1
        catalog[key] = _TRAILING_BLANKS.sub("", row["definition"].replace("\r\n", "\n")).strip()
    return catalog
