"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com): any of its libraries checks them.

``webhook-id`` is the event's id, ``webhook-timestamp`` the seconds of this attempt, ``webhook-signature`` one
``v1,BASE64`` for each secret, separated by spaces: HMAC-SHA256 over ``id.timestamp.body``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ibex.domain.shared.errors import InvalidValue

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
KEY_BYTES: Final = 32
_SHORTEST: Final = 24
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The bytes to sign with. They show in no repr, so that no log and no traceback tells them."""

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _SHORTEST <= len(self.value) <= _LONGEST:
            raise InvalidValue(f"A signing key has {_SHORTEST} to {_LONGEST} bytes.", field="secret")

    def reveal(self) -> str:
        """What the receiver is given, once: ``whsec_`` and the bytes in base 64."""
        return SECRET_PREFIX + base64.b64encode(self.value).decode()


def signature_headers(
    message_id: str, at: datetime, body: bytes, keys: Sequence[SigningKey]
) -> tuple[tuple[str, str], ...]:
    """The three headers. Raises ValueError without a key: nothing is ever sent unsigned."""
    if not keys:
        raise ValueError("a webhook is never sent unsigned")
    seconds = str(int(at.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key.value, signed, hashlib.sha256)).decode() for key in keys)
    return (
        ("webhook-id", message_id),
        ("webhook-timestamp", seconds),
        ("webhook-signature", " ".join(f"v1,{signature}" for signature in signatures)),
    )
