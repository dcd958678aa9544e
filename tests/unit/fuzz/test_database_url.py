"""Whatever is put into DATABASE_URL is refused in words that hold nothing of it, or leads to a host that is allowed."""

from __future__ import annotations

import traceback
from urllib.parse import quote

from hypothesis import strategies as st

from ibex.environment.database_url import parse_database_url
from ibex.environment.hosts import HostRules, address_of
from ibex.environment.values import ConfigurationError
from tests.unit.fuzz.conftest import Try

# As long and odd as a generated password, so that no message holds a piece of it by chance.
PIECES = ("Kx7vQm", "zT9wRb", "pL4sYd")
SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "mysql", "", "http")
HOSTS = (
    "ep-x-1.eu.aws.neon.tech",
    "ep-x-1-pooler.eu.aws.neon.tech",
    "neon.tech",
    "evil-neon.tech",
    "x.neon.tech.evil.org",
    "localhost",
    "127.1",
    "0x7f000001",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "[",
    "169.254.169.254",
    "db.internal",
    "",
)
marks = st.text("@:/?#[]%&=' \\\"$`,;+\0\n{}", max_size=3)
passwords = st.tuples(st.sampled_from(PIECES), marks, st.sampled_from(PIECES)).map("".join)
secrets = st.one_of(passwords, passwords.map(lambda p: quote(p, safe="")))
ports = st.one_of(st.just(""), st.integers(-1, 70_000).map(lambda p: f":{p}"), st.just(":" + "9" * 5000), marks)
queries = st.one_of(
    st.just(""),
    st.lists(
        st.tuples(st.sampled_from(("sslmode", "options", "host", "password", "channel_binding", "x")), secrets)
    ).map(lambda pairs: "?" + "&".join(f"{name}={value}" for name, value in pairs)),
    st.sampled_from(("?sslmode=require", "?sslmode=require&channel_binding=require", "?sslmode=disable")),
)
urls = st.tuples(
    st.sampled_from(SCHEMES), st.sampled_from(("u", "", "u%40x")), secrets, st.sampled_from(HOSTS), ports, queries
).map(lambda p: f"{p[0]}://{p[1]}:{p[2]}@{p[3]}{p[4]}/neondb{p[5]}")
anywhere = st.tuples(urls, st.integers(0, 200), marks).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] :])


def check(raw: str) -> None:
    """Accepted on a sane host, or refused without a piece of the password."""
    try:
        settings = parse_database_url(raw, HostRules())
    except ConfigurationError as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
        # The lines of source in a traceback are the parser's own; the URL is no part of them.
        assert not any(piece in told for piece in PIECES), raw
        assert error.__cause__ is None
        return
    assert settings.host.endswith(".neon.tech"), raw
    assert address_of(settings.host) is None
    assert not set(settings.host) & set("@:/?#[]% ")
    assert 1 <= settings.port <= 65535
    assert settings.user
    assert settings.database
    assert "/" not in settings.database
    assert settings.password.reveal() not in repr(settings)


def test_urls_made_of_good_and_bad_parts(try_all: Try) -> None:
    try_all(st.one_of(urls, anywhere), check)


def test_any_text(try_all: Try) -> None:
    try_all(st.text(max_size=300), check)
