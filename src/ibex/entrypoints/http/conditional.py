"""Versions of things: ETag, If-None-Match, If-Match (RFC 9110, section 13)."""

import re
import zlib
from typing import Any, Final

from litestar import Response

from ibex.domain.shared.errors import PreconditionFailed, PreconditionRequired
from ibex.entrypoints.http.refusals import invalid
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import View, encode

REVALIDATE: Final = "private, no-cache"
_VERSION: Final = re.compile(r'"v([1-9][0-9]{0,9})(?:\.[0-9a-f]{8})?"\Z')


def etag_of(version: int, moving: bytes = b"") -> str:
    """The entity tag of a version: strong, since one version is one representation.

    Stock and balances move with every sale, without a new version. The tag of a thing that shows them ends in a
    checksum of ``moving``, the representation: ``If-None-Match`` compares all of it, ``If-Match`` the version alone,
    so that a change of a price is not refused because something was sold meanwhile.
    """
    return f'"v{version}.{zlib.crc32(moving):08x}"' if moving else f'"v{version}"'


def expected_version(request: ApiRequest) -> int | None:
    """The version that ``If-Match`` asks for; None without the header or with ``*``.

    Raises PreconditionFailed for a tag that was never ours, so that it can match nothing.
    """
    header = request.exchange.header(b"if-match")
    if header is None or header.strip() == "*":
        return None
    if "," in header:
        raise invalid("If-Match", "Give one entity tag, as the ETag header had it.")
    match = _VERSION.match(header.strip())
    if match is None:
        raise PreconditionFailed("The entity tag in If-Match is none of this thing's; read it again.")
    return int(match[1])


def required_version(request: ApiRequest) -> int | None:
    """The same, where a change must say what it changes; None only for ``*``. Raises PreconditionRequired."""
    if request.exchange.header(b"if-match") is None:
        raise PreconditionRequired("Say which version you change: If-Match with the ETag that you read.")
    return expected_version(request)


def view(request: ApiRequest, document: View, *, version: int | None = None, moving: bool = False) -> Response[Any]:
    """A thing that was read: 200 with its ETag, or 304 where the caller has it as it is.

    ``moving``: it shows a stock or a balance, which changes without a new version.
    """
    body = encode(document)
    if version is None:
        return Response(body, media_type="application/json")
    tag = etag_of(version, body if moving else b"")
    # /v1/store is another document for another store's token, and may be at the same version.
    headers = {"etag": tag, "cache-control": REVALIDATE, "vary": "authorization"}
    if _knows(request.exchange.header(b"if-none-match"), tag):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _knows(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return tag in (candidate.strip().removeprefix("W/") for candidate in header.split(","))
