"""A store's people on PostgreSQL. One round trip each."""

from __future__ import annotations

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.queries.conditions import Conditions, page_of
from ibex.domain.identity.model import ApiToken, Operator, Permission, Role, Store
from ibex.domain.shared.ids import OperatorId, StoreId, TokenId
from ibex.domain.shared.money import Currency
from ibex.domain.shared.paging import Page, PageRequest


class PostgresPeople:
    """Implements PeopleRepository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, store_id: StoreId) -> Store | None:
        """See the port."""
        row = await self._database.read_one("SELECT * FROM ibex.stores s WHERE s.id = $1", store_id)
        return None if row is None else store_of(row)

    async def operator(self, store_id: StoreId, operator_id: OperatorId) -> Operator | None:
        """See the port."""
        row = await self._database.read_one(
            "SELECT * FROM ibex.operators o WHERE o.store_id = $1 AND o.id = $2", store_id, operator_id
        )
        return None if row is None else operator_of(row)

    async def operators(self, store_id: StoreId, page: PageRequest) -> Page[Operator]:
        """See the port."""
        conditions = Conditions("o.store_id", store_id)
        conditions.after("o.name, o.id", ("text", "uuid"), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT * FROM ibex.operators o WHERE {conditions} ORDER BY o.name, o.id {limit}", *conditions.arguments
        )
        people = [operator_of(row) for row in rows]
        return page_of(people, [(o.name, str(o.id)) for o in people], page)

    async def token(self, store_id: StoreId, token_id: TokenId) -> ApiToken | None:
        """See the port."""
        row = await self._database.read_one(
            "SELECT * FROM ibex.api_tokens t WHERE t.store_id = $1 AND t.id = $2", store_id, token_id
        )
        return None if row is None else token_of(row)

    async def tokens(self, store_id: StoreId, operator_id: OperatorId | None, page: PageRequest) -> Page[ApiToken]:
        """See the port."""
        conditions = Conditions("t.store_id", store_id)
        conditions.add("t.operator_id = {}", operator_id)
        conditions.after("t.created_at, t.id", ("timestamptz", "uuid"), page)
        limit = conditions.limit(page)
        rows = await self._database.read(
            f"SELECT * FROM ibex.api_tokens t WHERE {conditions} ORDER BY t.created_at, t.id {limit}",
            *conditions.arguments,
        )
        found = [token_of(row) for row in rows]
        return page_of(found, [(t.created_at.isoformat(), str(t.id)) for t in found], page)


def store_of(row: Record) -> Store:
    """A row of ``ibex.stores``."""
    return Store(
        id=row["id"],
        name=row["name"],
        currency=Currency(row["currency"]),
        time_zone=row["time_zone"],
        day_starts_at=row["day_starts_at"],
        prices_include_tax=row["prices_include_tax"],
        cash_rounding=row["cash_rounding"],
        version=row["version"],
    )


def operator_of(row: Record) -> Operator:
    """A row of ``ibex.operators``."""
    return Operator(
        id=row["id"],
        store_id=row["store_id"],
        name=row["name"],
        role=Role(row["role"]),
        active=row["active"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def token_of(row: Record) -> ApiToken:
    """A row of ``ibex.api_tokens``."""
    scopes = row["scopes"]
    return ApiToken(
        id=row["id"],
        store_id=row["store_id"],
        operator_id=row["operator_id"],
        label=row["label"],
        prefix=row["prefix"],
        secret_hash=row["secret_hash"],
        scopes=None if scopes is None else frozenset(Permission(scope) for scope in scopes),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        version=row["version"],
    )
