"""From what PostgreSQL refuses to what the shop refuses: by SQLSTATE and by constraint name, never by message."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import asyncpg
import msgspec

from ibex.domain.shared.errors import (
    AlreadyExists,
    ConcurrentChange,
    CreditLimitExceeded,
    CustomerInactive,
    DomainError,
    InsufficientAccountCredit,
    InsufficientStock,
    InvalidTransition,
    InvalidValue,
    LastOwner,
    NotFound,
    ProductInactive,
    RequestInProgress,
    ReturnExceedsSale,
    ShiftClosed,
    StaleProducts,
)

KEY_EXISTS: Final = "IB005"
# Amounts in a DETAIL are numbers with decimals, which must not pass through a float.
_DECODE: Final = msgspec.json.Decoder(float_hook=Decimal).decode


def _products(rows: list[dict[str, Any]]) -> list[dict[str, object]]:
    return [
        {"product_id": row["product_id"], "asked": _text(row["asked"]), "in_stock": _text(row["stock"])} for row in rows
    ]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _insufficient_stock(detail: Any) -> DomainError:
    short = [row for row in detail if row["why"] == "IB001"]
    return InsufficientStock("There is less in stock than was asked for.", products=_products(short))


def _stale(detail: Any) -> DomainError:
    stale = [row["product_id"] for row in detail if row["why"] == "IB002"]
    return StaleProducts("A product was changed in this moment; repeat the request.", products=stale)


def _not_found(detail: Any) -> DomainError:
    row = detail[0] if isinstance(detail, list) else detail
    if "customer_id" in row:
        return NotFound("There is no such customer in this store.", field="customer_id")
    if "product_id" in row:
        return NotFound("There is no such product in this store.", field="product_id")
    return NotFound("There is no such store.", field="store_id")


def _credit_limit(detail: Any) -> DomainError:
    row = next(row for row in detail if row["why"] == "IB004")
    return CreditLimitExceeded(
        "The customer would owe more than the credit limit. Take a payment, or let a manager give a reason.",
        field="customer_id",
        balance=_text(row["balance"]),
        credit_limit=_text(row["credit_limit"]),
        asked=_text(row["asked"]),
    )


def _account(detail: Any) -> DomainError:
    row = next(row for row in detail if row["why"] == "IB011")
    return InsufficientAccountCredit(
        "There is less on the customer's account than was to be paid from it.",
        field="customer_id",
        account_credit=_text(row["account_credit"]),
    )


BY_STATE: Final[dict[str, Callable[[Any], DomainError]]] = {
    "IB001": _insufficient_stock,
    "IB002": _stale,
    "IB003": lambda _: ConcurrentChange("Somebody else changed the document in this moment; read it and repeat."),
    "IB004": _credit_limit,
    "IB006": lambda _: RequestInProgress("A request with this Idempotency-Key is still running; wait and repeat."),
    "IB007": _not_found,
    "IB008": lambda _: ShiftClosed("No such shift is open; open one, or leave shift_id out.", field="shift_id"),
    "IB009": lambda _: ConcurrentChange("Somebody else changed it in this moment; read it again and repeat."),
    "IB010": lambda _: ProductInactive("A product is archived; make it active again or sell another."),
    "IB011": _account,
    "IB012": lambda _: CustomerInactive("The customer is archived; make it active again.", field="customer_id"),
    "IB024": lambda _: LastOwner("A store keeps at least one active owner; make another operator owner first."),
    "IB023": lambda _: ShiftClosed("The shift is closed; a closed shift never changes.", field="shift_id"),
    "IB021": lambda _: InvalidTransition("An issued document does not change; correct it with a credit note."),
}

_TAKEN: Final[dict[str, tuple[str, str]]] = {
    "invoices_pk": ("id", "There is an invoice with this id already."),
    "products_pk": ("id", "There is a product with this id already."),
    "products_sku_unique": ("sku", "Another product has this SKU."),
    "product_barcodes_pk": ("barcodes", "Another product has this barcode."),
    "customers_pk": ("id", "There is a customer with this id already."),
    "customers_phone_unique": ("phone", "Another customer has this phone number."),
    "categories_pk": ("id", "There is a category with this id already."),
    "categories_name_unique": ("name", "Another category has this name."),
    "operators_pk": ("id", "There is an operator with this id already."),
    "shifts_pk": ("id", "There is a shift with this id already."),
    "shifts_one_open_per_drawer": ("drawer", "A shift is open on this drawer already; close it first."),
    "credit_notes_pk": ("id", "There is a credit note with this id already."),
    "payments_pk": ("id", "There is a payment with this id already."),
    "webhooks_pk": ("id", "There is a webhook with this id already."),
    "stock_movements_id_unique": ("id", "There is a stock movement with this id already."),
}
_MISSING: Final[dict[str, tuple[str, str]]] = {
    "products_category_fk": ("category_id", "There is no such category in this store."),
    "invoices_customer_fk": ("customer_id", "There is no such customer in this store."),
    "api_tokens_operator_fk": ("operator_id", "There is no such operator in this store."),
}


def refusal_of(error: asyncpg.PostgresError) -> DomainError | None:
    """The domain's error for the database's, or None for one that only a defect can cause."""
    return refusal(error.sqlstate or "", error.detail or "", getattr(error, "constraint_name", None) or "")


def refusal(state: str, detail: str, constraint: str) -> DomainError | None:
    """The same from the parts: SQLSTATE, DETAIL and the constraint's name."""
    make = BY_STATE.get(state)
    if make is not None:
        return make(_DECODE(detail) if detail else {})
    if constraint in _TAKEN:
        field, message = _TAKEN[constraint]
        return AlreadyExists(message, field=field)
    if constraint in _MISSING:
        field, message = _MISSING[constraint]
        return NotFound(message, field=field)
    if constraint == "invoice_lines_returned_within_sold":
        return ReturnExceedsSale("More would come back than was sold, less what came back before.", field="lines")
    if state in {"22021", "22P05"}:
        return InvalidValue("A text holds a character that cannot be stored (NUL).", field="body")
    return None
