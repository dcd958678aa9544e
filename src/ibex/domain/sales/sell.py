"""Recording a sale in one step: the till's hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.catalog.ports import ProductReader
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.sales.model import Invoice, InvoiceStatus, LineDraft, priced_lines, totals_of
from ibex.domain.sales.posting import post_receipts, post_sale, post_stock_of, receipts_for, tell
from ibex.domain.sales.pricing import Totals
from ibex.domain.sales.requests import LineRequest, Prepared, SaleRequest, SettledInvoice
from ibex.domain.sales.tender import Applied, PaymentMethod, Tender, apply_tenders, must_cover
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue, NotFound, ProductInactive, StaleProducts
from ibex.domain.shared.ids import IdSource, InvoiceId
from ibex.domain.shared.journal import Added, Counter, Journal, Posted, Reply
from ibex.domain.shared.money import ZERO, quantity, unit_price

ATTEMPTS: Final = 3
"""How often a sale is priced again when a price changed under it."""


class RecordSale:
    """Prices the lines, takes the money, lowers the stock and writes the books, in one posting."""

    def __init__(self, products: ProductReader, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._products = products
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: SaleRequest, reply: Reply) -> Posted:
        """Records the sale and returns the answer. Raises what Journal.post and prepare_sale raise."""
        actor.require(Permission.SALES_WRITE)
        refs = [line.product for line in request.lines]
        for attempt in range(1, ATTEMPTS + 1):
            found = await self._products.find(actor.store_id, refs)
            prepared = prepare_sale(actor, request, found, self._clock.now(), self._ids)
            try:
                return await self._journal.post(prepared.changes, reply, prepared.result)
            except StaleProducts:
                self._products.forget(actor.store_id, [product.id for product in found.values()])
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")


def prepare_sale(
    actor: Actor, request: SaleRequest, found: Mapping[ProductRef, Product], now: datetime, ids: IdSource
) -> Prepared:
    """The sale, decided: totals, payments and everything that is to be written.

    Raises NotFound, ProductInactive, InvalidValue, InsufficientTender, Overpayment, PermissionRefused.
    """
    store = actor.store
    draft = draft_invoice(actor, request, found, now, ids)
    sums, applied = settle_totals(actor, draft, request.tenders, on_credit=request.on_credit)
    changes = changes_of(actor, now)
    changes.shift_id = request.shift_id
    # An offline till has given the goods away: a limit can only be passed with it, not kept.
    changes.may_exceed_credit_limit = request.offline or overrides_limit(actor, request.override_reason)
    invoice = draft.issued(
        number=changes.number(Counter.INVOICE, ids),
        at=now,
        business_date=store.business_date(draft.occurred_at),
        paid=sum((one.amount for one in applied), store.currency.zero()),
        rounding=sums,
        shift_id=request.shift_id,
    )
    payments = receipts_for(
        changes,
        applied,
        ids,
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        business_date=invoice.business_date,
        occurred_at=invoice.occurred_at,
        shift_id=request.shift_id,
    )
    changes.add(Added(thing=invoice))
    versions = {product.id: product.version for product in found.values()}
    post_stock_of(changes, invoice, ids, versions=None if request.offline else versions, may_oversell=request.offline)
    post_sale(changes, invoice, ids)
    post_receipts(changes, payments, invoice, ids)
    tell(changes, ids, "invoice.issued", invoice, reason=request.override_reason)
    return Prepared(changes=changes, result=SettledInvoice(invoice=invoice, payments=payments))


def draft_invoice(
    actor: Actor, request: SaleRequest, found: Mapping[ProductRef, Product], now: datetime, ids: IdSource
) -> Invoice:
    """The sale as a draft: lines priced from the catalogue, or by hand where the actor may do that."""
    store = actor.store
    lines = priced_lines(
        line_drafts(actor, request.lines, found, offline=request.offline),
        discount=request.discount,
        prices_include_tax=store.prices_include_tax,
        currency=store.currency,
    )
    moment = request.occurred_at or now
    return Invoice(
        id=request.id or InvoiceId(ids.new()),
        store_id=store.id,
        status=InvoiceStatus.DRAFT,
        operator_id=actor.operator_id,
        currency=store.currency,
        prices_include_tax=store.prices_include_tax,
        lines=lines,
        totals=totals_of(lines, store.currency),
        business_date=store.business_date(moment),
        occurred_at=moment,
        created_at=now,
        customer_id=request.customer_id,
        discount=request.discount,
        note=request.note,
        due_date=request.due_date,
        offline=request.offline,
        paid=store.currency.zero(),
        credited=store.currency.zero(),
    )


def line_drafts(
    actor: Actor, lines: Sequence[LineRequest], found: Mapping[ProductRef, Product], *, offline: bool = False
) -> list[LineDraft]:
    """The lines with their products' facts. An offline till's price is a fact too; else a price needs a manager."""
    drafts: list[LineDraft] = []
    for i, line in enumerate(lines):
        product = found.get(line.product)
        if product is None:
            raise NotFound("There is no such product in this store.", field=f"lines[{i}]")
        if not product.active and not offline:
            raise ProductInactive("The product is archived; make it active again or sell another.", field=f"lines[{i}]")
        price = product.unit_price
        if line.unit_price is not None:
            price = unit_price(line.unit_price, actor.store.currency, field=f"lines[{i}].unit_price")
            if price != product.unit_price and not offline:
                actor.require(Permission.SALES_OVERRIDE)
        drafts.append(
            LineDraft(
                product_id=product.id,
                sku=product.sku,
                name=product.name,
                unit_price=price,
                quantity=quantity(line.quantity, field=f"lines[{i}].quantity"),
                tax_rate=product.tax_rate,
                cost_price=product.cost_price,
                discount=line.discount,
            )
        )
    return drafts


def settle_totals(
    actor: Actor, draft: Invoice, tenders: Sequence[Tender], *, on_credit: bool
) -> tuple[Totals, list[Applied]]:
    """The totals to issue with, and the tenders applied to them.

    The total is rounded to the store's cash step only where all of it is paid in cash: elsewhere the exact amount can
    be paid. Raises InvalidValue for credit or account without a customer, InsufficientTender, Overpayment.
    """
    store = actor.store
    all_cash = not on_credit and bool(tenders) and all(t.method is PaymentMethod.CASH for t in tenders)
    sums = draft.totals
    if all_cash and store.cash_rounding != ZERO:
        sums = totals_of(draft.lines, store.currency, cash_rounding=store.cash_rounding)
    if draft.customer_id is None and (on_credit or any(t.method is PaymentMethod.ACCOUNT for t in tenders)):
        raise InvalidValue("A sale on credit or from an account needs a customer.", field="customer_id")
    applied = apply_tenders(sums.total, tenders, store.currency)
    if not on_credit:
        must_cover(sums.total, applied)
    return sums, applied


def overrides_limit(actor: Actor, reason: str) -> bool:
    """Whether the credit limit may be passed: with a reason, by somebody who may override. Raises PermissionRefused."""
    if not reason:
        return False
    actor.require(Permission.SALES_OVERRIDE)
    return True
