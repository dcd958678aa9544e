"""Opening a store, and giving its people tokens: what the command line does, before there is anybody to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Protocol

from ibex.domain.identity.model import ApiToken, Operator, Permission, Role, Store
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue, NotFound
from ibex.domain.shared.ids import IdSource, OperatorId, StoreId, TokenId
from ibex.domain.shared.money import Currency


@dataclass(frozen=True, slots=True)
class Secret:
    """A token that was just made. ``text`` is shown to its owner once and kept nowhere."""

    text: str = field(repr=False)
    hash: bytes
    prefix: str


class SecretSource(Protocol):
    """Makes bearer tokens."""

    def new_token(self) -> Secret:
        """A token of 256 random bits."""
        ...


class StoreRegistry(Protocol):
    """The stores, seen from above all of them: for the operator of the service only."""

    async def open(self, store: Store, owner: Operator, token: ApiToken, at: datetime) -> None:
        """Writes a store, its counters, its owner and the owner's token, all of it or nothing."""
        ...

    async def stores(self) -> Sequence[Store]:
        """All the stores, by name."""
        ...

    async def operators(self, store_id: StoreId) -> Sequence[Operator]:
        """The store's operators, by name."""
        ...

    async def add_operator(self, operator: Operator, at: datetime) -> None:
        """Writes an operator. Raises NotFound without the store."""
        ...

    async def add_token(self, token: ApiToken) -> None:
        """Writes a token. Raises NotFound without the operator."""
        ...

    async def tokens(self, store_id: StoreId) -> Sequence[ApiToken]:
        """The store's tokens, newest first."""
        ...

    async def revoke(self, store_id: StoreId, token_id: TokenId, at: datetime) -> bool:
        """Revokes the token; False if there is none such that is not revoked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A store, its owner, and the owner's token with its secret."""

    store: Store
    owner: Operator
    token: ApiToken
    secret: Secret


class OpenStore:
    """Opens a store with its first operator, the owner."""

    def __init__(self, registry: StoreRegistry, secrets: SecretSource, clock: Clock, ids: IdSource) -> None:
        self._registry = registry
        self._secrets = secrets
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        *,
        name: str,
        currency: str,
        time_zone: str,
        owner: str,
        prices_include_tax: bool = True,
        day_starts_at: time = time(0, 0),
        cash_rounding: Decimal = Decimal(0),
    ) -> Opened:
        """Opens it. Raises InvalidValue."""
        now = self._clock.now()
        store = Store(
            id=StoreId(self._ids.new()),
            name=name,
            currency=Currency(currency),
            time_zone=time_zone,
            prices_include_tax=prices_include_tax,
            day_starts_at=day_starts_at,
            cash_rounding=cash_rounding,
        )
        person = Operator(id=OperatorId(self._ids.new()), store_id=store.id, name=owner, role=Role.OWNER)
        token, secret = make_token(self._secrets, self._ids, person, label="owner", at=now)
        await self._registry.open(store, person, token, now)
        return Opened(store=store, owner=person, token=token, secret=secret)


class IssueToken:
    """Gives an operator a token, making the operator first where a role is given."""

    def __init__(self, registry: StoreRegistry, secrets: SecretSource, clock: Clock, ids: IdSource) -> None:
        self._registry = registry
        self._secrets = secrets
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        store_id: StoreId,
        *,
        operator: str,
        role: Role | None = None,
        label: str = "token",
        scopes: frozenset[Permission] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Operator, ApiToken, Secret]:
        """The operator of that name (or id), and the new token. Raises NotFound, InvalidValue."""
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise InvalidValue("The expiry lies in the past.", field="expires_at")
        known = [o for o in await self._registry.operators(store_id) if operator in (o.name, str(o.id))]
        if len(known) > 1:
            raise InvalidValue("Several operators have this name; give the id.", field="operator")
        if known:
            person = known[0]
        elif role is None:
            raise NotFound("There is no such operator; give --role to make one.", field="operator")
        else:
            person = Operator(id=OperatorId(self._ids.new()), store_id=store_id, name=operator, role=role)
            await self._registry.add_operator(person, now)
        token, secret = make_token(
            self._secrets, self._ids, person, label=label, at=now, scopes=scopes, expires_at=expires_at
        )
        await self._registry.add_token(token)
        return person, token, secret


def make_token(
    secrets: SecretSource,
    ids: IdSource,
    operator: Operator,
    *,
    label: str,
    at: datetime,
    scopes: frozenset[Permission] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, Secret]:
    """A new token of the operator, and its secret."""
    secret = secrets.new_token()
    token = ApiToken(
        id=TokenId(ids.new()),
        store_id=operator.store_id,
        operator_id=operator.id,
        label=label,
        prefix=secret.prefix,
        secret_hash=secret.hash,
        scopes=scopes,
        created_at=at,
        expires_at=expires_at,
    )
    return token, secret
