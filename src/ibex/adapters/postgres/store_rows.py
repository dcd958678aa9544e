"""Rows of stores, operators and tokens as SQLAlchemy maps them: private to the registry, never seen by anybody else.

They make no table: migrations alone do, and a test compares every column here with the live catalog.
"""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Boolean, Integer, LargeBinary, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, TIME, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ibex.domain.identity.model import ApiToken, Operator, Permission, Role, Store
from ibex.domain.shared.ids import OperatorId, StoreId, TokenId
from ibex.domain.shared.money import Currency


class Row(DeclarativeBase):
    """Base of the rows."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        bool: Boolean,
        bytes: LargeBinary,
        datetime: TIMESTAMP(timezone=True),
        Decimal: Numeric,
        int: Integer,
        str: Text,
        time: TIME,
        UUID: Uuid,
    }


class StoreRow(Row):
    """A row of ``ibex.stores``."""

    __tablename__ = "stores"
    __table_args__ = {"schema": "ibex"}  # noqa: RUF012 - the same

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    currency: Mapped[str]
    time_zone: Mapped[str]
    day_starts_at: Mapped[time]
    prices_include_tax: Mapped[bool]
    cash_rounding: Mapped[Decimal]
    version: Mapped[int]
    created_at: Mapped[datetime]


class OperatorRow(Row):
    """A row of ``ibex.operators``."""

    __tablename__ = "operators"
    __table_args__ = {"schema": "ibex"}  # noqa: RUF012 - the same

    store_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    active: Mapped[bool]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TokenRow(Row):
    """A row of ``ibex.api_tokens``."""

    __tablename__ = "api_tokens"
    __table_args__ = {"schema": "ibex"}  # noqa: RUF012 - the same

    store_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    label: Mapped[str]
    prefix: Mapped[str]
    secret_hash: Mapped[bytes]
    scopes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    version: Mapped[int]


def store_row(store: Store, at: datetime) -> StoreRow:
    """A new store as its row."""
    return StoreRow(
        id=store.id,
        name=store.name,
        currency=store.currency.code,
        time_zone=store.time_zone,
        day_starts_at=store.day_starts_at,
        prices_include_tax=store.prices_include_tax,
        cash_rounding=store.cash_rounding,
        version=store.version,
        created_at=at,
    )


def operator_row(operator: Operator, at: datetime) -> OperatorRow:
    """A new operator as its row."""
    return OperatorRow(
        store_id=operator.store_id,
        id=operator.id,
        name=operator.name,
        role=operator.role.value,
        active=operator.active,
        version=operator.version,
        created_at=at,
        updated_at=at,
    )


def token_row(token: ApiToken) -> TokenRow:
    """A new token as its row."""
    return TokenRow(
        store_id=token.store_id,
        id=token.id,
        operator_id=token.operator_id,
        label=token.label,
        prefix=token.prefix,
        secret_hash=token.secret_hash,
        scopes=None if token.scopes is None else sorted(scope.value for scope in token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        version=token.version,
    )


def store_in(row: StoreRow) -> Store:
    """The store that a row tells of."""
    return Store(
        id=StoreId(row.id),
        name=row.name,
        currency=Currency(row.currency),
        time_zone=row.time_zone,
        day_starts_at=row.day_starts_at,
        prices_include_tax=row.prices_include_tax,
        cash_rounding=row.cash_rounding,
        version=row.version,
    )


def operator_in(row: OperatorRow) -> Operator:
    """The operator that a row tells of."""
    return Operator(
        id=OperatorId(row.id),
        store_id=StoreId(row.store_id),
        name=row.name,
        role=Role(row.role),
        active=row.active,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def token_in(row: TokenRow) -> ApiToken:
    """The token that a row tells of."""
    return ApiToken(
        id=TokenId(row.id),
        store_id=StoreId(row.store_id),
        operator_id=OperatorId(row.operator_id),
        label=row.label,
        prefix=row.prefix,
        secret_hash=row.secret_hash,
        scopes=None if row.scopes is None else frozenset(Permission(scope) for scope in row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        version=row.version,
    )
