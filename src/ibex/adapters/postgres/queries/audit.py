"""The audit trail, and the chain that seals it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.audit.chain import Link, Sealable
from ibex.domain.audit.queries import AuditFilter, AuditRow
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.paging import Page, PageRequest

# What the seal is taken over, as text that does not depend on the session's settings.
SEALABLE: Final = """
a.seq, jsonb_build_array(a.seq, a.action, a.entity, a.entity_id, a.operator_id, a.token_id, a.request_id, a.address,
  a.reason, a.before, a.after, extract(epoch FROM a.recorded_at)::text)::text AS content
"""
SEALED: Final = f"""
SELECT {SEALABLE}, l.link FROM ibex.audit_entries a
LEFT JOIN ibex.audit_links l ON l.store_id = a.store_id AND l.seq = a.seq
WHERE a.store_id = $1 AND a.seq > $2 ORDER BY a.seq LIMIT $3
"""
HEAD: Final = """
SELECT l.seq, l.link FROM ibex.audit_links l WHERE l.store_id = $1 ORDER BY l.seq DESC LIMIT 1
"""
APPEND: Final = """
INSERT INTO ibex.audit_links (store_id, seq, link)
SELECT $1, x.seq, x.link FROM unnest($2::bigint[], $3::bytea[]) AS x(seq, link)
ON CONFLICT (store_id, seq) DO NOTHING
"""


class PostgresAuditQueries:
    """Implements AuditQueries. One round trip."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, store_id: StoreId, where: AuditFilter, page: PageRequest) -> Page[AuditRow]:
        """See the port."""
        conditions = Conditions("a.store_id", store_id)
        conditions.add("a.action = {}", where.action)
        conditions.add("a.entity = {}", where.entity)
        conditions.add("a.entity_id = {}", where.entity_id)
        conditions.add("a.operator_id = {}", where.operator_id)
        conditions.add("a.recorded_at >= {}", where.since)
        conditions.add("a.recorded_at < {}", where.until)
        conditions.after("a.seq", ("bigint",), page, descending=True)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"""
            SELECT a.seq, a.action, a.entity, a.entity_id, a.operator_id, o.name AS operator_name, a.token_id,
              a.request_id, a.address, a.reason, a.before, a.after, a.recorded_at
            FROM ibex.audit_entries a
            JOIN ibex.operators o ON o.store_id = a.store_id AND o.id = a.operator_id
            WHERE {conditions} ORDER BY a.seq DESC {limit}
            """,
            *conditions.arguments,
        )
        entries = []
        for row in rows:
            values: dict[str, Any] = dict(row)
            for name in ("before", "after"):
                values[name] = None if values[name] is None else msgspec.json.decode(values[name])
            entries.append(AuditRow(**values))
        return page_of(entries, [(str(entry.seq),) for entry in entries], page)


class PostgresAuditChain:
    """Implements AuditChain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self, store_id: StoreId) -> Link | None:
        """See the port."""
        row = await self._database.read_one(HEAD, store_id)
        return None if row is None else Link(seq=row["seq"], link=row["link"])

    async def entries(self, store_id: StoreId, after: int, limit: int) -> Sequence[Sealable]:
        """See the port."""
        rows = await self._database.read(SEALED, store_id, after, limit)
        return [Sealable(seq=row["seq"], content=row["content"], link=row["link"]) for row in rows]

    async def append(self, store_id: StoreId, links: Sequence[Link]) -> None:
        """See the port."""
        await self._database.write(
            APPEND, store_id, [link.seq for link in links], [link.link for link in links], repeatable=True
        )
