"""Every error leaves as a problem (RFC 9457), and no other way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from ibex.domain.shared.errors import DomainError, OutcomeUnknown, TemporarilyUnavailable
from ibex.entrypoints.http.access import plan_of
from ibex.entrypoints.http.bodies import field_error, plain_words
from ibex.entrypoints.http.codes import kind_of
from ibex.entrypoints.http.exchange import Exchange, exchange_of
from ibex.entrypoints.http.refusals import FieldError, Refusal

MEDIA_TYPE: Final = "application/problem+json"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

log = structlog.get_logger("ibex.http")

_MISSING: Final = re.compile(r"Missing required (?P<where>\w+) parameter '(?P<name>[^']+)'")
_CODE_BY_STATUS: Final = {
    400: "bad_request",
    401: "unauthenticated",
    403: "permission_refused",
    404: "route_not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "temporarily_unavailable",
}
_DETAIL_BY_CODE: Final = {
    "route_not_found": "There is no such route. The routes are listed in /openapi.json.",
    "method_not_allowed": "The route exists, but not with this method; see the Allow header.",
    "body_too_large": "The body is larger than this route takes.",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error. Branch on ``code``; show ``detail`` to people; quote ``request_id`` to support."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] = []
    """The fields that are to blame."""
    details: dict[str, Any] = {}
    """What a program needs to react, by code: products that are short, the permission that is missing."""


def problem_type(code: str) -> str:
    """The problem's type, a URI reference: its page is a heading of docs/errors.md."""
    return f"/errors/{code}"


def build_problem(
    exchange: Exchange,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    details: Mapping[str, object] | None = None,
) -> Problem:
    """A problem of the code's kind; the exchange remembers the code for the log."""
    kind = kind_of(code)
    exchange.code = code
    return Problem(
        type=problem_type(code),
        title=kind.title,
        status=kind.status,
        detail=detail,
        code=code,
        request_id=exchange.request_id,
        errors=list(errors),
        details=dict(details or {}),
    )


def encode_problem(problem: Problem) -> bytes:
    """The problem as JSON."""
    return _ENCODER.encode(problem)


def problem_headers(code: str) -> dict[str, str]:
    """Headers that belong to a code."""
    seconds = kind_of(code).retry_after_seconds
    headers = {} if seconds is None else {"retry-after": str(seconds)}
    if code == "unauthenticated":
        headers["www-authenticate"] = 'Bearer realm="ibex"'
    return headers


def exception_handlers(outages: tuple[type[Exception], ...] = ()) -> ExceptionHandlersMap:
    """What Litestar does with an exception. ``outages``: the database driver's, when it is not there."""
    return {
        HTTPException: _framework_error,
        Refusal: _refusal,
        DomainError: _domain_error,
        **dict.fromkeys((OSError, TimeoutError, *outages), _outage),
        Exception: _defect,
    }


def _respond(
    request: Request[Any, Any, Any],
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    details: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    problem = build_problem(exchange_of(request.scope), code, detail, errors=errors, details=details)
    return Response(
        encode_problem(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem_headers(code) | dict(headers or {}),
    )


def _refusal(request: Request[Any, Any, Any], error: Refusal) -> Response[bytes]:
    return _respond(request, error.code, error.detail, errors=error.errors, headers=error.headers)


def _domain_error(request: Request[Any, Any, Any], error: DomainError) -> Response[bytes]:
    if isinstance(error, TemporarilyUnavailable):
        log.warning("unavailable", code=error.code, cause=_cause(error))
    details = dict(error.details)
    field = details.pop("field", None)
    errors = [FieldError(str(field), error.message)] if field else []
    return _respond(request, error.code, error.message, errors=errors, details=details)


def _outage(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The database went away where no adapter foresaw it: whether a change was made is not known."""
    log.warning("unavailable", code="escaped", cause=type(error).__name__, exc_info=error)
    refusal: TemporarilyUnavailable
    if request.method in SAFE_METHODS:
        refusal = TemporarilyUnavailable("The database cannot be reached. Try again.", effect="none")
    else:
        refusal = OutcomeUnknown(
            "The database went away. It may have taken effect: repeat with the same Idempotency-Key.",
            effect="unknown",
        )
    return _respond(request, refusal.code, refusal.message, details=refusal.details)


def _framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    code = _CODE_BY_STATUS.get(error.status_code)
    if code is None:
        return _defect(request, error)
    if errors := _parameter_errors(error, _aliases(request)):
        return _respond(request, "invalid_request", f"{errors[0].field}: {errors[0].message}", errors=errors)
    detail = _DETAIL_BY_CODE.get(code, kind_of(code).title + ".")
    return _respond(request, code, detail, headers=error.headers)


def _aliases(request: Request[Any, Any, Any]) -> dict[str, str]:
    # What callers wrote, where the framework tells the name of our argument: from, not date_from.
    scope: dict[str, Any] = dict(request.scope)
    handler = scope.get("route_handler")  # a request that matches no route has none
    return {} if handler is None else plan_of(handler).aliases


def _parameter_errors(error: HTTPException, aliases: Mapping[str, str]) -> list[FieldError]:
    """The parameters that the framework complains of."""
    if missing := _MISSING.match(error.detail):
        return [FieldError(missing["name"], "This parameter is required.")]
    if not isinstance(error.extra, list):
        return []
    found = []
    for item in error.extra:
        if isinstance(item, dict) and "message" in item:
            key = str(item.get("key", ""))
            key = aliases.get(key, key)
            if key == "data":  # what is wrong inside of a body was found when it was decoded
                found.append(FieldError("body", "A body is required."))
            else:
                found.append(FieldError(key or "request", plain_words(field_error(item["message"]).message)))
    return found


def _defect(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A mistake of ours: logged with all there is, answered with nothing of it."""
    log.error("internal_error", error=type(error).__name__, exc_info=error)
    return _respond(request, "internal_error", "Something went wrong here. Quote the request_id when you report it.")


def _cause(error: BaseException) -> str:
    return type(error.__cause__).__name__ if error.__cause__ else ""


# Sets in a fixed order; what JSON has no word for, as text.
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str, decimal_format="string", order="deterministic")
