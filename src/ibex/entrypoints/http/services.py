"""What the edge can call: one field for each use case or port. `ibex.bootstrap` fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ibex.domain.audit.queries import AuditQueries
from ibex.domain.catalog.categories import ChangeCategory, CreateCategory
from ibex.domain.catalog.counting import CountStock
from ibex.domain.catalog.importing import ImportProducts
from ibex.domain.catalog.ports import CatalogueRepository, ProductRepository
from ibex.domain.catalog.queries import CategoryQueries, ProductQueries
from ibex.domain.catalog.use_cases import ChangeProduct, CreateProduct, MoveStock
from ibex.domain.customers.opening import EnterOpeningBalance
from ibex.domain.customers.ports import CustomerRepository
from ibex.domain.customers.queries import CustomerQueries
from ibex.domain.customers.use_cases import ChangeCustomer, CreateCustomer
from ibex.domain.drawer.queries import ShiftQueries
from ibex.domain.drawer.use_cases import CloseShift, MoveCash, OpenShift
from ibex.domain.events.ports import WebhookRepository
from ibex.domain.events.queries import EventQueries, WebhookQueries
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
from ibex.domain.identity.ports import PeopleRepository, TokenReader
from ibex.domain.identity.sessions import OpenReportSession, SessionStore
from ibex.domain.leaving.use_cases import ExportStore
from ibex.domain.ledger.ageing import ReadAgeing
from ibex.domain.ledger.queries import LedgerQueries
from ibex.domain.reporting.queries import ReportQueries
from ibex.domain.reporting.usage import ReadUsage
from ibex.domain.sales.drafts import CancelDraft, ChangeDraft, DraftInvoice
from ibex.domain.sales.offline import RecordOfflineSales
from ibex.domain.sales.payouts import PayOutCredit
from ibex.domain.sales.queries import CreditNoteQueries, InvoiceQueries
from ibex.domain.sales.quote import QuoteSale
from ibex.domain.sales.receipt_queries import ReceiptQueries
from ibex.domain.sales.receipts import TakeReceipt
from ibex.domain.sales.returns import CreditInvoice, CreditWithoutInvoice, VoidInvoice
from ibex.domain.sales.sell import RecordSale
from ibex.domain.sales.settle import IssueInvoice, PayInvoice
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.journal import Journal


class ReadinessProbe(Protocol):
    """Asks the database."""

    async def obstacle(self) -> str | None:
        """What keeps this process from serving, in a sentence without secrets; None if nothing does. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the controllers need. Add a field for a use case, and fill it in `ibex.bootstrap`."""

    tokens: TokenReader
    readiness: ReadinessProbe
    journal: Journal

    record_sale: RecordSale
    quote_sale: QuoteSale
    record_offline_sales: RecordOfflineSales
    draft_invoice: DraftInvoice
    change_draft: ChangeDraft
    cancel_draft: CancelDraft
    issue_invoice: IssueInvoice
    pay_invoice: PayInvoice
    invoice_queries: InvoiceQueries

    credit_invoice: CreditInvoice
    void_invoice: VoidInvoice
    credit_without_invoice: CreditWithoutInvoice
    credit_note_queries: CreditNoteQueries

    create_product: CreateProduct
    change_product: ChangeProduct
    move_stock: MoveStock
    count_stock: CountStock
    import_products: ImportProducts
    create_category: CreateCategory
    change_category: ChangeCategory
    catalogue: CatalogueRepository
    category_queries: CategoryQueries
    products: ProductRepository
    product_queries: ProductQueries

    create_customer: CreateCustomer
    change_customer: ChangeCustomer
    customers: CustomerRepository
    customer_queries: CustomerQueries

    take_receipt: TakeReceipt
    pay_out_credit: PayOutCredit
    enter_opening_balance: EnterOpeningBalance
    receipt_queries: ReceiptQueries

    open_shift: OpenShift
    move_cash: MoveCash
    close_shift: CloseShift
    shift_queries: ShiftQueries

    ledger_queries: LedgerQueries
    reports: ReportQueries
    open_report_session: OpenReportSession
    report_sessions: SessionStore
    clock: Clock
    read_ageing: ReadAgeing

    change_store: ChangeStore
    add_operator: AddOperator
    change_operator: ChangeOperator
    issue_token: IssueOperatorToken
    rotate_token: RotateToken
    revoke_token: RevokeToken
    people: PeopleRepository
    audit_queries: AuditQueries

    event_queries: EventQueries
    add_webhook: AddWebhook
    change_webhook: ChangeWebhook
    archive_webhook: ArchiveWebhook
    add_webhook_secret: AddWebhookSecret
    expire_webhook_secret: ExpireWebhookSecret
    replay_events: ReplayEvents
    webhooks: WebhookRepository
    webhook_queries: WebhookQueries

    read_usage: ReadUsage
    export_store: ExportStore
