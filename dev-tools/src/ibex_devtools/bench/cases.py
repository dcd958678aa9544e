"""What is asked of IBEX, case by case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ibex.adapters.postgres.queries.invoices import DOCUMENT
from ibex_devtools.bench.runs import Load, drive
from ibex_devtools.bench.serving import Service
from ibex_devtools.bench.world import Shop, reads_by_all_tills, request, sale_requests

if TYPE_CHECKING:
    from ibex_devtools.bench.suite import Stage

BATCH: Final = 500
OWED: Final = 1_000
"""Invoices of the customer whose statement is read."""


@dataclass(frozen=True, slots=True)
class Case:
    """A name for the result, a title for the reader, and the load."""

    name: str
    title: str
    load: Load


def sale_load(stage: Stage, service: Service, *, hot: bool, lines: int = 3, connections: int = 16) -> Load:
    """Sales in one store from 16 tills, or in 50 stores from a till each."""
    world = stage.world
    if hot:
        requests = sale_requests(world.hot, lines, count=400)
    else:
        requests = [sale for shop in world.many for sale in sale_requests(shop, lines, count=8)]
        # The stores in turn, and not one after the other.
        requests = [requests[n + 8 * shop] for n in range(8) for shop in range(len(world.many))]
    return Load(service, requests, connections=connections)


def make_invoices(stage: Stage, service: Service) -> list[tuple[str, str, str]]:
    """Invoices of 3 lines to read: (store, token, invoice), some of each store."""
    drive(sale_load(stage, service, hot=False), 30, stage.postmaster, limit=400)
    tokens = {shop.store_id: shop.tokens[0] for shop in stage.world.many}
    rows = stage.sandbox.cluster.execute(
        "SELECT store_id || ' ' || id FROM ibex.invoices WHERE line_count = 3 ORDER BY created_at DESC LIMIT 400;",
        database="ibex",
    )
    pairs = [line.split() for line in rows.splitlines()]
    return [(store, tokens[store], invoice) for store, invoice in pairs if store in tokens]


def read_load(service: Service, invoices: list[tuple[str, str, str]]) -> Load:
    """Reads them."""
    return Load(service, [request("GET", f"/v1/invoices/{invoice}", token) for _, token, invoice in invoices])


def read_scripts(invoices: list[tuple[str, str, str]]) -> list[str]:
    """The same statement for pgbench."""
    statement = " ".join(DOCUMENT.split())
    texts = []
    for store, _, invoice in invoices[:100]:
        text = statement.replace("$1", f"'{store}'::uuid").replace("$2", f"'{invoice}'::uuid")
        texts.append(f"{text};\n")
    return texts


def single_cases(stage: Stage, service: Service) -> list[Case]:
    """Everything that has no floor and no peer of its own."""
    hot = stage.world.hot
    if stage.plan.wants("statement"):
        _owe(stage, service, hot)
    today = datetime.now(UTC).date()
    day = f"from={today}&to={today}"
    found = [
        Case("issue", "issue a draft of 3 lines", issue_load(stage, service)),
        Case("payment", "take a payment for an invoice", payment_load(stage, service)),
        Case("product", "find a product by its barcode", Load(service, _products(hot))),
        Case(
            "statement",
            f"statement of a customer with {OWED:,} invoices, first page",
            _get(service, hot, f"/v1/customers/{hot.customer}/statement"),
        ),
        Case("ledger", "ledger, first page", _get(service, hot, "/v1/ledger")),
        Case("day_report", "sales of a day, by hour", _get(service, hot, f"/v1/reports/sales?{day}&group_by=hour")),
        Case("batch", f"{BATCH} offline sales of 3 lines in a request", batch_load(stage, service)),
    ]
    return [case for case in found if _is_there(stage, case)]


def _is_there(stage: Stage, case: Case) -> bool:
    """A route that this version of the service does not have is left out."""
    path = case.load.requests[0]["path"].partition("?")[0]
    missing = path in ("/v1/reports/sales", "/v1/sales/batch") and path not in _paths()
    if missing:
        stage.say(f"  left out: {case.title} ({path} is not there)")
    return not missing


def _paths() -> frozenset[str]:
    from ibex.entrypoints.http.app import CONTROLLERS  # noqa: PLC0415 - it imports the whole service

    found = set()
    for controller in CONTROLLERS:
        base = str(getattr(controller, "path", "") or "")
        for name in dir(controller):
            for path in getattr(getattr(controller, name, None), "paths", ()) or ():
                found.add((base + "/" + str(path).strip("/")).rstrip("/"))
    return frozenset(found)


def _get(service: Service, shop: Shop, path: str) -> Load:
    return Load(service, reads_by_all_tills(shop, [path] * len(shop.tokens)))


def _products(shop: Shop) -> list[dict[str, Any]]:
    return reads_by_all_tills(shop, [f"/v1/products?barcode={code}" for code in shop.barcodes])


def _on_credit(shop: Shop, path: str) -> list[dict[str, Any]]:
    requests = sale_requests(shop, 3, count=16)
    for one in requests:
        one["path"] = path
        one["body"]["customer_id"] = shop.customer
        if path == "/v1/invoices":
            del one["body"]["payment_method"]
        else:
            one["body"]["payment_method"] = "CREDIT"
    return requests


def _owe(stage: Stage, service: Service, shop: Shop) -> None:
    count = "SELECT count(*) FROM ibex.invoices WHERE status = 'UNPAID' AND customer_id = :'customer';"
    owed = int(stage.sandbox.cluster.execute(count, {"customer": shop.customer}, database="ibex"))
    if owed < OWED:
        drive(Load(service, _on_credit(shop, "/v1/sales")), 120, stage.postmaster, limit=OWED - owed)


def issue_load(stage: Stage, service: Service) -> Load:
    """Drafts are made first, and then issued for cash."""
    drafts = [draft for shop in stage.world.many for draft in _on_credit(shop, "/v1/invoices")[:1]]
    issues = [
        request("POST", "/v1/invoices/@ID@/issue", shop.tokens[0], {"payment_method": "CASH"})
        for shop in stage.world.many
    ]
    return Load(service, issues, prepare=drafts)


def payment_load(stage: Stage, service: Service) -> Load:
    """Sales on credit are made first, and then paid in full by card."""
    sales = [sale for shop in stage.world.many for sale in _on_credit(shop, "/v1/sales")[:1]]
    payments = [
        request("POST", "/v1/invoices/@ID@/payments", shop.tokens[0], {"payment_method": "CARD"})
        for shop in stage.world.many
    ]
    return Load(service, payments, prepare=sales)


def batch_load(stage: Stage, service: Service) -> Load:
    """What a till that was offline for a day sends when it is back."""
    requests = []
    for number, shop in enumerate(stage.world.many):
        occurred = datetime.now(UTC) - timedelta(hours=2)
        items = []
        for n, sale in enumerate(sale_requests(shop, 3, count=BATCH, seed=number)):
            lines = [line | {"unit_price": "1.99"} for line in sale["body"]["lines"]]
            items.append(
                {
                    "id": f"019a@RUN@-0000-7000-8{n:03d}-@NUMBER@",
                    "occurred_at": (occurred + timedelta(seconds=n)).isoformat(),
                    "lines": lines,
                    "payment_method": "CASH",
                }
            )
        requests.append(request("POST", "/v1/sales/batch", shop.tokens[0], {"items": items}))
    return Load(service, requests, connections=4, items=BATCH, warm_up_seconds=0.0)
