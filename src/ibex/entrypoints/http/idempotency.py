"""Writes that may be repeated: one key, one effect, one answer."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Response

from ibex.domain.shared.errors import (
    DomainError,
    IdempotencyKeyReused,
    OutcomeUnknown,
    RequestInProgress,
    TemporarilyUnavailable,
)
from ibex.domain.shared.journal import Posted, Reply
from ibex.entrypoints.http.conditional import etag_of
from ibex.entrypoints.http.refusals import FieldError, Refusal
from ibex.entrypoints.http.request import ApiRequest
from ibex.entrypoints.http.types import encode

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "idempotent-replayed"
MAX_KEY_LENGTH: Final = 255
_HEADER_KEY: Final = HEADER.lower().encode()
# These say nothing about the first request, or the journal has looked at the key already.
_NOT_WORTH_RECALLING: Final = (TemporarilyUnavailable, IdempotencyKeyReused, RequestInProgress)


class _Identity(msgspec.Struct):
    """What the headers need to know of a document."""

    id: str = ""
    version: int = 0


_identity: Final = msgspec.json.Decoder(_Identity)


async def reply_for(request: ApiRequest, present: Callable[[Any], Any], *, status: int) -> Reply:
    """How this caller will be answered: ``present`` makes the view of the use case's result.

    Raises Refusal (invalid_idempotency_key).
    """
    key = request.exchange.raw_headers.get(_HEADER_KEY)
    if key is None:
        return Reply(present=lambda result: encode(present(result)), status=status)
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not all(0x20 <= byte < 0x7F for byte in key):
        message = f"Give 1 to {MAX_KEY_LENGTH} printable ASCII characters."
        raise Refusal("invalid_idempotency_key", message, errors=[FieldError(HEADER, message)])
    return Reply(
        present=lambda result: encode(present(result)),
        status=status,
        key=key.decode("ascii"),
        fingerprint=await fingerprint(request),
    )


async def fingerprint(request: ApiRequest) -> bytes:
    """The SHA-256 of method, path, query and raw body: what makes a request the same request."""
    digest = hashlib.sha256(request.method.encode())
    digest.update(b"\n" + request.scope["path"].encode() + b"\n" + request.scope["query_string"] + b"\n")
    digest.update(await request.body())
    return digest.digest()


async def answer(
    request: ApiRequest,
    use_case: Callable[[Reply], Awaitable[Posted]],
    present: Callable[[Any], Any],
    *,
    status: int = 201,
    location: str | None = None,
) -> Response[Any]:
    """Runs a use case that posts through the journal, and answers with what it posted, now or the first time.

    ``present`` turns the use case's result into a view. ``location`` is the path that the document's id is
    put behind, for the Location header. A document with a ``version`` gets it as its ETag.
    """
    reply = await reply_for(request, present, status=status)
    try:
        posted = await use_case(reply)
    except DomainError as refusal:
        # A retry must get the first answer, though by now the document's state would refuse it.
        first = await _recall(request, reply, refusal)
        if first is None:
            raise
        posted = first
    return respond(posted, location=location)


def respond(posted: Posted, *, location: str | None = None) -> Response[Any]:
    """The answer that the journal holds, byte for byte."""
    headers: dict[str, str] = {}
    if posted.replayed:
        headers[REPLAYED_HEADER] = "true"
    if posted.status < 300 and posted.document.startswith(b"{"):
        document = _identity.decode(posted.document)
        if document.version:
            headers["etag"] = etag_of(document.version)
        if location is not None and document.id:
            headers["location"] = f"{location}/{document.id}"
    return Response(posted.document, status_code=posted.status, media_type="application/json", headers=headers)


async def _recall(request: ApiRequest, reply: Reply, refusal: DomainError) -> Posted | None:
    if reply.key is None or isinstance(refusal, _NOT_WORTH_RECALLING):
        return None
    try:
        return await request.services.journal.recall(request.actor.store_id, reply)
    except TemporarilyUnavailable as error:
        raise OutcomeUnknown(
            "Whether an earlier request with this Idempotency-Key took effect cannot be told right now. "
            "Repeat with the same key.",
            effect="unknown",
        ) from error
