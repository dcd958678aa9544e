"""The one table from error codes to HTTP: status and title. docs/errors.md is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """What the edge says about one code. ``retry_after_seconds`` is the default of the Retry-After header."""

    status: int
    title: str
    retry_after_seconds: int | None = None


KIND_BY_CODE: Final[dict[str, Kind]] = {
    # What the edge itself refuses.
    "bad_request": Kind(400, "The request is malformed"),
    "malformed_json": Kind(400, "The body is not valid JSON"),
    "malformed_csv": Kind(400, "The body is no valid table"),
    "invalid_request": Kind(422, "A field of the request is invalid"),
    "invalid_idempotency_key": Kind(400, "The Idempotency-Key is malformed"),
    "route_not_found": Kind(404, "There is no such route"),
    "method_not_allowed": Kind(405, "The route does not have this method"),
    "not_acceptable": Kind(406, "None of the accepted media types can be produced"),
    "request_timeout": Kind(408, "The body did not arrive in time"),
    "body_too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body's media type is not supported"),
    "too_many_failures": Kind(429, "Too many requests with invalid tokens"),
    "rate_limited": Kind(429, "Too many requests"),
    "internal_error": Kind(500, "Something went wrong here"),
    "overloaded": Kind(503, "More requests than can be served", 1),
    "draining": Kind(503, "This instance is shutting down", 1),
    "not_ready": Kind(503, "Not ready to serve", 2),
    # What the domain refuses.
    "refused": Kind(409, "Refused"),
    "invalid_value": Kind(422, "A value breaks a rule"),
    "not_found": Kind(404, "There is no such thing in this store"),
    "already_exists": Kind(409, "It exists already"),
    "permission_refused": Kind(403, "Not allowed"),
    "unauthenticated": Kind(401, "A valid token is needed"),
    "invalid_transition": Kind(409, "The document's state does not allow it"),
    "concurrent_change": Kind(409, "Somebody else changed it first"),
    "product_changed": Kind(409, "A product changed meanwhile"),
    "precondition_failed": Kind(412, "It is no longer at that version"),
    "precondition_required": Kind(428, "Say which version is to be changed"),
    "insufficient_stock": Kind(409, "Not enough in stock"),
    "product_inactive": Kind(409, "The product is not for sale"),
    "credit_limit_exceeded": Kind(409, "Above the credit limit"),
    "insufficient_account_credit": Kind(409, "Not enough credit on the account"),
    "customer_inactive": Kind(409, "The customer is not active"),
    "insufficient_tender": Kind(422, "Less money than is due"),
    "overpayment": Kind(422, "More money than is due"),
    "return_exceeds_sale": Kind(409, "More than was sold"),
    "last_owner": Kind(409, "A store needs an owner"),
    "shift_closed": Kind(409, "No shift is open"),
    "idempotency_key_reused": Kind(422, "The Idempotency-Key was used for another request"),
    "request_in_progress": Kind(409, "A request with this Idempotency-Key is running", 1),
    "limit_exceeded": Kind(422, "More than one request may carry"),
    "import_refused": Kind(422, "Rows of the table have errors"),
    "temporarily_unavailable": Kind(503, "Temporarily unavailable", 2),
    "outcome_unknown": Kind(503, "It may have taken effect", 2),
}

UNKNOWN_KIND: Final = Kind(409, "Refused")
"""For a domain error whose code is missing above; a test makes sure that there is none."""


def kind_of(code: str) -> Kind:
    """Status and title of a code."""
    return KIND_BY_CODE.get(code, UNKNOWN_KIND)
