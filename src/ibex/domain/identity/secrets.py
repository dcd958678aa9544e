"""The shape of a bearer token's secret.

``ibex_live_`` + 43 characters that hold 256 random bits + 6 characters of a CRC-32 over all before them, in
base 62. The prefix lets secret scanners find leaked tokens; the checksum lets them, and us, tell a real one
from rubbish without a look-up (GitHub's tokens work in the same way). The checksum protects nothing: only the
256 bits do.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from typing import Final

TOKEN_PREFIX: Final = "ibex_live_"  # noqa: S105 - what every token begins with
RANDOM_BYTES: Final = 32
SHOWN_LENGTH: Final = len(TOKEN_PREFIX) + 4
"""How much of a secret is kept in the clear to know it by: the prefix and 4 of its 43 random characters."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_SHAPE: Final = re.compile(rf"{TOKEN_PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}\Z")


def compose_secret(random_bytes: bytes) -> str:
    """The secret made of 32 random bytes."""
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a token is made of {RANDOM_BYTES} random bytes")
    body = TOKEN_PREFIX + _base62(int.from_bytes(random_bytes, "big"), _RANDOM_LENGTH)
    return body + _checksum(body)


def is_well_formed(secret: str) -> bool:
    """Whether ``secret`` could be a token at all."""
    if _SHAPE.match(secret) is None:
        return False
    return hmac.compare_digest(_checksum(secret[:-_CHECKSUM_LENGTH]), secret[-_CHECKSUM_LENGTH:])


def hash_secret(secret: str) -> bytes:
    """The SHA-256 under which a token is kept. No salt and no stretching: there are 256 random bits in it."""
    return hashlib.sha256(secret.encode()).digest()


def shown_part(secret: str) -> str:
    """The beginning by which people know a token in a list."""
    return secret[:SHOWN_LENGTH]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
