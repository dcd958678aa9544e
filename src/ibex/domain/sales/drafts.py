"""Drafts: written, changed, given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ibex.domain.catalog.ports import ProductReader
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.sales.model import Invoice, InvoiceLine, InvoiceStatus, LineDraft, priced_lines, totals_of
from ibex.domain.sales.ports import InvoiceRepository
from ibex.domain.sales.posting import tell
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.requests import DraftChange, DraftRequest, LineRequest, SaleRequest, SettledInvoice
from ibex.domain.sales.sell import draft_invoice, line_drafts
from ibex.domain.shared.change import Unset, must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidTransition, NotFound
from ibex.domain.shared.ids import IdSource, InvoiceId
from ibex.domain.shared.journal import Added, BalanceTouch, Changed, Journal, Posted, Removed, Reply


class DraftInvoice:
    """Writes a new draft."""

    def __init__(self, products: ProductReader, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._products = products
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: DraftRequest, reply: Reply) -> Posted:
        """Prices the lines as of now and keeps them. Raises NotFound, InvalidValue, AlreadyExists."""
        actor.require(Permission.SALES_WRITE)
        found = await self._products.find(actor.store_id, [line.product for line in request.lines])
        sale = SaleRequest(
            lines=request.lines,
            tenders=(),
            on_credit=False,
            id=request.id,
            customer_id=request.customer_id,
            discount=request.discount,
            note=request.note,
            due_date=request.due_date,
        )
        now = self._clock.now()
        invoice = draft_invoice(actor, sale, found, now, self._ids)
        changes = changes_of(actor, now)
        changes.add(Added(thing=invoice))
        if invoice.customer_id is not None:
            changes.add(BalanceTouch(customer_id=invoice.customer_id))
        tell(changes, self._ids, "invoice.drafted", invoice)
        return await self._journal.post(changes, reply, SettledInvoice(invoice=invoice, payments=()))


class ChangeDraft:
    """Changes a draft; an issued invoice never changes."""

    def __init__(
        self,
        invoices: InvoiceRepository,
        products: ProductReader,
        journal: Journal,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._invoices = invoices
        self._products = products
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        invoice_id: InvoiceId,
        change: DraftChange,
        reply: Reply,
        *,
        expected_version: int | None,
    ) -> Posted:
        """Writes the changed draft. Raises NotFound, InvalidTransition, PreconditionFailed, ConcurrentChange."""
        actor.require(Permission.SALES_WRITE)
        before = await read_invoice(self._invoices, actor, invoice_id)
        must_have_version("invoice", before.version, expected_version)
        if before.status is not InvoiceStatus.DRAFT:
            raise InvalidTransition(
                "Only a draft can be changed. Correct an issued invoice with a credit note.",
                current=before.status.value,
            )
        after = await self._changed(actor, before, change)
        changes = changes_of(actor, self._clock.now())
        changes.add(Changed(thing=after))
        if after.lines is not before.lines:
            changes.add(Removed(table="invoice_lines", key={"invoice_id": str(before.id)}), *_lines(after))
        if after.customer_id is not None:
            changes.add(BalanceTouch(customer_id=after.customer_id))
        tell(changes, self._ids, "invoice.changed", after)
        result = SettledInvoice(invoice=replace(after, version=before.version + 1), payments=())
        return await self._journal.post(changes, reply, result)

    async def _changed(self, actor: Actor, before: Invoice, change: DraftChange) -> Invoice:
        after = before
        if not isinstance(change.customer_id, Unset):
            after = replace(after, customer_id=change.customer_id)
        if not isinstance(change.note, Unset):
            after = replace(after, note=change.note)
        if not isinstance(change.due_date, Unset):
            after = replace(after, due_date=change.due_date)
        if isinstance(change.lines, Unset) and isinstance(change.discount, Unset):
            return after
        discount = before.discount if isinstance(change.discount, Unset) else change.discount
        if isinstance(change.lines, Unset):
            drafts = [_as_draft(line) for line in before.lines]
        else:
            drafts = await self._priced(actor, change.lines)
        lines = priced_lines(
            drafts, discount=discount, prices_include_tax=before.prices_include_tax, currency=before.currency
        )
        return replace(after, discount=discount, lines=lines, totals=totals_of(lines, before.currency))

    async def _priced(self, actor: Actor, lines: Sequence[LineRequest]) -> list[LineDraft]:
        found = await self._products.find(actor.store_id, [line.product for line in lines])
        return line_drafts(actor, lines, found)


class CancelDraft:
    """Gives a draft up."""

    def __init__(self, invoices: InvoiceRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._invoices = invoices
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self, actor: Actor, invoice_id: InvoiceId, reply: Reply, *, expected_version: int | None = None
    ) -> Posted:
        """Cancels the draft. Raises NotFound, InvalidTransition, PreconditionFailed, ConcurrentChange."""
        actor.require(Permission.SALES_WRITE)
        before = await read_invoice(self._invoices, actor, invoice_id)
        must_have_version("invoice", before.version, expected_version)
        now = self._clock.now()
        after = before.cancelled(now)
        changes = changes_of(actor, now)
        changes.add(Changed(thing=after))
        tell(changes, self._ids, "invoice.cancelled", after)
        result = SettledInvoice(invoice=replace(after, version=before.version + 1), payments=())
        return await self._journal.post(changes, reply, result)


async def read_invoice(invoices: InvoiceRepository, actor: Actor, invoice_id: InvoiceId) -> Invoice:
    """The invoice, or NotFound: the same for one that is another store's."""
    invoice = await invoices.get(actor.store_id, invoice_id)
    if invoice is None:
        raise NotFound("There is no such invoice in this store.", field="invoice_id")
    return invoice


def _lines(invoice: Invoice) -> list[Added]:
    return [Added(thing=(invoice.id, line)) for line in invoice.lines]


def _as_draft(line: InvoiceLine) -> LineDraft:
    off = line.amounts.discount
    return LineDraft(
        product_id=line.product_id,
        sku=line.sku,
        name=line.name,
        unit_price=line.unit_price,
        quantity=line.quantity,
        tax_rate=line.tax_rate,
        cost_price=line.cost_price,
        discount=Discount(amount=off) if off else None,
    )
