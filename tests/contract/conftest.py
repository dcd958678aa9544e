"""Two worlds in which the same cases must hold: the fakes, and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ibex.adapters.postgres.batches import PostgresBatches
from ibex.adapters.postgres.catalog import PostgresProducts, RememberedProducts
from ibex.adapters.postgres.customers import PostgresCustomers
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.debts import PostgresDebts
from ibex.adapters.postgres.invoices import PostgresInvoices
from ibex.adapters.postgres.journal import PostgresJournal
from ibex.adapters.postgres.shifts import PostgresShifts
from ibex.adapters.postgres.stores import PostgresStores, open_stores
from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.bootstrap import open_database
from ibex.domain.catalog.ports import ProductReader, ProductRepository
from ibex.domain.customers.ports import CustomerRepository
from ibex.domain.drawer.ports import ShiftRepository
from ibex.domain.identity.model import Actor, Role
from ibex.domain.identity.opening import OpenStore
from ibex.domain.sales.offline import BatchJournal
from ibex.domain.sales.ports import InvoiceRepository
from ibex.domain.sales.receivables import DebtReader
from ibex.domain.shared.ids import IdSource
from ibex.domain.shared.journal import Journal
from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster
from tests.fakes.batches import FakeBatches
from tests.fakes.books import Books
from tests.fakes.journal import FakeJournal
from tests.fakes.people import make_actor
from tests.fakes.repositories import FakeCustomers, FakeDebts, FakeInvoices, FakeProducts, FakeShifts
from tests.fakes.system import FakeClock, FakeIds


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An empty store, its owner, and the ports."""

    name: str
    actor: Actor
    journal: Journal
    batches: BatchJournal
    reader: ProductReader
    products: ProductRepository
    customers: CustomerRepository
    invoices: InvoiceRepository
    debts: DebtReader
    shifts: ShiftRepository
    clock: FakeClock
    ids: IdSource


@pytest.fixture(scope="session")
def settings(cluster: Cluster, database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of this worker's database."""
    environment = cluster.environment(database_name) | {"IBEX_POOL_SIZE": "4"}
    return Settings.from_environ(environment, cwd=tmp_path_factory.mktemp("cwd"))


@pytest.fixture(scope="session")
async def database(
    settings: Settings,
    anyio_backend: str,  # noqa: ARG001 (one event loop for the session)
) -> AsyncIterator[Database]:
    """This worker's database."""
    async with open_database(settings) as opened:
        yield opened


@pytest.fixture
async def stores(settings: Settings) -> AsyncIterator[PostgresStores]:
    """The registry of the stores in it."""
    async with open_stores(settings.database) as registry:
        yield registry


@pytest.fixture(params=["fakes", "postgres"])
async def world(request: pytest.FixtureRequest, database: Database, stores: PostgresStores) -> World:
    """One of the two."""
    if request.param == "fakes":
        books = Books()
        products, journal = FakeProducts(books), FakeJournal(books)
        return World(
            name="fakes",
            actor=make_actor(),
            journal=journal,
            batches=FakeBatches(journal),
            reader=products,
            products=products,
            customers=FakeCustomers(books),
            invoices=FakeInvoices(books),
            debts=FakeDebts(books),
            shifts=FakeShifts(books),
            clock=FakeClock(),
            ids=FakeIds(),
        )
    return await _on_postgres(database, stores)


async def _on_postgres(database: Database, stores: PostgresStores) -> World:
    # Keys of the day before are forgotten by the server's clock, so this one begins with it.
    clock, ids = FakeClock(SystemClock().now()), Uuid7Source()
    open_store = OpenStore(stores, SystemSecrets(), clock, ids)
    opened = await open_store(name="Shop", currency="EUR", time_zone="Europe/Rome", owner="Ada")
    products, journal = PostgresProducts(database), PostgresJournal(database)
    return World(
        name="postgres",
        actor=Actor(
            store=opened.store,
            operator_id=opened.owner.id,
            operator_name="Ada",
            role=Role.OWNER,
            token_id=opened.token.id,
        ),
        journal=journal,
        batches=PostgresBatches(database, journal),
        reader=RememberedProducts(products),
        products=products,
        customers=PostgresCustomers(database),
        invoices=PostgresInvoices(database),
        debts=PostgresDebts(database),
        shifts=PostgresShifts(database),
        clock=clock,
        ids=ids,
    )
