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
_FROM = re.compile(r"\bFROM \(?([\w.\"]+)(?: ([a-z_]\w*))?")
_JOIN = re.compile(r"\bJOIN\b|\bFROM [^;]*?\n? *,|\bFROM \(*SELECT|\bUNION\b|\bLATERAL\b")
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
        definition = _TRAILING_BLANKS.sub("", row["definition"].replace("\r\n", "\n")).strip()
        catalog[key] = _plain_view(definition) if key.startswith(("view ", "materialized view ")) else definition
    return catalog


def _plain_view(definition: str) -> str:
    """A view over one relation without that relation's name before each column, as PostgreSQL 16 and later print it.

    Before 16 the name is printed. Views with joins are printed alike; views with subqueries over one relation are
    not, and would show as changed on PostgreSQL 15.
    """
    relations = _FROM.findall(definition)
    if len(relations) != 1 or _JOIN.search(definition):
        return definition
    name = relations[0][1] or relations[0][0].rpartition(".")[2]
    return re.sub(rf"(?<![\w.\"]){re.escape(name)}\.(?=[\w\"])", "", definition)
