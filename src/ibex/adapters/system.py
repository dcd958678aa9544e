"""Time, identifiers and secrets, from the operating system."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from ibex.domain.events.signing import KEY_BYTES, SigningKey
from ibex.domain.identity.opening import Secret
from ibex.domain.identity.secrets import RANDOM_BYTES, compose_secret, hash_secret, shown_part

_LOWEST_PLACEHOLDER: Final = 10**18
# 9 * 10**18 and a little more is the end of PostgreSQL's bigint.
_PLACEHOLDERS: Final = 8 * 10**18


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)


class Uuid7Source:
    """UUIDs of version 7 (RFC 9562): they rise with time, so that they are added at the end of an index."""

    def new(self) -> UUID:
        """A new one."""
        return uuid7()

    def placeholder(self) -> int:
        """A random number from 10**18 to 9 * 10**18, which a signed 64-bit integer holds."""
        return _LOWEST_PLACEHOLDER + secrets.randbelow(_PLACEHOLDERS)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. ``secret`` is shown to its owner once and kept nowhere."""

    secret: str = field(repr=False)
    secret_hash: bytes
    prefix: str


def new_token() -> NewToken:
    """A bearer token of 256 random bits."""
    secret = compose_secret(secrets.token_bytes(RANDOM_BYTES))
    return NewToken(secret=secret, secret_hash=hash_secret(secret), prefix=shown_part(secret))


class SystemSecrets:
    """Implements ibex.domain.identity.opening.SecretSource."""

    def new_token(self) -> Secret:
        """See the port."""
        made = new_token()
        return Secret(text=made.secret, hash=made.secret_hash, prefix=made.prefix)


class SystemKeys:
    """Implements ibex.domain.events.ports.KeySource and Dice."""

    def new_signing_key(self) -> SigningKey:
        """See the port."""
        return SigningKey(secrets.token_bytes(KEY_BYTES))

    def below(self, bound: int) -> int:
        """See the port."""
        return secrets.randbelow(bound)


async def let_others_go_on() -> None:
    """Requests that wait for the event loop get their turn, in the midst of long work."""
    await asyncio.sleep(0)
