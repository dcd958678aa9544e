"""One key, one effect, one answer."""

import json

import httpx
import pytest

from ibex.domain.shared.errors import InvalidTransition, TemporarilyUnavailable
from tests.unit.http.support import Ports
from tests.unit.http.test_problems import assert_problem

KEY = {"idempotency-key": "till-3 #117"}
BODY = {"name": "a"}


async def test_a_write_answers_with_the_journals_bytes(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things", json=BODY)
    assert response.status_code == 201
    assert response.content == b'{"id":"t1","name":"a","version":3}'
    assert response.headers["content-type"] == "application/json"
    assert response.headers["etag"] == '"v3"'
    assert response.headers["location"] == "/v1/things/t1"
    assert "idempotent-replayed" not in response.headers


async def test_a_repeat_gets_the_first_answer(client: httpx.AsyncClient, ports: Ports) -> None:
    first = await client.post("/v1/things", json=BODY, headers=KEY)
    ports.error = InvalidTransition("It is issued already.")
    again = await client.post("/v1/things", json=BODY, headers=KEY)
    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["location"] == first.headers["location"]


async def test_without_a_key_the_refusal_stands(client: httpx.AsyncClient, ports: Ports) -> None:
    await client.post("/v1/things", json=BODY)
    ports.error = InvalidTransition("It is issued already.")
    assert_problem(await client.post("/v1/things", json=BODY), 409, "invalid_transition")


async def test_a_first_refusal_is_not_kept(client: httpx.AsyncClient, ports: Ports) -> None:
    ports.error = InvalidTransition("Not now.")
    assert_problem(await client.post("/v1/things", json=BODY, headers=KEY), 409, "invalid_transition")
    ports.error = None
    response = await client.post("/v1/things", json=BODY, headers=KEY)
    assert response.status_code == 201
    assert "idempotent-replayed" not in response.headers


async def test_another_request_with_the_key_is_refused(client: httpx.AsyncClient, ports: Ports) -> None:
    await client.post("/v1/things", json=BODY, headers=KEY)
    other = {"name": "b"}
    assert_problem(await client.post("/v1/things", json=other, headers=KEY), 422, "idempotency_key_reused")
    ports.error = InvalidTransition("It is issued already.")
    assert_problem(await client.post("/v1/things", json=other, headers=KEY), 422, "idempotency_key_reused")


async def test_an_outage_is_not_answered_from_memory(client: httpx.AsyncClient, ports: Ports) -> None:
    await client.post("/v1/things", json=BODY, headers=KEY)
    ports.error = TemporarilyUnavailable("Down.", effect="none")
    assert_problem(await client.post("/v1/things", json=BODY, headers=KEY), 503, "temporarily_unavailable")


async def test_the_same_document_in_other_bytes_is_another_request(client: httpx.AsyncClient) -> None:
    json_type = {"content-type": "application/json"}
    await client.post("/v1/things", content=json.dumps(BODY), headers=KEY | json_type)
    other = json.dumps(BODY, indent=2)
    response = await client.post("/v1/things", content=other, headers=KEY | json_type)
    assert_problem(response, 422, "idempotency_key_reused")


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\x01", b"\xc3\xa9", b"a\tb", b"\x7f"])
async def test_a_malformed_key_is_refused_by_name(key: bytes, client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/things", json=BODY, headers={b"idempotency-key": key})
    problem = assert_problem(response, 400, "invalid_idempotency_key")
    assert problem["errors"][0]["field"] == "Idempotency-Key"  # type: ignore[index]


@pytest.mark.parametrize("key", [b"x", b"x" * 255, b" ~!"])
async def test_the_bounds_of_a_key(key: bytes, client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/things", json=BODY, headers={b"idempotency-key": key})).status_code == 201
