"""Who a bearer token belongs to: one statement, one round trip, by a unique index."""

from __future__ import annotations

from typing import Final

from ibex.adapters.postgres.database import Database, Record
from ibex.domain.identity.model import Actor, Permission, Role, Store
from ibex.domain.shared.money import Currency

_KNOWN_SCOPES: Final = {permission.value: permission for permission in Permission}

ACTOR_COLUMNS: Final = """
t.id AS token_id, t.scopes, o.id AS operator_id, o.name AS operator_name, o.role,
s.id AS store_id, s.name AS store_name, s.currency, s.time_zone, s.day_starts_at, s.prices_include_tax,
s.cash_rounding, s.version AS store_version
"""
ACTOR_JOINS: Final = """
JOIN ibex.operators o ON o.store_id = t.store_id AND o.id = t.operator_id
JOIN ibex.stores s ON s.id = t.store_id
"""
STILL_VALID: Final = "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND o.active"
"""Whether a token opens anything, and with it everything that rests on it."""
FIND_ACTOR: Final = f"""
SELECT {ACTOR_COLUMNS}
FROM ibex.api_tokens t
{ACTOR_JOINS}
WHERE t.secret_hash = $1 AND {STILL_VALID}
"""


class PostgresTokens:
    """Implements TokenReader."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_actor(self, secret_hash: bytes) -> Actor | None:
        """See the port."""
        row = await self._database.read_one(FIND_ACTOR, secret_hash)
        return None if row is None else actor_of(row)


def actor_of(row: Record) -> Actor:
    """A row of FIND_ACTOR. A scope that this code does not know (a newer one gave it) allows nothing here."""
    scopes = row["scopes"]
    return Actor(
        store=Store(
            id=row["store_id"],
            name=row["store_name"],
            currency=Currency(row["currency"]),
            time_zone=row["time_zone"],
            day_starts_at=row["day_starts_at"],
            prices_include_tax=row["prices_include_tax"],
            cash_rounding=row["cash_rounding"],
            version=row["store_version"],
        ),
        operator_id=row["operator_id"],
        operator_name=row["operator_name"],
        role=Role(row["role"]),
        token_id=row["token_id"],
        scopes=None if scopes is None else frozenset(_KNOWN_SCOPES[s] for s in scopes if s in _KNOWN_SCOPES),
    )
