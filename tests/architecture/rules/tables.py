"""Every table of a shop has store_id in its primary key and in every foreign key, so that no row can refer across.

The rule looks at constraints as the live catalog shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.architecture.violations import Violation

# One row each: table, constraint, its type (p or f), its columns, the table and columns that it refers to.
QUERY: Final = """
SELECT json_build_object(
  'table', c.relname, 'constraint', k.conname, 'type', k.contype,
  'columns', (SELECT array_agg(a.attname ORDER BY o.n) FROM unnest(k.conkey) WITH ORDINALITY o(num, n)
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = o.num),
  'refers_to', f.relname,
  'referred', (SELECT array_agg(a.attname ORDER BY o.n) FROM unnest(k.confkey) WITH ORDINALITY o(num, n)
               JOIN pg_attribute a ON a.attrelid = f.oid AND a.attnum = o.num))
FROM pg_class c
LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('p', 'f', 'u')
LEFT JOIN pg_class f ON f.oid = k.confrelid
WHERE c.relnamespace = 'ibex'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY c.relname, k.conname
"""

# Tables without a store, each with the reason.
WITHOUT_STORE: Final = {
    "stores": "its id is the store",
    "alembic_version": "where the schema of the whole database is",
    "migration_log": "how the schema of the whole database got there",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A primary or foreign key; a table without any has one with no name."""

    table: str
    constraint: str | None
    type: str | None
    columns: list[str] | None
    refers_to: str | None
    referred: list[str] | None


def storeless_keys(constraints: Iterable[Constraint]) -> Iterator[Violation]:
    """Keys of the shops' tables that do without the store."""
    by_table: dict[str, list[Constraint]] = {}
    for constraint in constraints:
        by_table.setdefault(constraint.table, []).append(constraint)
    for table, found in sorted(by_table.items()):
        if table in WITHOUT_STORE:
            continue
        where = f"ibex.{table}"
        # A key that may hold a NULL (no customer) cannot be primary: there the unique constraint is the key.
        primary = [constraint for constraint in found if constraint.type == "p"]
        primary = primary or [constraint for constraint in found if constraint.type == "u"]
        if not primary or "store_id" not in (primary[0].columns or []):
            yield Violation(where, 1, "store-in-every-key", "the primary key has no store_id, so ids could collide")
        for constraint in found:
            if constraint.type == "f":
                yield from _foreign_key(where, constraint)


def _foreign_key(where: str, constraint: Constraint) -> Iterator[Violation]:
    pairs = dict(zip(constraint.columns or [], constraint.referred or [], strict=True))
    wanted = "id" if constraint.refers_to == "stores" else "store_id"
    if pairs.get("store_id") != wanted:
        reason = f"{constraint.constraint} refers to {constraint.refers_to} without the store: a row could refer across"
        yield Violation(where, 1, "store-in-every-key", reason)
