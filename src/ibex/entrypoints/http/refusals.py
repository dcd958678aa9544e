"""What the edge itself refuses, before a use case is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field. ``field`` is a path such as ``lines[0].quantity``."""

    field: str
    message: str


class Refusal(Exception):
    """A request that goes no further. ``code`` is one of `codes.KIND_BY_CODE`."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


class InvalidRequest(Refusal):
    """Fields of the body, the query or the headers are not what the route takes."""

    def __init__(self, *errors: FieldError) -> None:
        first = errors[0]
        super().__init__("invalid_request", f"{first.field}: {first.message}", errors=errors)


def invalid(field: str, message: str) -> InvalidRequest:
    """One field is to blame."""
    return InvalidRequest(FieldError(field, message))
