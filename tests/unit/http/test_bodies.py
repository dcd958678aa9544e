"""Bodies that are not what the route takes are refused with the name of the field; none makes a 500."""

import json

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibex.entrypoints.http.bodies import decode_body
from ibex.entrypoints.http.refusals import Refusal
from tests.unit.http.support import Ports, ThingInput
from tests.unit.http.test_problems import assert_problem

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "name", "This field is required."),
        ({"name": "a", "nmae": 1}, "nmae", "There is no such field."),
        ({"name": 1}, "name", "Expected a string, got an integer."),
        ({"name": None}, "name", "Expected a string, got null."),
        ({"name": ""}, "name", "Expected a string of length >= 1."),
        ({"name": "x" * 201}, "name", "Expected a string of length <= 200."),
        ({"name": "a", "lines": [{}]}, "lines[0].quantity", "This field is required."),
        (
            {"name": "a", "lines": [{"quantity": "1"}, {"quantity": 2}]},
            "lines[1].quantity",
            "Expected a string, got an integer.",
        ),
        ({"name": "a", "lines": [{"quantity": "1", "x": 1}]}, "lines[0].x", "There is no such field."),
        ({"name": "a", "lines": [{"quantity": "1"}] * 4}, "lines", "Expected a list of length <= 3."),
        ({"name": "a", "lines": {}}, "lines", "Expected a list, got an object."),
        ({"name": "a", "id": "x"}, "id", "Invalid UUID."),
        ([], "body", "Expected an object, got a list."),
        ("a", "body", "Expected an object, got a string."),
        (None, "body", "Expected an object, got null."),
    ],
)
async def test_the_field_is_named(body: object, field: str, message: str, client: httpx.AsyncClient) -> None:
    problem = assert_problem(
        await client.post("/v1/things", content=json.dumps(body), headers=JSON), 422, "invalid_request"
    )
    assert problem["errors"] == [{"field": field, "message": message}]


@pytest.mark.parametrize(
    "quantity",
    ["-1", "1.5555", "1e3", "NaN", "Infinity", "0x1", "1,5", " 1", "", ".5", "5.", "1" * 10, "\u0661", "1_0"],
)
async def test_a_quantity_is_a_plain_decimal(quantity: str, client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things", json={"name": "a", "lines": [{"quantity": quantity}]})
    problem = assert_problem(response, 422, "invalid_request")
    assert problem["errors"][0]["field"] == "lines[0].quantity"  # type: ignore[index]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name":"a"}x',
        b"\xff\xfe{}",
        b'{"name":"\xff"}',
        b'{"name":"\xed\xa0\x80"}',
        b'{"name":"\\ud800"}',
        b'{"name":"\\ud800\\u0041"}',
        b'{"name":NaN}',
        b"{'name':1}",
        b'{"name":"a"',
        b"\x00",
    ],
)
async def test_what_is_no_json_is_400(body: bytes, client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/v1/things", content=body, headers=JSON), 400, "malformed_json")


async def test_no_body_at_all(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.post("/v1/things", headers=JSON), 422, "invalid_request")
    assert problem["errors"] == [{"field": "body", "message": "A body is required."}]


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"name":' * 50_000, b'{"lines":' + b"[" * 100_000, b'{"lines":[' + b'{"quantity":' * 9_000],
)
async def test_deep_nesting_is_refused(body: bytes, client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things", content=body, headers=JSON)
    assert response.status_code in (400, 422), response.text


def test_deep_nesting_in_a_free_field_is_refused() -> None:
    """A decoder that takes anything recurses; the route's own types never do."""
    with pytest.raises(Refusal) as caught:
        decode_body(msgspec.json.Decoder(), b"[" * 100_000)
    assert caught.value.code == "malformed_json"


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
     "application/json; charset=latin-1", "application/msgpack", "application/jsonx", ""],
)  # fmt: skip
async def test_another_media_type_is_415(content_type: str | None, client: httpx.AsyncClient) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert_problem(
        await client.post("/v1/things", content=b'{"name":"a"}', headers=headers), 415, "unsupported_media_type"
    )


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
async def test_json_in_utf_8_is_taken(content_type: str, client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things", content=b'{"name":"a"}', headers={"content-type": content_type})
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"name":"a\\u0000"}', "name"),
        (b'{"name":"a","lines":[{"quantity":"1","note":"\\u0000"}]}', "lines[0].note"),
        (b'{"name":"a","\\u0000":1}', "\0"),
    ],
)
async def test_nul_is_refused_by_name(body: bytes, field: str, client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.post("/v1/things", content=body, headers=JSON), 422, "invalid_request")
    assert problem["errors"][0]["field"] == field  # type: ignore[index]


def test_nul_is_found_where_no_pattern_forbids_it() -> None:
    class Free(msgspec.Struct):
        names: list[str]
        by_name: dict[str, str] = {}

    decoder = msgspec.json.Decoder(Free)
    for body, field in (
        (b'{"names":["a","b\\u0000"]}', "names[1]"),
        (b'{"names":[],"by_name":{"k":"\\u0000"}}', "by_name.k"),
    ):
        with pytest.raises(Refusal) as caught:
            decode_body(decoder, body)
        assert caught.value.errors[0].field == field
    assert decode_body(decoder, b'{"names":["a\\\\u0000"]}').names == ["a\\u0000"]


async def test_control_characters_are_refused(client: httpx.AsyncClient) -> None:
    for name in ("a\x07", "a\x7f", "a\nb"):
        assert_problem(await client.post("/v1/things", json={"name": name}), 422, "invalid_request")


async def test_every_script_is_taken(client: httpx.AsyncClient, ports: Ports) -> None:
    name = "\u0645\u062a\u062c\u0631 \u05d7\u05e0\u05d5\u05ea \u5546\u5e97 caf\u00e9 \U0001f6d2"
    assert (await client.post("/v1/things", json={"name": name})).json()["name"] == name
    assert ports.bodies[-1].name == name


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "lines", "quantity", "id", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(anything)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_anything_is_taken_or_refused(body: object) -> None:
    decoder = msgspec.json.Decoder(ThingInput)
    try:
        decoded = decode_body(decoder, json.dumps(body).encode("utf-8", "surrogatepass"))
    except Refusal as refusal:
        decoded = refusal
    assert isinstance(decoded, ThingInput) or decoded.code in ("invalid_request", "malformed_json")


@given(st.binary(max_size=200))
@settings(max_examples=1000, deadline=None)
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    with pytest.raises(Refusal):
        decode_body(msgspec.json.Decoder(ThingInput), body)
