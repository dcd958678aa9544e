"""What the identity area needs from outside."""

from __future__ import annotations

from typing import Protocol

from ibex.domain.identity.model import Actor, ApiToken, Operator, Store
from ibex.domain.shared.ids import OperatorId, StoreId, TokenId
from ibex.domain.shared.paging import Page, PageRequest


class TokenReader(Protocol):
    """Finds out who a bearer token belongs to."""

    async def find_actor(self, secret_hash: bytes) -> Actor | None:
        """The actor of the token with this SHA-256, or None if it is unknown, expired or revoked, or if its
        operator is not active. Raises TemporarilyUnavailable.
        """
        ...


class PeopleRepository(Protocol):
    """A store's people as they are now."""

    async def store(self, store_id: StoreId) -> Store | None:
        """The store itself."""
        ...

    async def operator(self, store_id: StoreId, operator_id: OperatorId) -> Operator | None:
        """The operator, or None if the store has none of that id."""
        ...

    async def operators(self, store_id: StoreId, page: PageRequest) -> Page[Operator]:
        """Operators by name."""
        ...

    async def token(self, store_id: StoreId, token_id: TokenId) -> ApiToken | None:
        """The token, or None if the store has none of that id."""
        ...

    async def tokens(self, store_id: StoreId, operator_id: OperatorId | None, page: PageRequest) -> Page[ApiToken]:
        """Tokens of an operator, or of all, in the order in which they were issued."""
        ...
