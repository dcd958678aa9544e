"""Issuing a draft, and taking money for what is owed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.sales.drafts import read_invoice
from ibex.domain.sales.model import Invoice, InvoiceStatus
from ibex.domain.sales.ports import InvoiceRepository
from ibex.domain.sales.posting import post_receipts, post_sale, post_stock_of, receipts_for, tell
from ibex.domain.sales.requests import IssueRequest, SettledInvoice
from ibex.domain.sales.sell import overrides_limit, settle_totals
from ibex.domain.sales.tender import PaymentMethod, Tender, apply_tenders
from ibex.domain.shared.change import must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidTransition, InvalidValue
from ibex.domain.shared.ids import IdSource, InvoiceId, ShiftId
from ibex.domain.shared.journal import Changed, Counter, Journal, Posted, Reply


class IssueInvoice:
    """Turns a draft into an invoice: number, stock, ledger, money, audit, in one step."""

    def __init__(self, invoices: InvoiceRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._invoices = invoices
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        invoice_id: InvoiceId,
        request: IssueRequest,
        reply: Reply,
        *,
        expected_version: int | None = None,
    ) -> Posted:
        """Issues the draft. Raises NotFound, InvalidTransition, InsufficientStock, CreditLimitExceeded and others."""
        actor.require(Permission.SALES_WRITE)
        draft = await read_invoice(self._invoices, actor, invoice_id)
        must_have_version("invoice", draft.version, expected_version)
        if draft.status is not InvoiceStatus.DRAFT:
            draft.becoming(InvoiceStatus.UNPAID)  # raises: the life cycle has one table
        now = self._clock.now()
        sums, applied = settle_totals(actor, draft, request.tenders, on_credit=request.on_credit)
        changes = changes_of(actor, now)
        changes.shift_id = request.shift_id
        changes.may_exceed_credit_limit = overrides_limit(actor, request.override_reason)
        invoice = replace(draft, occurred_at=now).issued(
            number=changes.number(Counter.INVOICE, self._ids),
            at=now,
            business_date=actor.store.business_date(now),
            paid=sum((one.amount for one in applied), draft.currency.zero()),
            rounding=sums,
            shift_id=request.shift_id,
        )
        payments = receipts_for(
            changes,
            applied,
            self._ids,
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            business_date=invoice.business_date,
            occurred_at=now,
            shift_id=request.shift_id,
        )
        changes.add(Changed(thing=invoice))
        post_stock_of(changes, invoice, self._ids)
        post_sale(changes, invoice, self._ids)
        post_receipts(changes, payments, invoice, self._ids)
        tell(changes, self._ids, "invoice.issued", invoice, reason=request.override_reason)
        result = SettledInvoice(invoice=replace(invoice, version=draft.version + 1), payments=payments)
        return await self._journal.post(changes, reply, result)


class PayInvoice:
    """Takes money for an invoice that was sold on credit: all of what is owed, or a part."""

    def __init__(self, invoices: InvoiceRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._invoices = invoices
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        invoice_id: InvoiceId,
        tenders: Sequence[Tender],
        reply: Reply,
        *,
        shift_id: ShiftId | None = None,
        expected_version: int | None = None,
    ) -> Posted:
        """Applies the tenders. Raises NotFound, InvalidTransition, Overpayment, InsufficientAccountCredit."""
        actor.require(Permission.PAYMENTS_WRITE)
        before = await read_invoice(self._invoices, actor, invoice_id)
        must_have_version("invoice", before.version, expected_version)
        must_be_owed(before)
        applied = apply_tenders(before.outstanding, tenders, before.currency)
        if not applied:
            raise InvalidValue("Give at least one payment of more than zero.", field="payments")
        if before.customer_id is None and any(one.method is PaymentMethod.ACCOUNT for one in applied):
            raise InvalidValue("Only a customer's invoice can be paid from an account.", field="payments")
        now = self._clock.now()
        changes = changes_of(actor, now)
        changes.shift_id = shift_id
        payments = receipts_for(
            changes,
            applied,
            self._ids,
            invoice_id=before.id,
            customer_id=before.customer_id,
            business_date=actor.store.business_date(now),
            occurred_at=now,
            shift_id=shift_id,
        )
        after = before.settled_by(sum((one.amount for one in applied), before.currency.zero()))
        changes.add(Changed(thing=after))
        post_receipts(changes, payments, after, self._ids)
        tell(
            changes,
            self._ids,
            "invoice.paid" if after.status is InvoiceStatus.PAID else "payment.received",
            after,
        )
        result = SettledInvoice(invoice=replace(after, version=before.version + 1), payments=payments)
        return await self._journal.post(changes, reply, result)


def must_be_owed(invoice: Invoice) -> None:
    """Raises InvalidTransition unless the invoice is issued and not settled."""
    if invoice.status is InvoiceStatus.DRAFT:
        raise InvalidTransition("Issue the draft first, and give the payment there.", current=invoice.status.value)
    if invoice.status is not InvoiceStatus.UNPAID:
        invoice.becoming(InvoiceStatus.PAID)  # raises: the life cycle has one table
