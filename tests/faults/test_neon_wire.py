"""The stand-in's reading of the protocol: chunks may split it anywhere."""

from __future__ import annotations

import itertools
import re
import struct
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex_devtools.neon.conversation import Conversation, Traffic
from ibex_devtools.neon.wire import ClientScanner, Mark, ServerScanner, error_response, sqlstate_of


def _message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


_PARSE: Final = _message("P", b"s1\0SELECT ibex.post($1)\0\0\0")
_BIND: Final = _message("B", b"\0s1\0\0\0\0\x01\0\0\0\x05hello\0\0")
_EXECUTE: Final = _message("E", b"\0\0\0\0\0")
_SYNC: Final = _message("S")
_CLIENT: Final = (
    _PARSE + _message("D", b"Ss1\0") + _message("H") + _BIND + _EXECUTE + _SYNC + _message("Q", b"COMMIT\0")
)
_CLIENT_MARKS: Final = [
    Mark("H", ""),
    Mark("E", "SELECT ibex.post($1)"),
    Mark("S", ""),
    Mark("Q", "COMMIT"),
]
_ROW: Final = _message("D", b"\0\x01\0\0\0\x06Z\0\0\0\x05I")
_READY: Final = _message("Z", b"I")
_SERVER: Final = _message("2") + _ROW * 3 + _message("C", b"SELECT 3\0") + _READY


def _cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % len(stream) for place in places), len(stream)]
    return [stream[begin:end] for begin, end in itertools.pairwise(edges)]


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_the_client_is_understood_however_its_stream_is_cut(places: list[int]) -> None:
    scanner = ClientScanner()
    assert [mark for chunk in _cut(_CLIENT, places) for mark in scanner.feed(chunk)] == _CLIENT_MARKS


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_the_server_is_understood_however_its_stream_is_cut(places: list[int]) -> None:
    scanner = ServerScanner()
    # A row that holds the bytes of ReadyForQuery is still a row.
    assert [mark for chunk in _cut(_SERVER, places) for mark in scanner.feed(chunk)] == [Mark("Z", "I")]


def test_a_statement_longer_than_what_is_kept_is_followed_to_its_end() -> None:
    scanner = ClientScanner()
    long = _message("Q", b"INSERT " + b"x" * 300_000 + b"\0")
    marks = [mark for chunk in _cut(long + _SYNC, [10, 70_000, 200_000]) for mark in scanner.feed(chunk)]
    assert [mark.kind for mark in marks] == ["Q", "S"]
    assert marks[0].text.startswith("INSERT xxx")


def test_a_closed_statement_is_forgotten() -> None:
    scanner = ClientScanner()
    scanner.feed(_PARSE + _message("C", b"Ss1\0"))
    assert scanner.feed(_BIND + _EXECUTE) == [Mark("E", "")]


def _conversation() -> tuple[Conversation, Traffic]:
    traffic = Traffic()
    conversation = Conversation(1, [traffic])
    conversation.started()
    conversation.from_server(_message("R", b"\0\0\0\0") + _READY)
    return conversation, traffic


def test_a_flight_is_one_round_trip_however_many_messages_and_chunks_it_has() -> None:
    conversation, traffic = _conversation()
    assert traffic.connect_round_trips == 1
    for chunk in (_PARSE, _BIND + _EXECUTE, _SYNC):
        conversation.from_client(chunk)
    conversation.from_server(_SERVER[:20])
    conversation.from_server(_SERVER[20:])
    assert traffic.round_trips == 1
    assert conversation.idle


def test_parse_and_flush_then_execute_are_two_round_trips() -> None:
    conversation, traffic = _conversation()
    conversation.from_client(_PARSE + _message("H"))
    conversation.from_server(_message("S", b"a\0b\0"))  # a parameter that nobody asked for answers nothing
    conversation.from_client(_message("H"))
    assert traffic.round_trips == 1
    conversation.from_server(_message("1"))
    conversation.from_client(_BIND + _EXECUTE + _SYNC)
    assert traffic.round_trips == 2


def test_pipelined_statements_share_a_round_trip() -> None:
    conversation, traffic = _conversation()
    conversation.from_client(_PARSE + _BIND + _EXECUTE + _SYNC)
    conversation.from_client(_BIND + _EXECUTE + _SYNC)
    conversation.from_server(_READY)
    assert conversation.owed == 1
    conversation.from_server(_READY)
    assert conversation.idle
    assert traffic.round_trips == 1
    assert len(traffic.texts) == 2


@pytest.mark.parametrize(
    ("status", "before", "text", "commits"),
    [
        ("I", [], "SELECT ibex.post($1)", True),
        ("I", [], "SELECT 1", False),
        ("T", ["BEGIN"], "SELECT ibex.post($1)", False),
        ("T", ["BEGIN", "SELECT ibex.post($1)"], "COMMIT", True),
        ("T", ["BEGIN", "SELECT ibex.post($1)"], "end;", True),
        ("T", ["BEGIN", "SELECT 1"], "COMMIT", False),
        ("T", ["BEGIN", "SELECT ibex.post($1)"], "ROLLBACK", False),
        ("T", ["BEGIN", "SELECT ibex.post($1)"], "SELECT CASE WHEN true THEN 1 END", False),
        ("E", ["BEGIN", "SELECT ibex.post($1)"], "COMMIT", False),
    ],
)
def test_what_commits(status: str, before: list[str], text: str, commits: bool) -> None:
    conversation, _ = _conversation()
    conversation.status = status
    conversation.transaction = [*before, text]
    assert conversation.commits(text, re.compile(r"ibex\.post")) is commits


def test_errors_carry_their_code() -> None:
    body = error_response("no", sqlstate="57P01", severity="FATAL")[5:].decode()
    assert sqlstate_of(body) == "57P01"
