"""Where a list goes on: opaque to callers, and checked when it comes back."""

import base64
import binascii
import zlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar.params import QueryParameter

from ibex.domain.shared.paging import MAX_PAGE, Page, PageRequest
from ibex.entrypoints.http.refusals import invalid

MAX_CURSOR_LENGTH: Final = 1000
_VERSION: Final = b"\x01"
_CHECKSUM_BYTES: Final = 4
_decoder: Final = msgspec.json.Decoder(tuple[str, ...])
_BAD: Final = "This is no cursor of this list; take next_cursor from the page before."

T = TypeVar("T")
V = TypeVar("V")

Limit = Annotated[
    int,
    QueryParameter(ge=1, le=MAX_PAGE, description=f"How many to return, at most {MAX_PAGE}."),
]
"""``limit: Limit = DEFAULT_PAGE`` in a handler (`ibex.domain.shared.paging`)."""
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=MAX_CURSOR_LENGTH, description="The next_cursor of the page before; nothing at first."),
]
"""``cursor: Cursor = None`` in a handler."""


def page_request(
    limit: int, cursor: str | None, *parts: Callable[[str], object], width: int | None = None
) -> PageRequest:
    """What a use case is asked: ``page_request(limit, cursor, datetime.fromisoformat, UUID)``.

    ``parts`` parse the parts of the list's sort key, so that a cursor of another list, or a forged one,
    cannot reach the database; ``width`` checks only how many there are. Raises InvalidRequest naming
    ``cursor``.
    """
    if cursor is None:
        return PageRequest(limit=limit)
    after = decode_cursor(cursor)
    if len(after) != (len(parts) if width is None else width) or any("\0" in part for part in after):
        raise invalid("cursor", _BAD)
    try:
        for parse, part in zip(parts, after, strict=False):
            parse(part)
    except (ValueError, ArithmeticError):
        raise invalid("cursor", _BAD) from None
    return PageRequest(limit=limit, after=after)


def page_view(page: Page[T], present: Callable[[T], V]) -> tuple[list[V], str | None]:
    """The rows' views, and the cursor of the next page."""
    return [present(row) for row in page.rows], next_cursor(page)


def next_cursor(page: Page[Any]) -> str | None:
    """The cursor of the page after this one, or None at the end."""
    return None if page.next_after is None else encode_cursor(page.next_after)


def encode_cursor(key: Sequence[str]) -> str:
    """A sort key as a cursor."""
    payload = _VERSION + msgspec.json.encode(list(key))
    return base64.urlsafe_b64encode(payload + _checksum(payload)).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> tuple[str, ...]:
    """The sort key in a cursor. Raises InvalidRequest naming ``cursor`` for anything that we did not make."""
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        payload, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
        if payload[:1] != _VERSION or checksum != _checksum(payload):
            raise invalid("cursor", _BAD)
        return _decoder.decode(payload[1:])
    except (binascii.Error, UnicodeError, msgspec.DecodeError):
        raise invalid("cursor", _BAD) from None


def _checksum(payload: bytes) -> bytes:
    """Against cursors that were cut or mistyped. A forged one shows nothing: queries know their store."""
    return zlib.crc32(payload).to_bytes(_CHECKSUM_BYTES, "big")
