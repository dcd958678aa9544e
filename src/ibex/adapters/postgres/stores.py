"""The registry of stores on PostgreSQL, for the command line: the one place that sees more than one store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from ibex.adapters.postgres.database import Database, Record
from ibex.adapters.postgres.refusals import refusal_of
from ibex.domain.identity.model import ApiToken, Operator, Permission, Role, Store
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import StoreId, TokenId
from ibex.domain.shared.money import Currency

OPEN: Final = """
WITH store AS (
  INSERT INTO ibex.stores (id, name, currency, time_zone, day_starts_at, prices_include_tax, cash_rounding, created_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
), counters AS (
  INSERT INTO ibex.store_counters (store_id, audit_seq) SELECT id, 1 FROM store
), owner AS (
  INSERT INTO ibex.operators (store_id, id, name, role, created_at, updated_at)
  SELECT id, $9, $10, 'OWNER', $8, $8 FROM store RETURNING store_id, id
), token AS (
  INSERT INTO ibex.api_tokens (store_id, id, operator_id, label, prefix, secret_hash, created_at)
  SELECT store_id, $11, id, $12, $13, $14, $8 FROM owner
)
INSERT INTO ibex.audit_entries (store_id, seq, action, entity, entity_id, operator_id, after, recorded_at)
SELECT store_id, 1, 'store.opened', 'store', store_id::text, id,
  jsonb_build_object('name', $2::text, 'currency', $3::text), $8
FROM owner
"""
GIVE: Final = """
INSERT INTO ibex.api_tokens (store_id, id, operator_id, label, prefix, secret_hash, scopes, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


class PostgresStores:
    """Implements StoreRegistry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, store: Store, owner: Operator, token: ApiToken, at: datetime) -> None:
        """See the port. One statement, so one transaction."""
        await self._write(
            OPEN,
            store.id,
            store.name,
            store.currency.code,
            store.time_zone,
            store.day_starts_at,
            store.prices_include_tax,
            store.cash_rounding,
            at,
            owner.id,
            owner.name,
            token.id,
            token.label,
            token.prefix,
            token.secret_hash,
        )

    async def stores(self) -> Sequence[Store]:
        """See the port."""
        rows = await self._database.read("SELECT * FROM ibex.stores s ORDER BY s.name, s.id")
        return [store_of(row) for row in rows]

    async def operators(self, store_id: StoreId) -> Sequence[Operator]:
        """See the port."""
        rows = await self._database.read(
            "SELECT * FROM ibex.operators o WHERE o.store_id = $1 ORDER BY o.name, o.id", store_id
        )
        return [operator_of(row) for row in rows]

    async def add_operator(self, operator: Operator, at: datetime) -> None:
        """See the port."""
        await self._write(
            "INSERT INTO ibex.operators (store_id, id, name, role, created_at, updated_at) "
            "VALUES ($1, $2, $3, $4, $5, $5)",
            operator.store_id,
            operator.id,
            operator.name,
            operator.role.value,
            at,
        )

    async def add_token(self, token: ApiToken) -> None:
        """See the port."""
        await self._write(
            GIVE,
            token.store_id,
            token.id,
            token.operator_id,
            token.label,
            token.prefix,
            token.secret_hash,
            None if token.scopes is None else sorted(scope.value for scope in token.scopes),
            token.created_at,
            token.expires_at,
        )

    async def tokens(self, store_id: StoreId) -> Sequence[ApiToken]:
        """See the port."""
        rows = await self._database.read(
            "SELECT * FROM ibex.api_tokens t WHERE t.store_id = $1 ORDER BY t.created_at DESC, t.id", store_id
        )
        return [token_of(row) for row in rows]

    async def revoke(self, store_id: StoreId, token_id: TokenId, at: datetime) -> bool:
        """See the port."""
        rows = await self._database.write(
            "UPDATE ibex.api_tokens t SET revoked_at = $3, version = t.version + 1 "
            "WHERE t.store_id = $1 AND t.id = $2 AND t.revoked_at IS NULL RETURNING t.id",
            store_id,
            token_id,
            at,
            repeatable=True,
        )
        return bool(rows)

    async def _write(self, statement: str, *arguments: object) -> None:
        try:
            await self._database.write(statement, *arguments, repeatable=False)
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound("There is no such store, or no such operator in it.", field="store") from error
        except asyncpg.PostgresError as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            raise refusal from error


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
