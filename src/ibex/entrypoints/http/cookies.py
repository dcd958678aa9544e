"""The cookie of a browser that has signed in to the pages.

Over TLS its name begins with ``__Host-``, which browsers accept only from this very host and only securely.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Final

from ibex.entrypoints.http.exchange import Exchange

SIGN_IN: Final = "/reports/sign-in"
PLAIN_NAME: Final = "ibex-reports"
SECURE_NAME: Final = f"__Host-{PLAIN_NAME}"
_MAX_COOKIES: Final = 4096


def session_header(exchange: Exchange) -> bytes | None:
    """The session's secret in the form of an Authorization header; None without the cookie."""
    raw = exchange.header(b"cookie") or ""
    if len(raw) > _MAX_COOKIES:
        return None
    try:
        cookies = SimpleCookie(raw)
    except CookieError:
        return None
    for name in (SECURE_NAME, PLAIN_NAME):
        if name in cookies:
            return b"Bearer " + cookies[name].value.encode("latin-1", "replace")
    return None


def session_cookie(secret: str, *, seconds: int, secure: bool) -> str:
    """The Set-Cookie header that keeps the secret from scripts and from other sites; 0 seconds take it back."""
    name, more = (SECURE_NAME, "; Secure") if secure else (PLAIN_NAME, "")
    return f"{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{more}"
