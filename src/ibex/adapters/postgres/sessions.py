"""Sessions of browsers that look at reports: as good as their token, and no longer than their hours."""

from __future__ import annotations

from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.tokens import ACTOR_COLUMNS, ACTOR_JOINS, STILL_VALID, actor_of
from ibex.domain.identity.model import Actor

FIND_ACTOR: Final = f"""
SELECT {ACTOR_COLUMNS}
FROM ibex.report_sessions r
JOIN ibex.api_tokens t ON t.store_id = r.store_id AND t.id = r.token_id
{ACTOR_JOINS}
WHERE r.secret_hash = $1 AND r.expires_at > now() AND {STILL_VALID}
"""
CLOSE: Final = "DELETE FROM ibex.report_sessions r WHERE r.secret_hash = $1 OR r.expires_at < now()"


class PostgresSessions:
    """Implements SessionStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_actor(self, secret_hash: bytes) -> Actor | None:
        """See the port."""
        row = await self._database.read_one(FIND_ACTOR, secret_hash)
        return None if row is None else actor_of(row)

    async def close(self, secret_hash: bytes) -> None:
        """See the port."""
        await self._database.write(CLOSE, secret_hash, repeatable=True)
