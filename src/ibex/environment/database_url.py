"""Parse `DATABASE_URL` once, against an allowlist, and never repeat what it contains.

Drivers disagree about what a Neon URL means: some send `channel_binding` to the server as a setting, some
take `sslmode=require` as "encrypted but not verified", and an unencoded `@` in a password silently becomes
another host. So the URL is taken apart here, by hand, and only typed values leave this module. No message of
this module quotes the URL or a part of it: a mistyped URL may hold a piece of the password anywhere.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from ibex.environment.hosts import HostRules, check_host
from ibex.environment.values import ConfigurationError, DatabaseSettings, EndpointMode, Secret

DEFAULT_PORT: Final = 5432

_STRONG_SSLMODES: Final = frozenset({"require", "verify-ca", "verify-full"})
_WEAK_SSLMODES: Final = frozenset({"disable", "allow", "prefer"})
_HOST_PARAMETERS: Final = frozenset({"host", "hostaddr", "port", "user", "password", "dbname", "database", "service"})
_INSTEAD: Final = {
    "connect_timeout": "Remove it and set IBEX_CONNECT_TIMEOUT_SECONDS.",
    "application_name": "Remove it: the service names its connections itself.",
    "options": "Remove it: the endpoint is found by the TLS server name, timeouts are settings.",
    "pgbouncer": "Remove it: the service recognises Neon's pooled host by its name.",
    "ssl": "Write sslmode=require instead.",
    "sslrootcert": "Remove it, or write sslrootcert=system: the system's roots are always used.",
    "statement_timeout": "Remove it and set IBEX_STATEMENT_TIMEOUT_SECONDS.",
}
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_database_url(raw: str, rules: HostRules, endpoint: EndpointMode = "direct") -> DatabaseSettings:
    """The typed parts of a PostgreSQL URL. Raises ConfigurationError IBEX-E101 to E112."""
    _refuse_pasted_text(raw)
    rest = _without_scheme(raw)
    authority, path, query = _split(rest)
    _read_query(query)
    userinfo, _, hostport = authority.rpartition("@")
    if hostport == "" or hostport.startswith((":", "/", "%2F", "%2f")):
        raise _unix_socket()
    user, password = _read_userinfo(userinfo)
    host, port = _read_host(hostport)
    database = _decode(path)
    if not database or "/" in database:
        raise ConfigurationError(
            "IBEX-E105",
            "DATABASE_URL names no single database after the host.",
            "End the host with /NAME, e.g. /neondb.",
        )
    check_host(host, rules)
    return DatabaseSettings(
        host=host, port=port, user=user, password=Secret(password), database=database, endpoint=endpoint
    )


def _refuse_pasted_text(raw: str) -> None:
    if not raw.strip():
        raise ConfigurationError(
            "IBEX-E101",
            "DATABASE_URL is empty.",
            "Set it to the connection string that Neon's console shows.",
        )
    fix = "Set the value to the bare URL: from postgresql:// to the end, nothing before or after it."
    lowered = raw.strip().lower()
    if lowered.startswith("psql"):
        raise ConfigurationError("IBEX-E102", "DATABASE_URL holds a psql command, not a URL.", fix)
    if lowered.startswith(("database_url=", "export ")):
        raise ConfigurationError("IBEX-E102", "DATABASE_URL holds a whole assignment, not only its value.", fix)
    if any(mark in raw for mark in ("'", '"', "`")):
        raise ConfigurationError(
            "IBEX-E102", "DATABASE_URL contains quotes.", fix + " A quote in a password is %27 or %22."
        )
    if raw.startswith(("$", "%")) or "${" in raw or "{{" in raw:
        raise ConfigurationError("IBEX-E102", "DATABASE_URL holds a reference that nobody resolved.", fix)
    if any(character.isspace() or not character.isprintable() for character in raw):
        raise ConfigurationError(
            "IBEX-E102",
            "DATABASE_URL contains a space, a line break or a control character.",
            fix + " A space in a password is %20.",
        )


def _without_scheme(raw: str) -> str:
    scheme, mark, rest = raw.partition("://")
    scheme = scheme.lower()
    fix = "Use the postgresql:// URL that Neon's console shows."
    if not mark or not re.fullmatch(r"[a-z][a-z0-9+.:-]*", scheme):
        raise ConfigurationError("IBEX-E103", "DATABASE_URL is not a URL with a scheme.", fix)
    if scheme in ("postgres", "postgresql"):
        return rest
    if scheme.startswith(("postgres+", "postgresql+")):
        raise ConfigurationError(
            "IBEX-E103",
            "DATABASE_URL names a driver in its scheme.",
            "Write postgresql:// alone; the service picks its driver.",
        )
    raise ConfigurationError("IBEX-E103", "DATABASE_URL has the scheme of something else than PostgreSQL.", fix)


def _unencoded() -> ConfigurationError:
    return ConfigurationError(
        "IBEX-E104",
        "A character of the user name or password in DATABASE_URL is not percent-encoded, or wrongly so.",
        "Percent-encode it: @ is %40, / is %2F, # is %23, ? is %3F, % is %25, [ is %5B, ] is %5D.",
    )


def _split(rest: str) -> tuple[str, str, str]:
    """Authority, path and query. Every place where an unencoded password could end up is refused."""
    if "#" in rest:
        raise _unencoded()
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    if "@" in path or "@" in query or authority.count("@") > 1 or "?" in query:
        raise _unencoded()
    if _BAD_ESCAPE.search(rest):
        raise _unencoded()
    userinfo = authority.rpartition("@")[0]
    if "[" in userinfo or "]" in userinfo:
        raise _unencoded()
    return authority, path, query


def _decode(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _unencoded() from None
    if not decoded.isprintable():
        raise _unencoded()
    return decoded


def _read_userinfo(userinfo: str) -> tuple[str, str]:
    user, _, password = userinfo.partition(":")
    fix = "Copy the URL again from Neon's console, with the password shown."
    if not user or not password:
        raise ConfigurationError("IBEX-E105", "DATABASE_URL has no user name or no password.", fix)
    secret = _decode(password)
    if (
        set(secret) <= {"*", "\u2022", "\u25cf"}
        or secret.startswith("<")
        or secret.upper() in ("PASSWORD", "YOUR-PASSWORD")
    ):
        raise ConfigurationError("IBEX-E105", "DATABASE_URL holds a placeholder where the password belongs.", fix)
    return _decode(user), secret


def _read_host(hostport: str) -> tuple[str, int]:
    if "," in hostport:
        raise ConfigurationError(
            "IBEX-E106", "DATABASE_URL names several hosts.", "Name the one host of the Neon endpoint."
        )
    if hostport.startswith("["):
        host, closed, tail = hostport[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise _unencoded()
        port = tail[1:] if tail else ""
    else:
        host, _, port = hostport.partition(":")
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise ConfigurationError(
            "IBEX-E104",
            "DATABASE_URL has a port that is no number from 1 to 65535.",
            "Write host:5432 or leave the port out; percent-encode a colon in a user name as %3A.",
        )
    return host.lower().rstrip("."), int(port) if port else DEFAULT_PORT


def _unix_socket() -> ConfigurationError:
    return ConfigurationError(
        "IBEX-E111",
        "DATABASE_URL names no host, or a unix socket.",
        "Name the host of the Neon endpoint after the @.",
    )


def _read_query(query: str) -> None:
    seen: dict[str, str] = {}
    for pair in query.split("&") if query else []:
        name, _, value = pair.partition("=")
        if name in seen:
            raise ConfigurationError("IBEX-E108", "DATABASE_URL gives a parameter twice.", "Keep one of them.")
        seen[name] = _decode(value)
    for name, value in seen.items():
        _check_parameter(name, value)


def _check_parameter(name: str, value: str) -> None:
    if name == "host" and value.startswith("/"):
        raise _unix_socket()
    if name in _HOST_PARAMETERS:
        raise ConfigurationError(
            "IBEX-E106",
            "DATABASE_URL says in its query where or as whom to connect.",
            "Put user, password, host, port and database before the question mark.",
        )
    if name == "sslmode":
        if value in _WEAK_SSLMODES:
            raise ConfigurationError(
                "IBEX-E107", "DATABASE_URL asks for a weak sslmode.", "Write sslmode=require or verify-full."
            )
        if value not in _STRONG_SSLMODES:
            raise ConfigurationError(
                "IBEX-E107", "DATABASE_URL has an unknown sslmode.", "Write sslmode=require or verify-full."
            )
        return
    if name == "channel_binding" and value in ("require", "prefer", "disable"):
        return
    if name == "sslrootcert" and value == "system":
        return
    raise ConfigurationError(
        "IBEX-E108",
        "DATABASE_URL has a parameter in its query that the service does not take.",
        _INSTEAD.get(name, "Keep only sslmode and channel_binding."),
    )
