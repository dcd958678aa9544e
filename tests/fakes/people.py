"""Stores, and who acts in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ibex.domain.identity.model import Actor, Permission, Role, Store
from ibex.domain.shared.ids import OperatorId, StoreId, TokenId
from ibex.domain.shared.money import Currency

STORE_ID = StoreId(UUID(int=1))


def make_store(*, currency: str = "EUR", **fields: Any) -> Store:
    """A store in Rome, prices with tax included, unless told otherwise."""
    given: dict[str, Any] = {
        "id": STORE_ID,
        "name": "Corner shop",
        "currency": Currency(currency),
        "time_zone": "Europe/Rome",
    }
    return Store(**(given | fields))


def make_actor(
    role: Role = Role.OWNER, *, store: Store | None = None, scopes: frozenset[Permission] | None = None, **fields: Any
) -> Actor:
    """Somebody of that role. ``fields`` are the store's, where no ``store`` is given."""
    return Actor(
        store=store or make_store(**fields),
        operator_id=OperatorId(UUID(int=2)),
        operator_name="Ada",
        role=role,
        token_id=TokenId(UUID(int=3)),
        scopes=scopes,
        request_id="request-1",
        address="192.0.2.1",
    )
