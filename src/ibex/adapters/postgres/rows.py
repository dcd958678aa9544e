"""How the domain's things are written as rows: plain dictionaries that ``ibex.post`` turns into records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from ibex.domain.catalog.model import Barcode, Category, PriceChange, Product, StockMovement
from ibex.domain.customers.model import Customer
from ibex.domain.drawer.model import DrawerClosing, Shift, ShiftMovement
from ibex.domain.events.model import NewSecret, Replay, Webhook, WebhookSecret
from ibex.domain.identity.model import ApiToken, Operator, Store
from ibex.domain.identity.sessions import ReportSession
from ibex.domain.ledger.model import LedgerEntry
from ibex.domain.sales.credit_notes import CreditNote, CreditNoteLine, LineReturned
from ibex.domain.sales.model import Invoice, InvoiceLine
from ibex.domain.sales.pricing import Discount
from ibex.domain.sales.receivables import Receivable
from ibex.domain.sales.tender import Payment

Row = dict[str, Any]


def discount_row(discount: Discount | None) -> Row | None:
    """A discount as JSON."""
    if discount is None:
        return None
    if discount.percent is not None:
        return {"percent": f"{discount.percent:f}"}
    return {"amount": f"{discount.amount:f}"}


def invoice_row(invoice: Invoice) -> Row:
    """The columns of ``ibex.invoices`` that a use case decides."""
    sums = invoice.totals
    return {
        "id": invoice.id,
        "number": invoice.number,
        "status": invoice.status,
        "customer_id": invoice.customer_id,
        "currency": invoice.currency.code,
        "prices_include_tax": invoice.prices_include_tax,
        "line_count": len(invoice.lines),
        "subtotal": sums.subtotal,
        "discount_total": sums.discount,
        "net_total": sums.net,
        "tax_total": sums.tax,
        "rounding": sums.rounding,
        "total": sums.total,
        "paid": invoice.paid,
        "credited": invoice.credited,
        "discount": discount_row(invoice.discount),
        "note": invoice.note,
        "offline": invoice.offline,
        "due_date": invoice.due_date,
        "shift_id": invoice.shift_id,
        "business_date": invoice.business_date,
        "occurred_at": invoice.occurred_at,
        "issued_at": invoice.issued_at,
    }


def changed_invoice_row(invoice: Invoice) -> Row:
    """What may change of an invoice: all of a draft, of an issued one its settlement (the database sees to that)."""
    row = invoice_row(invoice)
    del row["id"], row["currency"], row["prices_include_tax"], row["offline"]
    row["cancelled_at"] = invoice.cancelled_at
    return row


def invoice_line_row(invoice_id: UUID, line: InvoiceLine) -> Row:
    """The columns of ``ibex.invoice_lines``."""
    amounts = line.amounts
    return {
        "invoice_id": invoice_id,
        "line_no": line.line_no,
        "product_id": line.product_id,
        "sku": line.sku,
        "name": line.name,
        "unit_price": line.unit_price,
        "quantity": line.quantity,
        "tax_rate": line.tax_rate,
        "cost_price": line.cost_price,
        "gross": amounts.gross,
        "discount": amounts.discount,
        "order_discount": amounts.order_discount,
        "net": amounts.net,
        "tax": amounts.tax,
        "total": amounts.total,
    }


def credit_note_row(note: CreditNote) -> Row:
    """The columns of ``ibex.credit_notes`` that a use case decides."""
    return {
        "id": note.id,
        "number": note.number,
        "invoice_id": note.invoice_id,
        "customer_id": note.customer_id,
        "currency": note.currency.code,
        "prices_include_tax": note.prices_include_tax,
        "reason": note.reason,
        "line_count": len(note.lines),
        "net_total": note.net,
        "tax_total": note.tax,
        "rounding": note.rounding,
        "total": note.total,
        "refunded": note.refunded,
        "business_date": note.business_date,
        "occurred_at": note.occurred_at,
    }


def credit_note_line_row(note: CreditNote, line: CreditNoteLine) -> Row:
    """The columns of ``ibex.credit_note_lines``."""
    return {
        "credit_note_id": note.id,
        "line_no": line.line_no,
        "invoice_id": note.invoice_id,
        "invoice_line_no": line.invoice_line_no,
        "product_id": line.product_id,
        "sku": line.sku,
        "name": line.name,
        "unit_price": line.unit_price,
        "quantity": line.quantity,
        "tax_rate": line.tax_rate,
        "cost_price": line.cost_price,
        "net": line.net,
        "tax": line.tax,
        "total": line.total,
        "disposition": line.disposition,
    }


def line_returned_row(fact: LineReturned) -> Row:
    """What of an invoice's line has come back."""
    return {"invoice_id": fact.invoice_id, "line_no": fact.line_no, "quantity": fact.quantity}


def payment_row(payment: Payment) -> Row:
    """The columns of ``ibex.payments``."""
    applied = payment.applied
    return {
        "id": payment.id,
        "receipt_id": payment.receipt_id,
        "receipt_number": payment.receipt_number,
        "kind": payment.kind,
        "method": applied.method,
        "amount": applied.amount,
        "tendered": applied.tendered,
        "change_due": applied.change_due,
        "reference": applied.reference,
        "invoice_id": payment.invoice_id,
        "credit_note_id": payment.credit_note_id,
        "customer_id": payment.customer_id,
        "for_opening": payment.for_opening,
        "shift_id": payment.shift_id,
        "business_date": payment.business_date,
        "occurred_at": payment.occurred_at,
    }


def ledger_row(entry: LedgerEntry, seq: int) -> Row:
    """The columns of ``ibex.ledger_entries``; ``seq`` counts within the posting from 1."""
    return {
        "seq": seq,
        "id": entry.id,
        "type": entry.type,
        "debit": entry.debit,
        "credit": entry.credit,
        "currency": entry.currency.code,
        "customer_id": entry.customer_id,
        "document_number": entry.document_number,
        "invoice_id": entry.invoice_id,
        "credit_note_id": entry.credit_note_id,
        "payment_id": entry.payment_id,
        "note": entry.note,
        "business_date": entry.business_date,
        "occurred_at": entry.occurred_at,
    }


def movement_rows(movement: StockMovement, ord_: int) -> tuple[Row, Row]:
    """What to lock and check, and the columns of ``ibex.stock_movements`` that are known before."""
    check = {
        "ord": ord_,
        "product_id": movement.product_id,
        "quantity": movement.quantity,
        "counted": movement.counted,
        "version": movement.expected_version,
        "must_be_active": movement.must_be_active,
        "may_oversell": movement.may_oversell,
    }
    if movement.balance_at is not None:
        check["balance_at"] = str(movement.balance_at)
    if movement.quantity_at is not None:
        check["quantity_at"] = str(movement.quantity_at)
    row = {
        "seq": ord_,
        "id": movement.id,
        "kind": movement.kind,
        "reason": movement.reason,
        "unit_cost": movement.unit_cost,
        "invoice_id": movement.invoice_id,
        "credit_note_id": movement.credit_note_id,
        "occurred_at": movement.occurred_at,
    }
    return check, row


def product_row(product: Product) -> Row:
    """The columns of ``ibex.products`` but for the stock, which only movements change."""
    return {
        "sku": product.sku,
        "name": product.name,
        "category_id": product.category_id,
        "unit": product.unit,
        "unit_price": product.unit_price,
        "cost_price": product.cost_price,
        "tax_rate": product.tax_rate,
        "track_stock": product.track_stock,
        "reorder_level": product.reorder_level,
        "active": product.active,
    }


def customer_row(customer: Customer) -> Row:
    """The columns of ``ibex.customers`` but for the balance, which only the ledger changes."""
    return {
        "name": customer.name,
        "phone": customer.phone,
        "email": customer.email,
        "address": customer.address,
        "credit_limit": customer.credit_limit,
        "active": customer.active,
    }


def category_row(category: Category) -> Row:
    """The columns of ``ibex.categories``."""
    return {"name": category.name, "active": category.active}


def receivable_row(receivable: Receivable) -> Row:
    """What a settlement changes of ``ibex.invoices``."""
    return {"status": receivable.status, "paid": receivable.paid, "credited": receivable.credited}


def shift_row(shift: Shift) -> Row:
    """The columns of ``ibex.shifts`` of one that opens."""
    return {
        "drawer": shift.drawer,
        "status": shift.status,
        "opened_by": shift.opened_by,
        "opened_at": shift.opened_at,
        "business_date": shift.business_date,
        "opening_float": shift.opening_float,
        "version": shift.version,
    }


def shift_movement_row(movement: ShiftMovement) -> Row:
    """The columns of ``ibex.shift_movements``."""
    return {
        "shift_id": movement.shift_id,
        "kind": movement.kind,
        "amount": movement.amount,
        "reason": movement.reason,
        "operator_id": movement.operator_id,
        "recorded_at": movement.recorded_at,
    }


def closing_row(closing: DrawerClosing) -> Row:
    """What ``ibex.close_shift`` is told."""
    return {
        "shift_id": closing.shift_id,
        "counted_cash": closing.counted_cash,
        "denominations": [{"value": f"{d.value:f}", "count": d.count} for d in closing.denominations] or None,
        "note": closing.note,
        "exponent": closing.currency.exponent,
        "expected_at": str(closing.expected_at),
        "difference_at": str(closing.difference_at),
        "report_at": str(closing.report_at),
    }


def barcode_row(barcode: Barcode) -> Row:
    """The columns of ``ibex.product_barcodes``."""
    return {"barcode": barcode.code, "product_id": barcode.product_id}


def price_change_row(change: PriceChange) -> Row:
    """The columns of ``ibex.price_changes``."""
    return {
        "id": change.id,
        "product_id": change.product_id,
        "product_version": change.product_version,
        "unit_price": change.unit_price,
        "cost_price": change.cost_price,
        "tax_rate": change.tax_rate,
        "operator_id": change.operator_id,
        "changed_at": change.changed_at,
    }


def operator_row(operator: Operator) -> Row:
    """The columns of ``ibex.operators``."""
    return {"name": operator.name, "role": operator.role, "active": operator.active}


def token_row(token: ApiToken) -> Row:
    """The columns of ``ibex.api_tokens``."""
    return {
        "operator_id": token.operator_id,
        "label": token.label,
        "prefix": token.prefix,
        "secret_hash": f"\\x{token.secret_hash.hex()}",
        "scopes": None if token.scopes is None else sorted(scope.value for scope in token.scopes),
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }


def session_row(session: ReportSession) -> Row:
    """The columns of ``ibex.report_sessions``."""
    return {
        "token_id": session.token_id,
        "secret_hash": f"\\x{session.secret_hash.hex()}",
        "expires_at": session.expires_at,
    }


def store_row(store: Store) -> Row:
    """What may change of ``ibex.stores``."""
    return {
        "name": store.name,
        "time_zone": store.time_zone,
        "day_starts_at": store.day_starts_at.isoformat(),
        "prices_include_tax": store.prices_include_tax,
        "cash_rounding": store.cash_rounding,
    }


def webhook_row(webhook: Webhook) -> Row:
    """The columns of ``ibex.webhooks`` but for failing_since, which only deliveries change."""
    return {
        "url": webhook.url,
        "description": webhook.description,
        "event_types": webhook.event_types,
        "status": webhook.status,
        "disabled_because": webhook.disabled_because,
        "created_by": webhook.created_by,
    }


def new_secret_row(secret: NewSecret) -> Row:
    """The columns of ``ibex.webhook_secrets``; the only place at which a key is written."""
    return {"webhook_id": secret.webhook_id, "secret": f"\\x{secret.key.value.hex()}"}


def secret_row(secret: WebhookSecret) -> Row:
    """What may change of ``ibex.webhook_secrets``."""
    return {"expires_at": secret.expires_at}


def replay_row(replay: Replay) -> Row:
    """The columns of ``ibex.webhook_replays``."""
    return {
        "webhook_id": replay.webhook_id,
        "from_seq": replay.from_seq,
        "to_seq": replay.to_seq,
        "done_seq": replay.from_seq - 1,
    }


RECORDS: Final[dict[type, tuple[str, Callable[[Any], Row]]]] = {
    Product: ("products", product_row),
    Category: ("categories", category_row),
    Barcode: ("product_barcodes", barcode_row),
    PriceChange: ("price_changes", price_change_row),
    Customer: ("customers", customer_row),
    Receivable: ("invoices", receivable_row),
    Shift: ("shifts", shift_row),
    ShiftMovement: ("shift_movements", shift_movement_row),
    Operator: ("operators", operator_row),
    ReportSession: ("report_sessions", session_row),
    ApiToken: ("api_tokens", token_row),
    Store: ("stores", store_row),
    Webhook: ("webhooks", webhook_row),
    NewSecret: ("webhook_secrets", new_secret_row),
    WebhookSecret: ("webhook_secrets", secret_row),
    Replay: ("webhook_replays", replay_row),
}
"""Things that change seldom: their table, and their row without id, version and times of change."""
