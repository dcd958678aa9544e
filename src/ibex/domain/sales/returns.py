"""Taking goods back: part of an invoice, all of it, or goods whose invoice nobody has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from ibex.domain.catalog.model import Product, ProductRef
from ibex.domain.catalog.ports import ProductReader
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.sales.credit_notes import (
    CreditNote,
    CreditNoteLine,
    IssuedCreditNote,
    LooseReturnRequest,
    Refund,
    ReturnRequest,
    VoidRequest,
    all_that_is_left,
    credit_lines,
    credit_total,
    must_have_lines,
)
from ibex.domain.sales.drafts import read_invoice
from ibex.domain.sales.model import Invoice
from ibex.domain.sales.ports import InvoiceRepository
from ibex.domain.sales.posting import tell
from ibex.domain.sales.pricing import ToPrice, price_lines, rounding_of
from ibex.domain.sales.refunds import apply_refunds, cash_step, post_credit_note, refunds_for, tell_credit
from ibex.domain.shared.change import must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import ConcurrentChange, InvalidTransition, InvalidValue, NotFound
from ibex.domain.shared.ids import CreditNoteId, CustomerId, IdSource, InvoiceId, ShiftId
from ibex.domain.shared.journal import Changed, Changes, Counter, Journal, Posted, Reply
from ibex.domain.shared.money import ZERO, quantity, unit_price

ATTEMPTS: Final = 3
"""How often a return is decided again when its invoice changed meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heading:
    """What the three kinds of return have in common."""

    id: CreditNoteId | None
    reason: str
    refunds: Sequence[Refund]
    shift_id: ShiftId | None


class _Crediting:
    """Reads an invoice, decides, posts; once more if the invoice changed meanwhile."""

    def __init__(self, invoices: InvoiceRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._invoices = invoices
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def _credit(
        self,
        actor: Actor,
        invoice_id: InvoiceId,
        decide: Callable[[Invoice], tuple[Changes, IssuedCreditNote]],
        reply: Reply,
        expected_version: int | None,
    ) -> Posted:
        actor.require(Permission.REFUNDS_WRITE)
        for attempt in range(1, ATTEMPTS + 1):
            invoice = await read_invoice(self._invoices, actor, invoice_id)
            must_have_version("invoice", invoice.version, expected_version)
            changes, result = decide(invoice)
            try:
                return await self._journal.post(changes, reply, result)
            except ConcurrentChange:
                if expected_version is not None or attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")


class CreditInvoice(_Crediting):
    """Takes back part of what an invoice sold."""

    async def __call__(
        self,
        actor: Actor,
        invoice_id: InvoiceId,
        request: ReturnRequest,
        reply: Reply,
        *,
        expected_version: int | None = None,
    ) -> Posted:
        """Issues the credit note.

        Raises NotFound, InvalidTransition, ReturnExceedsSale, InvalidValue, PreconditionFailed, ConcurrentChange.
        """

        def decide(invoice: Invoice) -> tuple[Changes, IssuedCreditNote]:
            return prepare_credit(
                actor, invoice, credit_lines(invoice, request.lines), _heading(request), self._clock.now(), self._ids
            )

        return await self._credit(actor, invoice_id, decide, reply, expected_version)


class VoidInvoice(_Crediting):
    """Takes back all that an invoice sold and that has not come back: the invoice keeps its number."""

    async def __call__(
        self,
        actor: Actor,
        invoice_id: InvoiceId,
        request: VoidRequest,
        reply: Reply,
        *,
        expected_version: int | None = None,
    ) -> Posted:
        """Issues a credit note of everything left. Raises InvalidTransition where nothing is, and as CreditInvoice."""

        def decide(invoice: Invoice) -> tuple[Changes, IssuedCreditNote]:
            left = all_that_is_left(invoice, request.disposition)
            if not left:
                raise InvalidTransition("All of it has come back already.", current=invoice.status.value)
            return prepare_credit(
                actor,
                invoice,
                credit_lines(invoice, left),
                _heading(request),
                self._clock.now(),
                self._ids,
                voids=True,
            )

        return await self._credit(actor, invoice_id, decide, reply, expected_version)


class CreditWithoutInvoice:
    """Takes back goods whose invoice nobody has: only by somebody who may override, and with a reason."""

    def __init__(self, products: ProductReader, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._products = products
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: LooseReturnRequest, reply: Reply) -> Posted:
        """Issues the credit note. Raises PermissionRefused, NotFound, InvalidValue, LimitExceeded."""
        actor.require(Permission.REFUNDS_WRITE)
        actor.require(Permission.SALES_OVERRIDE)
        if not request.reason.strip():
            raise InvalidValue("Say why goods are taken back without their invoice.", field="reason")
        must_have_lines(len(request.lines))
        found = await self._products.find(actor.store_id, [line.product for line in request.lines])
        lines = loose_lines(actor, request, found)
        currency = actor.store.currency
        goods = sum((line.total for line in lines), currency.zero())
        total = goods + rounding_of(goods, cash_step(actor.store, request.refunds), currency)
        changes, result = _issue(
            actor,
            _heading(request),
            lines,
            self._clock.now(),
            self._ids,
            total=total,
            refunded=total,
            customer_id=request.customer_id,
        )
        return await self._journal.post(changes, reply, result)


def prepare_credit(
    actor: Actor,
    invoice: Invoice,
    lines: tuple[CreditNoteLine, ...],
    heading: _Heading,
    now: datetime,
    ids: IdSource,
    *,
    voids: bool = False,
) -> tuple[Changes, IssuedCreditNote]:
    """A credit note for the invoice, decided: what it lowers, what goes back, and everything that is written."""
    total = credit_total(invoice, lines, cash_step=cash_step(actor.store, heading.refunds))
    refunded = max(total - invoice.outstanding, invoice.currency.zero())
    after = invoice.credited_by(total, refunded=refunded)
    changes, result = _issue(
        actor,
        heading,
        lines,
        now,
        ids,
        total=total,
        refunded=refunded,
        customer_id=invoice.customer_id,
        invoice=invoice,
    )
    changes.add(Changed(thing=after))
    if voids:
        tell(changes, ids, "invoice.voided", after, reason=heading.reason)
    return changes, result


def loose_lines(
    actor: Actor, request: LooseReturnRequest, found: Mapping[ProductRef, Product]
) -> tuple[CreditNoteLine, ...]:
    """The goods, priced as a sale of today would be, or by hand. Raises NotFound, InvalidValue."""
    currency = actor.store.currency
    priced: list[ToPrice] = []
    for i, line in enumerate(request.lines):
        product = found.get(line.product)
        if product is None:
            raise NotFound("There is no such product in this store.", field=f"lines[{i}]")
        price = product.unit_price
        if line.unit_price is not None:
            price = unit_price(line.unit_price, currency, field=f"lines[{i}].unit_price")
        pieces = quantity(line.quantity, field=f"lines[{i}].quantity")
        priced.append(ToPrice(quantity=pieces, unit_price=price, tax_rate=product.tax_rate))
    amounts = price_lines(priced, discount=None, prices_include_tax=actor.store.prices_include_tax, currency=currency)
    lines = []
    for i, (line, price_of, amount) in enumerate(zip(request.lines, priced, amounts, strict=True), start=1):
        product = found[line.product]
        lines.append(
            CreditNoteLine(
                line_no=i,
                product_id=product.id,
                sku=product.sku,
                name=product.name,
                unit_price=price_of.unit_price,
                quantity=price_of.quantity,
                tax_rate=product.tax_rate,
                cost_price=product.cost_price,
                net=amount.net,
                tax=amount.tax,
                disposition=line.disposition,
            )
        )
    return tuple(lines)


def _issue(
    actor: Actor,
    heading: _Heading,
    lines: tuple[CreditNoteLine, ...],
    now: datetime,
    ids: IdSource,
    *,
    total: Decimal,
    refunded: Decimal,
    customer_id: CustomerId | None,
    invoice: Invoice | None = None,
) -> tuple[Changes, IssuedCreditNote]:
    store = actor.store
    changes = changes_of(actor, now)
    changes.shift_id = heading.shift_id
    note = CreditNote(
        id=heading.id or CreditNoteId(ids.new()),
        store_id=store.id,
        number=changes.number(Counter.CREDIT_NOTE, ids),
        operator_id=actor.operator_id,
        currency=store.currency if invoice is None else invoice.currency,
        prices_include_tax=store.prices_include_tax if invoice is None else invoice.prices_include_tax,
        lines=lines,
        rounding=total - sum((line.total for line in lines), ZERO),
        refunded=refunded,
        business_date=store.business_date(now),
        occurred_at=now,
        issued_at=now,
        invoice_id=None if invoice is None else invoice.id,
        customer_id=customer_id,
        reason=heading.reason,
    )
    applied = apply_refunds(refunded, heading.refunds, note.currency)
    payments = refunds_for(changes, note, applied, ids, shift_id=heading.shift_id)
    post_credit_note(changes, note, payments, ids)
    tell_credit(changes, ids, note)
    return changes, IssuedCreditNote(note=note, payments=payments)


def _heading(request: ReturnRequest | VoidRequest | LooseReturnRequest) -> _Heading:
    return _Heading(id=request.id, reason=request.reason, refunds=request.refunds, shift_id=request.shift_id)
