"""The registry of stores: what `ibex stores` and `ibex tokens` read and write."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.dialects import postgresql

from ibex.adapters.postgres import store_rows
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.engine import make_sqlalchemy_engine
from ibex.adapters.postgres.stores import PostgresStores
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.domain.identity.model import Operator, Permission, Role
from ibex.domain.identity.opening import Opened, OpenStore, make_token
from ibex.domain.shared.errors import NotFound, TemporarilyUnavailable
from ibex.domain.shared.ids import OperatorId, StoreId
from ibex.settings import Settings

NOW = SystemClock().now()
COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
  coalesce(a.attnum = ANY (k.conkey), false) AS key
FROM pg_attribute a
LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
WHERE a.attrelid = ('ibex.' || $1::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
ROWS = (store_rows.StoreRow, store_rows.OperatorRow, store_rows.TokenRow)


@pytest.fixture
async def opened(stores: PostgresStores) -> Opened:
    open_store = OpenStore(stores, SystemSecrets(), SystemClock(), Uuid7Source())
    return await open_store(
        name="Bottega",
        currency="CHF",
        time_zone="Europe/Zurich",
        owner="Ada",
        day_starts_at=time(4),
        cash_rounding=Decimal("0.05"),
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__tablename__)
async def test_the_rows_are_the_tables_that_the_migrations_made(row: type[store_rows.Row], database: Database) -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    mapped = {
        (c.name, c.type.compile(dialect=dialect).lower(), bool(c.nullable), c.primary_key)
        for c in row.__table__.columns
    }
    found = await database.read(COLUMNS, row.__tablename__)
    assert mapped == {(column["name"], column["type"], column["nullable"], column["key"]) for column in found}
    assert row.__table__.schema == "ibex"


def test_no_row_was_left_out_of_the_comparison() -> None:
    assert {mapper.class_ for mapper in store_rows.Row.registry.mappers} == set(ROWS)


async def test_what_was_opened_is_what_is_read(stores: PostgresStores, opened: Opened) -> None:
    assert opened.store in await stores.stores()
    people = await stores.operators(opened.store.id)
    assert [(o.id, o.name, o.role, o.active, o.version) for o in people] == [
        (opened.owner.id, "Ada", Role.OWNER, True, 1)
    ]
    assert await stores.tokens(opened.store.id) == [opened.token]


async def test_a_store_begins_with_its_counters_and_its_first_audit_entry(database: Database, opened: Opened) -> None:
    (counters,) = await database.read("SELECT * FROM ibex.store_counters WHERE store_id = $1", opened.store.id)
    assert {name: value for name, value in counters.items() if value and name != "store_id"} == {"audit_seq": 1}
    (entry,) = await database.read("SELECT * FROM ibex.audit_entries WHERE store_id = $1", opened.store.id)
    assert (entry["seq"], entry["action"], entry["entity"], entry["entity_id"]) == (
        1,
        "store.opened",
        "store",
        str(opened.store.id),
    )
    assert entry["operator_id"] == opened.owner.id


async def test_a_store_is_opened_as_a_whole_or_not_at_all(stores: PostgresStores, opened: Opened) -> None:
    """The token is taken, so that the third statement of four fails."""
    other = replace(opened.store, id=StoreId(uuid4()))
    owner = Operator(id=OperatorId(uuid4()), store_id=other.id, name="Ben", role=Role.OWNER)
    token = replace(opened.token, store_id=other.id, operator_id=owner.id)
    with pytest.raises(Exception, match="api_tokens_secret_unique"):
        await stores.open(other, owner, token, NOW)
    assert other.id not in [store.id for store in await stores.stores()]
    assert await stores.operators(other.id) == []


async def test_people_are_listed_by_name_and_tokens_newest_first(stores: PostgresStores, opened: Opened) -> None:
    for name in ("Zoe", "Ben"):
        operator = Operator(id=OperatorId(uuid4()), store_id=opened.store.id, name=name, role=Role.CASHIER)
        await stores.add_operator(operator, NOW)
    assert [o.name for o in await stores.operators(opened.store.id)] == ["Ada", "Ben", "Zoe"]
    scopes = frozenset({Permission.SALES_READ, Permission.STOCK_READ})
    token, _ = make_token(
        SystemSecrets(),
        Uuid7Source(),
        opened.owner,
        label="reader",
        at=opened.token.created_at + timedelta(seconds=1),
        scopes=scopes,
        expires_at=NOW + timedelta(days=1),
    )
    await stores.add_token(token)
    assert await stores.tokens(opened.store.id) == [token, opened.token]


async def test_nothing_is_added_to_a_store_that_is_not_there(stores: PostgresStores, opened: Opened) -> None:
    nowhere = StoreId(uuid4())
    with pytest.raises(NotFound):
        await stores.add_operator(replace(opened.owner, id=OperatorId(uuid4()), store_id=nowhere), NOW)
    with pytest.raises(NotFound):
        await stores.add_token(replace(opened.token, store_id=nowhere, secret_hash=bytes(32)))
    assert await stores.operators(nowhere) == []
    assert await stores.tokens(nowhere) == []


async def test_a_token_is_revoked_once(stores: PostgresStores, opened: Opened) -> None:
    store_id, token_id = opened.store.id, opened.token.id
    assert await stores.revoke(StoreId(uuid4()), token_id, NOW) is False, "it is another store's"
    done = await asyncio.gather(*(stores.revoke(store_id, token_id, NOW) for _ in range(4)))
    assert sorted(done) == [False, False, False, True]
    (token,) = await stores.tokens(store_id)
    assert (token.revoked_at, token.version) == (NOW, 2)


async def test_without_the_database_it_says_why_and_not_the_password(settings: Settings) -> None:
    nobody_listens = replace(settings.database, port=1)
    engine = make_sqlalchemy_engine(nobody_listens, application_name="ibex-cli")
    with pytest.raises(TemporarilyUnavailable, match="No connection to the database") as caught:
        await PostgresStores(engine).stores()
    await engine.dispose()
    password = settings.database.password.reveal()
    for shown in (caught.value, engine, engine.url, engine.url.render_as_string(hide_password=False), engine.pool):
        assert password not in f"{shown} {shown!r}"
    assert engine.url.query == {}


async def test_a_password_that_is_refused_is_said_to_be(settings: Settings) -> None:
    wrong = replace(settings.database, user="nobody_at_all")
    engine = make_sqlalchemy_engine(wrong, application_name="ibex-cli")
    with pytest.raises(TemporarilyUnavailable, match="The database refuses"):
        await PostgresStores(engine).stores()
    await engine.dispose()


async def test_it_works_through_a_pooler_that_keeps_no_prepared_statements(settings: Settings, opened: Opened) -> None:
    engine = make_sqlalchemy_engine(replace(settings.database, endpoint="pooled"), application_name="ibex-cli")
    stores = PostgresStores(engine)
    assert await stores.tokens(opened.store.id) == [opened.token]
    assert await stores.tokens(opened.store.id) == [opened.token]
    await engine.dispose()


def test_neither_the_service_nor_a_worker_imports_the_registry() -> None:
    """Litestar would when advanced-alchemy is installed, were it not kept from it (docs/decisions/0003)."""
    code = (
        "import sys, ibex.bootstrap, ibex.entrypoints.commands.serve, ibex.entrypoints.commands.worker;"
        "print([m for m in sys.modules if m.partition('.')[0] in ('sqlalchemy', 'advanced_alchemy')])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
