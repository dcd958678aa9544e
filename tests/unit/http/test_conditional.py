"""Versions in headers, and cursors."""

import base64
import zlib
from uuid import UUID

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.entrypoints.http.cursors import decode_cursor, encode_cursor, page_request
from ibex.entrypoints.http.refusals import InvalidRequest
from tests.unit.http.test_problems import assert_problem

THING = f"/v1/things/{UUID(int=5)}"


async def test_reading_gives_an_etag(client: httpx.AsyncClient) -> None:
    response = await client.get(THING)
    assert response.headers["etag"] == '"v3"'
    assert response.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("header", ['"v3"', 'W/"v3"', '"v1", "v3"', "*"])
async def test_what_is_known_is_not_sent_again(header: str, client: httpx.AsyncClient) -> None:
    response = await client.get(THING, headers={"if-none-match": header})
    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["etag"] == '"v3"'


@pytest.mark.parametrize("header", ['"v2"', "v3", '"V3"', ""])
async def test_what_is_not_known_is_sent(header: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(THING, headers={"if-none-match": header})).status_code == 200


@pytest.mark.parametrize(("header", "expected"), [('"v3"', 3), ("*", None), (' "v12" ', 12), ('"v3.0a1b2c3d"', 3)])
async def test_if_match_names_a_version(header: str, expected: int | None, client: httpx.AsyncClient) -> None:
    response = await client.patch(THING, headers={"if-match": header})
    assert response.json()["expected"] == expected


@pytest.mark.parametrize(
    "header",
    ["v3", '"3"', '"v0"', '"v3.0A"', '"v-1"', 'W/"v3"', '"v99999999999"', "x", '"v3\n"'.strip()],
)
async def test_a_tag_that_was_never_ours_matches_nothing(header: str, client: httpx.AsyncClient) -> None:
    response = await client.patch(THING, headers={b"if-match": header.replace("\n", " ").encode()})
    assert_problem(response, 412, "precondition_failed")


async def test_several_tags_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.patch(THING, headers={"if-match": '"v1", "v2"'})
    assert assert_problem(response, 422, "invalid_request")["errors"][0]["field"] == "If-Match"  # type: ignore[index]


async def test_where_it_is_required_it_is_required(client: httpx.AsyncClient) -> None:
    assert_problem(await client.patch(THING + "?strict=true"), 428, "precondition_required")
    assert (await client.patch(THING + "?strict=true", headers={"if-match": "*"})).status_code == 200


async def test_pages_follow_each_other(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/things?limit=2&status=x")).json()
    second = (await client.get("/v1/things", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert first["items"] == ["x-1", "x-2"]
    assert second["items"] == ["None-3", "None-4"]


@given(st.lists(st.text(), max_size=5).map(tuple))
def test_a_cursor_brings_its_key_back(key: tuple[str, ...]) -> None:
    assert decode_cursor(encode_cursor(key)) == key


def forged(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload + zlib.crc32(payload).to_bytes(4, "big")).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "a",
        "abc",
        "\u00e9",
        "====",
        "a b",
        encode_cursor(["1"])[:-1],
        encode_cursor(["1"]) + "A",
        encode_cursor(["1", "2"]),
        encode_cursor([]),
        encode_cursor(["x"]),
        encode_cursor(["1\0"]),
        forged(b"\x02" + msgspec.json.encode(["1"])),
        forged(b"\x01" + msgspec.json.encode([1])),
        forged(b"\x01" + msgspec.json.encode({"a": "1"})),
        forged(b"\x01["),
        forged(b""),
    ],
)
def test_any_other_cursor_is_refused_by_name(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        page_request(10, cursor, int)
    assert caught.value.errors[0].field == "cursor"


@given(st.text())
def test_no_text_breaks_the_cursor(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor(cursor)
