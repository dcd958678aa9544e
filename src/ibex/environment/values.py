"""The values that settings are made of, and the error that refuses an environment."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, quote_plus

POOLER_MARK: Final = "-pooler"

EndpointMode = Literal["direct", "as-given", "pooled"]


class Secret:
    """A string that shows as asterisks wherever it is printed, formatted, or put into a message."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself; call this only where it is handed to a driver or compared."""
        return self._value

    def __repr__(self) -> str:
        return "**********"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return False
        # What stands in the environment need not be UTF-8.
        ours, theirs = (value.encode(errors="surrogatepass") for value in (self._value, other._value))
        return hmac.compare_digest(ours, theirs)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not serialised")


class ConfigurationError(Exception):
    """The environment is refused. `id` is stable (IBEX-E1xx), `fix` says what to do; neither quotes a
    value."""

    def __init__(self, id: str, message: str, fix: str) -> None:
        super().__init__(f"{id}: {message} {fix}")
        self.id = id
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where the database is. `host` is the host as given; use `endpoint_host` to connect at run time."""

    host: str
    port: int
    user: str
    password: Secret
    database: str
    endpoint: EndpointMode = "direct"

    @property
    def host_is_pooler(self) -> bool:
        """True when the host given is Neon's pooled endpoint (`-pooler` at the end of the first label)."""
        return self.host.split(".", 1)[0].endswith(POOLER_MARK)

    @property
    def direct_host(self) -> str:
        """The host without the pooler in between; the same host when it was direct already."""
        first, dot, rest = self.host.partition(".")
        return first.removesuffix(POOLER_MARK) + dot + rest

    @property
    def endpoint_host(self) -> str:
        """The host that the running service connects to."""
        return self.direct_host if self.endpoint == "direct" else self.host

    @property
    def pooled(self) -> bool:
        """True when the running service talks through PgBouncer in transaction mode."""
        return self.endpoint == "pooled" or (self.endpoint == "as-given" and self.host_is_pooler)

    def redact(self, text: str) -> str:
        """`text` without the password, raw or percent-encoded."""
        raw = self.password.reveal()
        for shape in {raw, quote(raw, safe=""), quote(raw), quote_plus(raw)}:
            text = text.replace(shape, repr(self.password)) if len(shape) >= 4 else text
        return text
