"""The composition root: settings -> pool -> adapters -> use cases -> application."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

from ibex.adapters.archive_file import ZipArchive
from ibex.adapters.postgres.batches import PostgresBatches
from ibex.adapters.postgres.call import begin_call
from ibex.adapters.postgres.catalog import FreshProducts, PostgresCatalogue, PostgresProducts, RememberedProducts
from ibex.adapters.postgres.customers import PostgresCustomers
from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.debts import PostgresDebts
from ibex.adapters.postgres.deliveries import PostgresDeliveryQueue
from ibex.adapters.postgres.engine import make_pool
from ibex.adapters.postgres.failures import OUTAGES
from ibex.adapters.postgres.figures import DatabaseFigures
from ibex.adapters.postgres.invoices import PostgresInvoices
from ibex.adapters.postgres.journal import PostgresJournal
from ibex.adapters.postgres.nudge import Nudge, NudgingBatches, NudgingJournal
from ibex.adapters.postgres.people import PostgresPeople
from ibex.adapters.postgres.queries.ageing import PostgresAgeing
from ibex.adapters.postgres.queries.audit import PostgresAuditQueries
from ibex.adapters.postgres.queries.credit_notes import PostgresCreditNoteQueries
from ibex.adapters.postgres.queries.events import PostgresEventQueries
from ibex.adapters.postgres.queries.invoices import PostgresInvoiceQueries
from ibex.adapters.postgres.queries.ledger import PostgresLedgerQueries
from ibex.adapters.postgres.queries.products import PostgresCategoryQueries, PostgresProductQueries
from ibex.adapters.postgres.queries.receipts import PostgresReceiptQueries
from ibex.adapters.postgres.queries.reports import PostgresReportQueries
from ibex.adapters.postgres.queries.usage import PostgresUsage
from ibex.adapters.postgres.readiness import DatabaseReadiness
from ibex.adapters.postgres.report_sums import ReportSums
from ibex.adapters.postgres.sessions import PostgresSessions
from ibex.adapters.postgres.shifts import PostgresShifts
from ibex.adapters.postgres.snapshots import PostgresSnapshots
from ibex.adapters.postgres.tokens import PostgresTokens
from ibex.adapters.postgres.webhooks import PostgresWebhooks
from ibex.adapters.system import SystemClock, SystemKeys, SystemSecrets, Uuid7Source, let_others_go_on
from ibex.domain.catalog.categories import ChangeCategory, CreateCategory
from ibex.domain.catalog.counting import CountStock
from ibex.domain.catalog.importing import ImportProducts
from ibex.domain.catalog.use_cases import ChangeProduct, CreateProduct, MoveStock
from ibex.domain.customers.opening import EnterOpeningBalance
from ibex.domain.customers.use_cases import ChangeCustomer, CreateCustomer
from ibex.domain.drawer.use_cases import CloseShift, MoveCash, OpenShift
from ibex.domain.events.destinations import DestinationRules
from ibex.domain.events.model import Replay
from ibex.domain.events.webhooks import (
    AddWebhook,
    AddWebhookSecret,
    ArchiveWebhook,
    ChangeWebhook,
    ExpireWebhookSecret,
    ReplayEvents,
)
from ibex.domain.identity.people import (
    AddOperator,
    ChangeOperator,
    ChangeStore,
    IssueOperatorToken,
    RevokeToken,
    RotateToken,
)
from ibex.domain.identity.sessions import OpenReportSession
from ibex.domain.leaving.use_cases import ExportStore
from ibex.domain.ledger.ageing import ReadAgeing
from ibex.domain.reporting.usage import ReadUsage
from ibex.domain.sales.drafts import CancelDraft, ChangeDraft, DraftInvoice
from ibex.domain.sales.offline import RecordOfflineSales
from ibex.domain.sales.payouts import PayOutCredit
from ibex.domain.sales.quote import QuoteSale
from ibex.domain.sales.receipts import TakeReceipt
from ibex.domain.sales.returns import CreditInvoice, CreditWithoutInvoice, VoidInvoice
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.settle import IssueInvoice, PayInvoice
from ibex.domain.shared.journal import Journal
from ibex.entrypoints.http.app import create_app
from ibex.entrypoints.http.edge import Edge
from ibex.entrypoints.http.late import LateApp, draining_on_signals
from ibex.entrypoints.http.lifecycle import Lifecycle
from ibex.entrypoints.http.limits import EdgeLimits
from ibex.entrypoints.http.metrics import Metrics
from ibex.entrypoints.http.services import Services
from ibex.entrypoints.http.tracing import OpenTelemetryTracer, open_telemetry
from ibex.entrypoints.logs import configure_logs
from ibex.settings import Settings, load_settings

POOL_CLOSE_SECONDS: Final = 5.0
COLLECT_AFTER: Final = 20_000
"""New objects after which the garbage collector looks at the youngest: a few MiB of them."""


def application() -> LateApp:
    """What the server loads, in each of its worker processes."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.database.redact)
    return LateApp(lambda: _alone_in_its_process(settings))


@asynccontextmanager
async def _alone_in_its_process(settings: Settings) -> AsyncIterator[Edge]:
    async with running(settings) as app:
        calm_collector()
        yield app


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Edge]:
    """The application, with everything that it needs open."""
    lifecycle = Lifecycle()
    async with (
        open_database(settings) as database,
        traced(settings) as tracer,
        draining_on_signals(lifecycle, settings.drain_seconds),
    ):
        readiness = DatabaseReadiness(database)
        rules = DestinationRules(allow_loopback=settings.webhook_loopback)
        yield create_app(
            build_services(database, rules, readiness),
            limits=edge_limits(settings),
            lifecycle=lifecycle,
            outages=OUTAGES,
            begin_call=begin_call,
            metrics=build_metrics(settings, database, readiness),
            tracer=tracer,
            behind_proxy=settings.trust_proxy_headers,
        )


def calm_collector() -> None:
    """What was imported and built stays: the collector looks at it no more, and not after every 700 new objects.

    A sale makes some thousand objects and leaves no circles, so that it would set the collector off several times,
    for 5 % of its CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The pool, closed at the end: connections get a moment to come back, then they are cut."""
    pool = make_pool(
        settings.database,
        size=settings.pool_size,
        wait_seconds=settings.pool_wait_seconds,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        lock_timeout_seconds=settings.lock_timeout_seconds,
    )
    try:
        yield Database(
            pool,
            pooled=settings.database.pooled,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            lock_timeout_seconds=settings.lock_timeout_seconds,
        )
    finally:
        await pool.close(POOL_CLOSE_SECONDS)


@asynccontextmanager
async def traced(settings: Settings) -> AsyncIterator[OpenTelemetryTracer | None]:
    """Spans of this process, if the settings ask for them; what is left of them is sent at the end."""
    tracer = open_telemetry(version("ibex-backend")) if settings.tracing else None
    yield tracer
    if tracer is not None:
        await asyncio.to_thread(tracer.close)


def build_metrics(settings: Settings, database: Database, readiness: DatabaseReadiness) -> Metrics | None:
    """Figures for Prometheus, if there is a token to read them with."""
    if settings.metrics_token is None:
        return None
    queue = PostgresDeliveryQueue(database, lease=timedelta(minutes=1))
    return Metrics(settings.metrics_token.reveal(), DatabaseFigures(database, readiness, queue))


def build_services(database: Database, destinations: DestinationRules, readiness: DatabaseReadiness) -> Services:
    """The adapters and the use cases on them."""
    clock, ids = SystemClock(), Uuid7Source()
    # What is posted wakes the workers: `ibex worker` sends events to webhooks.
    books, nudge = PostgresJournal(database), Nudge(database)
    journal: Journal = NudgingJournal(books, nudge, work=(Replay,))
    batches = NudgingBatches(PostgresBatches(database, books), nudge)
    products, invoices, customers = PostgresProducts(database), PostgresInvoices(database), PostgresCustomers(database)
    reader, fresh = RememberedProducts(products), FreshProducts(products)
    shifts = PostgresShifts(database)
    catalogue = PostgresCatalogue(database)
    people, secrets = PostgresPeople(database), SystemSecrets()
    return Services(
        tokens=PostgresTokens(database),
        readiness=readiness,
        journal=journal,
        record_sale=RecordSale(reader, journal, clock, ids),
        quote_sale=QuoteSale(fresh),
        record_offline_sales=RecordOfflineSales(fresh, batches, clock, ids),
        draft_invoice=DraftInvoice(reader, journal, clock, ids),
        change_draft=ChangeDraft(invoices, reader, journal, clock, ids),
        cancel_draft=CancelDraft(invoices, journal, clock, ids),
        issue_invoice=IssueInvoice(invoices, journal, clock, ids),
        pay_invoice=PayInvoice(invoices, journal, clock, ids),
        invoice_queries=PostgresInvoiceQueries(database),
        credit_invoice=CreditInvoice(invoices, journal, clock, ids),
        void_invoice=VoidInvoice(invoices, journal, clock, ids),
        credit_without_invoice=CreditWithoutInvoice(fresh, journal, clock, ids),
        credit_note_queries=PostgresCreditNoteQueries(database),
        create_product=CreateProduct(journal, clock, ids),
        change_product=ChangeProduct(products, reader, journal, clock, ids),
        move_stock=MoveStock(products, journal, clock, ids),
        count_stock=CountStock(catalogue, journal, clock, ids),
        import_products=ImportProducts(catalogue, reader, journal, clock, ids, let_others_go_on),
        create_category=CreateCategory(journal, clock, ids),
        change_category=ChangeCategory(catalogue, journal, clock, ids),
        catalogue=catalogue,
        category_queries=PostgresCategoryQueries(database),
        products=products,
        product_queries=PostgresProductQueries(database),
        create_customer=CreateCustomer(journal, clock, ids),
        change_customer=ChangeCustomer(customers, journal, clock, ids),
        customers=customers,
        customer_queries=customers,
        take_receipt=TakeReceipt(PostgresDebts(database), journal, clock, ids),
        pay_out_credit=PayOutCredit(customers, journal, clock, ids),
        enter_opening_balance=EnterOpeningBalance(customers, journal, clock, ids),
        receipt_queries=PostgresReceiptQueries(database),
        open_shift=OpenShift(journal, clock, ids),
        move_cash=MoveCash(shifts, journal, clock, ids),
        close_shift=CloseShift(shifts, journal, clock, ids),
        shift_queries=shifts,
        ledger_queries=PostgresLedgerQueries(database),
        reports=PostgresReportQueries(database, ReportSums(database)),
        open_report_session=OpenReportSession(SystemSecrets(), journal, clock, ids),
        report_sessions=PostgresSessions(database),
        clock=clock,
        read_ageing=ReadAgeing(PostgresAgeing(database), clock),
        change_store=ChangeStore(people, journal, clock, ids),
        add_operator=AddOperator(journal, clock, ids),
        change_operator=ChangeOperator(people, journal, clock, ids),
        issue_token=IssueOperatorToken(people, secrets, journal, clock, ids),
        rotate_token=RotateToken(people, secrets, journal, clock, ids),
        revoke_token=RevokeToken(people, journal, clock, ids),
        people=people,
        audit_queries=PostgresAuditQueries(database),
        **event_services(database, journal, destinations),
    )


def event_services(database: Database, journal: Journal, destinations: DestinationRules) -> dict[str, Any]:
    """The fields of Services for events, webhooks, usage and leaving."""
    clock, ids, keys = SystemClock(), Uuid7Source(), SystemKeys()
    webhooks = PostgresWebhooks(database)
    return {
        "event_queries": PostgresEventQueries(database),
        "add_webhook": AddWebhook(webhooks, keys, journal, clock, ids, destinations),
        "change_webhook": ChangeWebhook(webhooks, journal, clock, ids, destinations),
        "archive_webhook": ArchiveWebhook(webhooks, journal, clock, ids),
        "add_webhook_secret": AddWebhookSecret(webhooks, keys, journal, clock, ids),
        "expire_webhook_secret": ExpireWebhookSecret(webhooks, journal, clock),
        "replay_events": ReplayEvents(webhooks, journal, clock, ids),
        "webhooks": webhooks,
        "webhook_queries": webhooks,
        "export_store": ExportStore(PostgresSnapshots(database), ZipArchive, journal, clock),
        "read_usage": ReadUsage(PostgresUsage(database), clock),
    }


def edge_limits(settings: Settings) -> EdgeLimits:
    """The edge's bounds: defaults, and what the settings say."""
    return EdgeLimits(
        in_flight=settings.max_in_flight,
        rate_per_second=settings.rate_limit_per_second,
        rate_burst=max(1, int(2 * settings.rate_limit_per_second)),
    )
