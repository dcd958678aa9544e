"""A bearer token leads to its operator while both are good, and to nobody otherwise."""

from datetime import timedelta
from uuid import uuid4

import pytest

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.stores import PostgresStores
from ibex.adapters.postgres.tokens import PostgresTokens
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source, new_token
from ibex.domain.identity.model import ApiToken, Operator, Permission, Role
from ibex.domain.identity.opening import OpenStore
from ibex.domain.shared.ids import OperatorId, StoreId, TokenId

NOW = SystemClock().now()


class Shop:
    """A store with one operator, and tokens as a test wants them."""

    def __init__(self, database: Database, stores: PostgresStores, store_id: StoreId, operator: Operator) -> None:
        self.database = database
        self.store_id = store_id
        self.operator = operator
        self.stores = stores
        self.tokens = PostgresTokens(database)

    async def token(
        self, *, scopes: frozenset[Permission] | None = None, expires_in: timedelta | None = None
    ) -> tuple[TokenId, bytes]:
        made, token_id = new_token(), TokenId(uuid4())
        await self.stores.add_token(
            ApiToken(
                id=token_id,
                store_id=self.store_id,
                operator_id=self.operator.id,
                label="test",
                prefix=made.prefix,
                secret_hash=made.secret_hash,
                scopes=scopes,
                created_at=NOW,
                expires_at=None if expires_in is None else NOW + expires_in,
            )
        )
        return token_id, made.secret_hash


@pytest.fixture
async def shop(database: Database, stores: PostgresStores) -> Shop:
    opening = OpenStore(stores, SystemSecrets(), SystemClock(), Uuid7Source())
    opened = await opening(name="Shop", currency="KWD", time_zone="Asia/Kuwait", owner="Ada")
    operator = Operator(id=OperatorId(uuid4()), store_id=opened.store.id, name="Ben", role=Role.CASHIER)
    await stores.add_operator(operator, NOW)
    return Shop(database, stores, opened.store.id, operator)


async def test_a_token_leads_to_its_operator_and_store(shop: Shop) -> None:
    token_id, digest = await shop.token()
    actor = await shop.tokens.find_actor(digest)
    assert actor is not None
    assert actor.token_id == token_id
    assert (actor.operator_id, actor.operator_name, actor.role) == (shop.operator.id, "Ben", Role.CASHIER)
    assert actor.scopes is None
    assert actor.store_id == shop.store_id
    assert (actor.store.name, actor.store.currency.code, actor.store.time_zone) == ("Shop", "KWD", "Asia/Kuwait")


async def test_scopes_come_along(shop: Shop) -> None:
    _, digest = await shop.token(scopes=frozenset({Permission.SALES_READ}))
    actor = await shop.tokens.find_actor(digest)
    assert actor is not None
    assert actor.permissions == {Permission.SALES_READ}


async def test_a_scope_of_a_newer_version_allows_nothing(shop: Shop) -> None:
    token_id, digest = await shop.token(scopes=frozenset({Permission.SALES_READ}))
    await shop.database.write(
        "UPDATE ibex.api_tokens SET scopes = ARRAY['moon:land'] WHERE id = $1", token_id, repeatable=True
    )
    actor = await shop.tokens.find_actor(digest)
    assert actor is not None
    assert actor.permissions == frozenset()


async def test_an_unknown_token_leads_to_nobody(shop: Shop) -> None:
    assert await shop.tokens.find_actor(new_token().secret_hash) is None


async def test_a_revoked_token_leads_to_nobody(shop: Shop) -> None:
    token_id, digest = await shop.token()
    assert await shop.stores.revoke(shop.store_id, token_id, NOW)
    assert await shop.tokens.find_actor(digest) is None


async def test_a_token_expires(shop: Shop) -> None:
    _, gone = await shop.token(expires_in=timedelta(seconds=-1))
    _, good = await shop.token(expires_in=timedelta(hours=1))
    assert await shop.tokens.find_actor(gone) is None
    assert await shop.tokens.find_actor(good) is not None


async def test_an_operator_who_left_is_nobody(shop: Shop) -> None:
    _, digest = await shop.token()
    await shop.database.write(
        "UPDATE ibex.operators SET active = false WHERE store_id = $1 AND id = $2",
        shop.store_id,
        shop.operator.id,
        repeatable=True,
    )
    assert await shop.tokens.find_actor(digest) is None
