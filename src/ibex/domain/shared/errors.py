"""What the shop refuses, and why.

Every error carries a stable ``code`` that callers may branch on, a sentence that tells them what to do, and details.
No error knows an HTTP status: the edge has one table from code to status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class DomainError(Exception):
    """Base of all refusals. ``code`` is stable; ``message`` is a sentence for the caller; ``details`` are data."""

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = details


class InvalidValue(DomainError):
    """A value breaks a rule of the domain. ``details['field']`` names it where one field is to blame."""

    code = "invalid_value"


class NotFound(DomainError):
    """The thing does not exist in the caller's store (or belongs to another one, which is the same answer)."""

    code = "not_found"


class AlreadyExists(DomainError):
    """The id, SKU, barcode, phone or name is taken."""

    code = "already_exists"


class PermissionRefused(DomainError):
    """The operator's role, or the token's scope, does not allow it."""

    code = "permission_refused"


class Unauthenticated(DomainError):
    """No token, or one that is unknown, expired or revoked: the caller cannot tell which."""

    code = "unauthenticated"


class InvalidTransition(DomainError):
    """The life cycle of the document does not allow this step."""

    code = "invalid_transition"


class ConcurrentChange(DomainError):
    """Somebody else changed it first; read again and repeat."""

    code = "concurrent_change"


class PreconditionFailed(DomainError):
    """``If-Match`` names a version that is not the current one."""

    code = "precondition_failed"


class PreconditionRequired(DomainError):
    """A change of this thing must say, with ``If-Match``, which version it changes."""

    code = "precondition_required"


class InsufficientStock(DomainError):
    """Less in stock than asked for. ``details['products']`` lists product, asked and in stock."""

    code = "insufficient_stock"


class ProductInactive(DomainError):
    """The product is archived or switched off, so it cannot be sold."""

    code = "product_inactive"


class CreditLimitExceeded(DomainError):
    """The customer would owe more than the credit limit."""

    code = "credit_limit_exceeded"


class InsufficientTender(DomainError):
    """The money given is less than what is to be paid."""

    code = "insufficient_tender"


class Overpayment(DomainError):
    """More than is owed, where that is not allowed."""

    code = "overpayment"


class ReturnExceedsSale(DomainError):
    """More comes back than was sold less what came back before."""

    code = "return_exceeds_sale"


class ShiftClosed(DomainError):
    """The drawer's shift is closed, or none is open."""

    code = "shift_closed"


class IdempotencyKeyReused(DomainError):
    """The same key came with another request body."""

    code = "idempotency_key_reused"


class RequestInProgress(DomainError):
    """A request with the same key is still running."""

    code = "request_in_progress"


class LimitExceeded(DomainError):
    """More lines, rows or bytes than one request may carry."""

    code = "limit_exceeded"


class TemporarilyUnavailable(DomainError):
    """The database cannot be reached in time. ``details['effect']`` is ``none`` or ``unknown``."""

    code = "temporarily_unavailable"


class OutcomeUnknown(TemporarilyUnavailable):
    """The connection was lost after the request was sent: it may have taken effect. Repeat with the same key."""

    code = "outcome_unknown"


class LastOwner(DomainError):
    """The store would be left without an active owner."""

    code = "last_owner"


class StaleProducts(ConcurrentChange):
    """A product changed after the sale was priced. ``details['products']`` are the ids; price again and repeat."""

    code = "product_changed"


class InsufficientAccountCredit(DomainError):
    """The store owes the customer less than what was to be paid from the account."""

    code = "insufficient_account_credit"


class CustomerInactive(DomainError):
    """The customer is archived, so nothing can be sold to them on this account."""

    code = "customer_inactive"


class ImportRefused(DomainError):
    """Rows of a table have errors, so nothing of it was taken. ``details['row_errors']`` lists row, column, message."""

    code = "import_refused"
