"""The HTTP application: routes, what guards them, and the edge around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from litestar import Litestar
from litestar.types import ControllerRouterHandler

from ibex.entrypoints.http.access import plan_routes
from ibex.entrypoints.http.access_log import AccessLog
from ibex.entrypoints.http.admission import Admission
from ibex.entrypoints.http.audit import AuditController
from ibex.entrypoints.http.auth import Authenticator
from ibex.entrypoints.http.categories import CategoriesController
from ibex.entrypoints.http.credit_notes import ReturnsController
from ibex.entrypoints.http.customers import CustomersController
from ibex.entrypoints.http.docs import docs_handlers
from ibex.entrypoints.http.edge import Edge, Observer
from ibex.entrypoints.http.events import EventsController
from ibex.entrypoints.http.exchange import Call, NoDatabase
from ibex.entrypoints.http.export import ExportController
from ibex.entrypoints.http.health import MeController, health_controller
from ibex.entrypoints.http.invoices import InvoicesController
from ibex.entrypoints.http.ledger import LedgerController
from ibex.entrypoints.http.lifecycle import Lifecycle
from ibex.entrypoints.http.limits import EdgeLimits
from ibex.entrypoints.http.metrics import Metrics, metrics_handlers
from ibex.entrypoints.http.people import OperatorsController, StoreController, TokensController
from ibex.entrypoints.http.problems import exception_handlers
from ibex.entrypoints.http.products import ProductsController
from ibex.entrypoints.http.rate_limit import RateLimiter
from ibex.entrypoints.http.receipts import AccountsController, ReceiptsController
from ibex.entrypoints.http.report_pages import page_handlers
from ibex.entrypoints.http.reports import ReportsController
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.sales import SalesController
from ibex.entrypoints.http.services import Services
from ibex.entrypoints.http.shifts import ShiftsController
from ibex.entrypoints.http.statements import ReceivablesController, StatementsController
from ibex.entrypoints.http.stock import StockController
from ibex.entrypoints.http.tracing import Tracer
from ibex.entrypoints.http.usage import UsageController
from ibex.entrypoints.http.webhooks import DeliveriesController, WebhooksController

CONTROLLERS: tuple[ControllerRouterHandler, ...] = (
    MeController,
    SalesController,
    InvoicesController,
    ReturnsController,
    ProductsController,
    CategoriesController,
    StockController,
    CustomersController,
    AccountsController,
    ReceiptsController,
    ShiftsController,
    StatementsController,
    ReceivablesController,
    LedgerController,
    ReportsController,
    StoreController,
    OperatorsController,
    TokensController,
    AuditController,
    EventsController,
    WebhooksController,
    DeliveriesController,
    UsageController,
    ExportController,
)
"""One controller per area. Add yours here."""


def documented_handlers(
    controllers: Sequence[ControllerRouterHandler] = CONTROLLERS, lifecycle: Lifecycle | None = None
) -> list[ControllerRouterHandler]:
    """What the contract describes: everything but the contract itself."""
    return [*controllers, health_controller(lifecycle or Lifecycle())]


def create_app(
    services: Services,
    *,
    controllers: Sequence[ControllerRouterHandler] = CONTROLLERS,
    limits: EdgeLimits | None = None,
    lifecycle: Lifecycle | None = None,
    observers: tuple[Observer, ...] = (),
    outages: tuple[type[Exception], ...] = (),
    begin_call: Callable[[float], Call] = NoDatabase,
    metrics: Metrics | None = None,
    tracer: Tracer | None = None,
    behind_proxy: bool = False,
) -> Edge:
    """The ASGI application. ``outages`` are the database driver's exceptions that mean it is not there;
    ``begin_call`` tells the database's side the deadline of a request, in monotonic seconds.

    Raises UnguardedRouteError if a route declares no permission.
    """
    limits = limits or EdgeLimits()
    lifecycle = lifecycle or Lifecycle()
    authenticator = Authenticator(services.tokens)
    admission = Admission(
        authenticator,
        Authenticator(services.report_sessions),
        RateLimiter(per_second=limits.rate_per_second, burst=limits.rate_burst),
    )
    everything = documented_handlers(controllers, lifecycle)
    api = Litestar(
        route_handlers=[
            *everything,
            *docs_handlers(everything),
            *page_handlers(authenticator),
            *metrics_handlers(metrics),
        ],
        before_request=admission.admit,
        exception_handlers=exception_handlers(outages),
        request_class=ApiRequest,
        request_max_body_size=limits.body_bytes,
        openapi_config=None,
        debug=False,
        logging_config=None,
    )
    plan_routes(api)
    if metrics is not None:
        observers = (metrics, *observers)
    edge = Edge(
        api,
        services,
        limits=limits,
        begin_call=begin_call,
        lifecycle=lifecycle,
        behind_proxy=behind_proxy,
        observers=(AccessLog(), *observers),
        tracer=tracer,
    )
    if metrics is not None:
        metrics.in_flight = lambda: edge.in_flight
    return edge
