"""Where a list goes on: opaque to callers, and checked when it comes back."""

import base64
import binascii
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from ibex.domain.shared.paging import MAX_PAGE, Page, PageRequest
from ibex.entrypoints.http.refusals import invalid

MAX_CURSOR_LENGTH: Final = 1000
MAX_SEQ: Final = 2**63 - 1
_DIGITS: Final = len(str(MAX_SEQ))
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


def page_request(limit: int, cursor: str | None, *parts: Callable[[str], object]) -> PageRequest:
    """What a use case is asked: ``page_request(limit, cursor, a_time, an_id)``.

    ``parts`` are the parts of the list's sort key, so that a cursor of another list, or a forged one, cannot
    reach the database. Raises InvalidRequest naming ``cursor``.
    """
    if cursor is None:
        return PageRequest(limit=limit)
    after = decode_cursor(cursor)
    if len(after) != len(parts) or any("\0" in part for part in after):
        raise invalid("cursor", _BAD)
    try:
        for parse, part in zip(parts, after, strict=True):
            parse(part)
    except (ValueError, ArithmeticError):
        raise invalid("cursor", _BAD) from None
    return PageRequest(limit=limit, after=after)


def a_text(part: str) -> str:
    """A part of a sort key that may be any text."""
    return part


def a_number(part: str) -> int:
    """A number that counts documents or entries. Raises ValueError for what the database would not write so."""
    return _as_written(part, int(part) if len(part) <= _DIGITS else -1, lambda n: str(n) if 0 <= n <= MAX_SEQ else "")


def a_day(part: str) -> date:
    """A day of trade. Raises ValueError for what the database would not write so."""
    return _as_written(part, date.fromisoformat(part), date.isoformat)


def a_time(part: str) -> datetime:
    """A moment, in UTC. Raises ValueError for what the database would not write so."""
    found = datetime.fromisoformat(part)
    if found.tzinfo != UTC:
        raise ValueError(part)
    return _as_written(part, found, datetime.isoformat)


def an_id(part: str) -> UUID:
    """An id. Raises ValueError for what the database would not write so."""
    return _as_written(part, UUID(part), str)


def _as_written(part: str, value: T, write: Callable[[T], str]) -> T:
    # Python reads more than PostgreSQL does: weeks, digits of other scripts, underscores between digits.
    if write(value) != part:
        raise ValueError(part)
    return value


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
        key = _decoder.decode(payload[1:])
    except (binascii.Error, UnicodeError, msgspec.DecodeError):
        raise invalid("cursor", _BAD) from None
    if encode_cursor(key) != cursor:  # padded, or with bits that stand for nothing
        raise invalid("cursor", _BAD)
    return key


def _checksum(payload: bytes) -> bytes:
    """Against cursors that were cut or mistyped. A forged one shows nothing: queries know their store."""
    return zlib.crc32(payload).to_bytes(_CHECKSUM_BYTES, "big")
