"""What the edge parses: anything that can be sent is understood, or refused by a refusal of ours."""

from __future__ import annotations

import asyncio
import base64
import zlib
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from ibex.domain.identity.secrets import TOKEN_PREFIX, compose_secret, is_well_formed
from ibex.domain.shared.errors import DomainError
from ibex.entrypoints.http.auth import Authenticator
from ibex.entrypoints.http.bodies import decode_body, require_json
from ibex.entrypoints.http.conditional import expected_version, view
from ibex.entrypoints.http.csv_cells import read_cell, safe_cell, text_cell
from ibex.entrypoints.http.cursors import (
    a_day,
    a_number,
    a_text,
    a_time,
    an_id,
    decode_cursor,
    encode_cursor,
    page_request,
)
from ibex.entrypoints.http.exchange import Exchange, NoDatabase
from ibex.entrypoints.http.idempotency import reply_for
from ibex.entrypoints.http.invoice_schemas import SaleInput
from ibex.entrypoints.http.negotiation import CSV, JSON, chosen
from ibex.entrypoints.http.product_csv import HEADER, parse_products, require_csv
from ibex.entrypoints.http.refusals import Refusal
from ibex.entrypoints.http.request import ApiRequest
from tests.unit.fuzz.conftest import Try
from tests.unit.http.support import FakeTokens, ThingView

REFUSALS = (Refusal, DomainError)
# What a server lets through in a header: no control characters but the tab.
header_values = st.binary(max_size=120).map(lambda raw: bytes(b for b in raw if b >= 0x20 or b == 9))


def request_with(name: bytes, value: bytes) -> ApiRequest:
    """A request with one header."""
    exchange = Exchange(
        services=cast("Any", None),
        request_id="r",
        address="a",
        raw_headers={name: value},
        started=0.0,
        call=NoDatabase(0.0),
    )
    exchange.body = b"{}"
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/things",
        "query_string": b"",
        "headers": [(name, value)],
        "litestar_app": SimpleNamespace(request_max_body_size=None),
    }
    exchange.attach(scope)
    return ApiRequest(cast("Any", scope))


def near(text: str) -> st.SearchStrategy[str]:
    """The text with a piece of it replaced, and any other text."""
    cut = st.tuples(st.integers(0, len(text)), st.integers(0, 4), st.text(max_size=4))
    return st.one_of(cut.map(lambda c: text[: c[0]] + c[2] + text[c[0] + c[1] :]), st.text(max_size=100))


def forged(key: bytes) -> str:
    """A cursor with anything in it, whose checksum is right."""
    payload = b"\x01" + key
    return base64.urlsafe_b64encode(payload + zlib.crc32(payload).to_bytes(4, "big")).rstrip(b"=").decode()


def test_cursors(try_all: Try) -> None:
    def check(cursor: str) -> None:
        for parts in ((), (a_number,), (a_day, a_number), (a_time, an_id), (a_text, an_id)):
            try:
                page_request(10, cursor, *parts)
            except Refusal as refusal:
                assert [error.field for error in refusal.errors] == ["cursor"]

    payloads = st.one_of(st.binary(max_size=60), st.lists(st.text(max_size=20), max_size=3).map(msgspec.json.encode))
    try_all(st.one_of(payloads.map(forged), near(encode_cursor(["2026-01-01", str(UUID(int=1))]))), check)


def test_a_cursor_of_any_key_comes_back(try_all: Try) -> None:
    def check(key: list[str]) -> None:
        assert decode_cursor(encode_cursor(key)) == tuple(key)

    try_all(st.lists(st.text(max_size=30), max_size=4), check)


def test_tokens(try_all: Try) -> None:
    good = compose_secret(b"\x07" * 32)

    def check(secret: str) -> None:
        # One character more, less or different is noticed without asking the database.
        assert is_well_formed(secret) is (secret == good)

    one_off = st.tuples(st.integers(0, len(good) - 1), st.integers(0, 1), st.text(max_size=1))
    try_all(one_off.map(lambda c: good[: c[0]] + c[2] + good[c[0] + c[1] :]), check)


def test_authorization_headers(try_all: Try) -> None:
    tokens = FakeTokens()

    def check(header: bytes) -> None:
        try:
            asyncio.run(Authenticator(tokens).actor(header, "a"))
        except REFUSALS:
            return
        raise AssertionError("nobody has a token")

    shaped = header_values.map(lambda v: b"Bearer " + v)
    marked = header_values.map(lambda v: f"bearer {TOKEN_PREFIX}".encode() + v)
    try_all(st.one_of(header_values, shaped, marked), check)


def test_if_match_and_if_none_match(try_all: Try) -> None:
    def check(value: bytes) -> None:
        try:
            version = expected_version(request_with(b"if-match", value))
            assert version is None or f'"v{version}"'.encode() == value.strip()
        except REFUSALS:
            pass
        answer = view(request_with(b"if-none-match", value), ThingView(id="t", name="n"), version=3)
        assert (answer.status_code == 304) is (value.strip(b" \t\x85\xa0") == b"*" or b'"v3"' in value), value

    tags = st.sampled_from((b'"v3"', b'W/"v3"', b"*", b'"v1", "v3"', b'"v99999999999"', b'"v0"', b'"v3'))
    try_all(st.one_of(tags, header_values.filter(lambda v: b'"v3"' not in v)), check)


def test_idempotency_keys(try_all: Try) -> None:
    def check(value: bytes) -> None:
        try:
            reply = asyncio.run(reply_for(request_with(b"idempotency-key", value), lambda r: r, status=201))
        except Refusal as refusal:
            assert refusal.code == "invalid_idempotency_key"
            return
        assert reply.key is not None
        assert reply.key.encode() == value

    try_all(st.one_of(header_values, st.text("abc-_ ~", max_size=300).map(str.encode)), check)


def test_accept_headers(try_all: Try) -> None:
    def check(value: bytes) -> None:
        try:
            assert chosen(request_with(b"accept", value), (JSON, CSV)) in (JSON, CSV)
        except Refusal as refusal:
            assert refusal.code == "not_acceptable"

    kinds = st.sampled_from(("text/csv", "application/json", "*/*", "text/*", "image/png", "x", "/", "", "a/b/c"))
    weights = st.sampled_from(
        ("", ";q=0.5", ";q=0", ";q=1.0", ";q=nope", ";q=", ";q", ";q=nan", ";q=inf", ";q=-1", ";=;")
    )
    lists = st.lists(st.tuples(kinds, weights).map("".join), max_size=4).map(lambda some: ", ".join(some).encode())
    try_all(st.one_of(lists, header_values), check)


def test_content_types(try_all: Try) -> None:
    def check(value: str) -> None:
        for require in (require_json, require_csv):
            try:
                require(value)
            except Refusal as refusal:
                assert refusal.code == "unsupported_media_type"

    try_all(
        st.one_of(near("application/json; charset=utf-8"), near('text/csv; header=present; charset="utf-8"')), check
    )


def test_bodies(try_all: Try) -> None:
    decoder = msgspec.json.Decoder(SaleInput)

    def check(body: bytes) -> None:
        try:
            decode_body(decoder, body)
        except Refusal as refusal:
            assert refusal.code in ("invalid_request", "malformed_json")

    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20))
    names = st.one_of(
        st.sampled_from(("lines", "payments", "payment_method", "customer_id", "quantity", "sku", "note", "id")),
        st.text(max_size=5),
    )
    values = st.recursive(
        leaves, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(names, v, max_size=4)), max_leaves=12
    )
    documents = values.map(msgspec.json.encode)
    try_all(st.one_of(documents, st.binary(max_size=100), st.just(b"[" * 100_000)), check)


def test_csv_tables(try_all: Try) -> None:
    def check(body: bytes) -> None:
        try:
            rows = parse_products(body)
        except REFUSALS:
            return
        assert all(set(row.cells) <= set(HEADER.decode().strip().split(",")) for row in rows)

    cells = st.one_of(st.text(max_size=12), st.sampled_from(('"', '""', '"a', "\r", "\n", ";", "\t", "=1+1")))
    rows = st.lists(st.lists(cells, max_size=14).map(",".join), max_size=5).map("\r\n".join)
    tables = rows.map(lambda text: HEADER + text.encode("utf-8", "surrogatepass"))
    try_all(st.one_of(tables, st.binary(max_size=200), st.binary(max_size=50).map(lambda b: HEADER + b)), check)


def test_no_exported_cell_is_a_formula(try_all: Try) -> None:
    formula = ("=", "+", "-", "@", "\t", "\r")

    def check(text: str) -> None:
        cell = text_cell(text)
        assert read_cell(cell) == text
        for written in (cell, safe_cell(text)):
            assert not written.startswith(formula) or written.lstrip("-").replace(".", "", 1).isdigit()

    shaped = st.tuples(st.sampled_from((*formula, "'", "'=", "''", "-1", "-.", "")), st.text(max_size=10)).map("".join)
    try_all(shaped, check)
