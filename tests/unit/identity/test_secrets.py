"""Tokens: their shape, and what is taken for one."""

import re
import string

from hypothesis import given
from hypothesis import strategies as st

from ibex.adapters.system import Uuid7Source, new_token
from ibex.domain.identity.secrets import compose_secret, hash_secret, is_well_formed, shown_part

random_bytes = st.binary(min_size=32, max_size=32)


def test_a_new_token() -> None:
    token = new_token()
    assert re.fullmatch(r"ibex_live_[0-9A-Za-z]{49}", token.secret)
    assert is_well_formed(token.secret)
    assert token.secret_hash == hash_secret(token.secret)
    assert token.prefix == shown_part(token.secret) == token.secret[:14]
    assert token.secret not in repr(token)


def test_tokens_differ() -> None:
    assert len({new_token().secret for _ in range(1000)}) == 1000


@given(random_bytes, random_bytes)
def test_different_bytes_make_different_tokens(one: bytes, other: bytes) -> None:
    assert (compose_secret(one) == compose_secret(other)) == (one == other)


@given(random_bytes, st.integers(0, 58), st.sampled_from(string.ascii_letters + string.digits))
def test_one_wrong_character_is_noticed(random: bytes, place: int, character: str) -> None:
    secret = compose_secret(random)
    changed = secret[:place] + character + secret[place + 1 :]
    assert is_well_formed(changed) == (changed == secret)


@given(st.text())
def test_no_text_breaks_the_check(text: str) -> None:
    assert not is_well_formed(text)


@given(random_bytes, st.sampled_from(["\n", " ", "0", "\0", "\u0660"]))
def test_nothing_may_follow(random: bytes, tail: str) -> None:
    assert not is_well_formed(compose_secret(random) + tail)


def test_ids_rise_and_placeholders_fit_a_bigint() -> None:
    ids = Uuid7Source()
    made = [ids.new() for _ in range(1000)]
    assert made == sorted(made)
    assert {uuid.version for uuid in made} == {7}
    assert all(10**18 <= ids.placeholder() < 2**63 for _ in range(1000))
