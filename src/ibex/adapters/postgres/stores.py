"""The registry of stores on PostgreSQL, for the command line: the one place that sees more than one store.

Nothing here is hot, so it is where advanced-alchemy's repository reads and adds rows (docs/decisions/0003). Its rows
and its session stay in this module, and it commits nothing by itself. It costs 2 seconds and 40 MB to import: neither
`ibex serve` nor a worker may import this module.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeVar

import asyncpg
from advanced_alchemy.filters import OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import CursorResult, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ibex.adapters.postgres.engine import make_sqlalchemy_engine
from ibex.adapters.postgres.failures import CLIENT_SIDE, OUTAGES, outcome_unknown, unavailable
from ibex.adapters.postgres.reachability import CONNECT_ERRORS, why_unreachable
from ibex.adapters.postgres.refusals import refusal_of
from ibex.adapters.postgres.store_rows import (
    OperatorRow,
    Row,
    StoreRow,
    TokenRow,
    operator_in,
    operator_row,
    store_in,
    store_row,
    token_in,
    token_row,
)
from ibex.domain.identity.model import ApiToken, Operator, Store
from ibex.domain.shared.errors import NotFound, TemporarilyUnavailable
from ibex.domain.shared.ids import StoreId, TokenId
from ibex.settings import DatabaseSettings

R = TypeVar("R", bound=Row)

# What else a store begins with: its counters, of which the first audit entry has used one, and that entry.
FOUND: Final = """
WITH counters AS (
  INSERT INTO ibex.store_counters (store_id, audit_seq) VALUES (:store_id, 1)
)
INSERT INTO ibex.audit_entries (store_id, seq, action, entity, entity_id, operator_id, after, recorded_at)
VALUES (:store_id, 1, 'store.opened', 'store', CAST(:store_id AS text), :operator_id,
        jsonb_build_object('name', CAST(:name AS text), 'currency', CAST(:currency AS text)), :at)
"""


class _Stores(SQLAlchemyAsyncRepository[StoreRow]):
    model_type = StoreRow


class _Operators(SQLAlchemyAsyncRepository[OperatorRow]):
    model_type = OperatorRow


class _Tokens(SQLAlchemyAsyncRepository[TokenRow]):
    model_type = TokenRow


# Nothing is read back after it was added, and a lost connection must not come out as a conflict.
_OPTIONS: Final[dict[str, Any]] = {"auto_refresh": False, "auto_commit": False, "wrap_exceptions": False}


@asynccontextmanager
async def open_stores(database: DatabaseSettings, application_name: str = "ibex-cli") -> AsyncIterator[PostgresStores]:
    """The registry, with an engine of its own that is closed at the end."""
    engine = make_sqlalchemy_engine(database, application_name=application_name)
    try:
        yield PostgresStores(engine)
    finally:
        await engine.dispose()


class PostgresStores:
    """Implements StoreRegistry. Each method connects, does what it does in one transaction, and disconnects."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self, store: Store, owner: Operator, token: ApiToken, at: datetime) -> None:
        """See the port. One transaction."""
        async with self._transaction() as session:
            await _Stores(session=session, **_OPTIONS).add(store_row(store, at))
            await _Operators(session=session, **_OPTIONS).add(operator_row(owner, at))
            await _Tokens(session=session, **_OPTIONS).add(token_row(token))
            await session.execute(
                text(FOUND),
                {
                    "store_id": store.id,
                    "operator_id": owner.id,
                    "name": store.name,
                    "currency": store.currency.code,
                    "at": at,
                },
            )

    async def stores(self) -> Sequence[Store]:
        """See the port."""
        async with self._transaction() as session:
            found = await _Stores(session=session, **_OPTIONS).get_many(OrderBy("name"), OrderBy("id"))
            return [store_in(row) for row in found]

    async def operators(self, store_id: StoreId) -> Sequence[Operator]:
        """See the port."""
        async with self._transaction() as session:
            repository = _Operators(session=session, **_OPTIONS)
            found = await repository.get_many(OperatorRow.store_id == store_id, OrderBy("name"), OrderBy("id"))
            return [operator_in(row) for row in found]

    async def add_operator(self, operator: Operator, at: datetime) -> None:
        """See the port."""
        async with self._transaction() as session:
            await _Operators(session=session, **_OPTIONS).add(operator_row(operator, at))

    async def add_token(self, token: ApiToken) -> None:
        """See the port."""
        async with self._transaction() as session:
            await _Tokens(session=session, **_OPTIONS).add(token_row(token))

    async def tokens(self, store_id: StoreId) -> Sequence[ApiToken]:
        """See the port."""
        async with self._transaction() as session:
            repository = _Tokens(session=session, **_OPTIONS)
            found = await repository.get_many(
                TokenRow.store_id == store_id, OrderBy("created_at", sort_order="desc"), OrderBy("id")
            )
            return [token_in(row) for row in found]

    async def revoke(self, store_id: StoreId, token_id: TokenId, at: datetime) -> bool:
        """See the port. One UPDATE: the repository's own would read the row first, and two could revoke it."""
        wanted = (TokenRow.store_id == store_id, TokenRow.id == token_id, TokenRow.revoked_at.is_(None))
        change = update(TokenRow).where(*wanted).values(revoked_at=at, version=TokenRow.version + 1)
        async with self._transaction() as session:
            result = await session.execute(change.execution_options(synchronize_session=False))
            assert isinstance(result, CursorResult)
            return bool(result.rowcount)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed at the end. Raises what the database's refusals mean, and
        TemporarilyUnavailable; OutcomeUnknown where the connection was lost during the commit."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            try:
                await session.connection()
            except (DBAPIError, *CONNECT_ERRORS) as error:
                raise _no_connection(_of_the_driver(error)) from error
            committing = False
            try:
                yield session
                committing = True
                await session.commit()
            except (DBAPIError, *OUTAGES, *CLIENT_SIDE) as error:
                meaning = _meaning(_of_the_driver(error), committing=committing)
                if meaning is None:
                    raise
                raise meaning from error


def _of_the_driver(error: BaseException) -> BaseException:
    return error.driver_exception if isinstance(error, DBAPIError) and error.orig is not None else error


def _no_connection(error: BaseException) -> TemporarilyUnavailable:
    reason = why_unreachable(error)
    return TemporarilyUnavailable(f"{reason.message} {reason.fix}", effect="none", id=reason.id)


def _meaning(error: BaseException, *, committing: bool) -> Exception | None:
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return NotFound("There is no such store, or no such operator in it.", field="store")
    if isinstance(error, (*OUTAGES, *CLIENT_SIDE)):
        return outcome_unknown() if committing else unavailable()
    return refusal_of(error) if isinstance(error, asyncpg.PostgresError) else None
