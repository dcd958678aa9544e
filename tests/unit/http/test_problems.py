"""Every exception leaves as a problem, with its code and status, and without our internals."""

import re

import httpx
import pytest

from ibex.domain.shared.errors import (
    DomainError,
    InsufficientStock,
    InvalidValue,
    OutcomeUnknown,
    TemporarilyUnavailable,
)
from ibex.entrypoints.http.codes import KIND_BY_CODE
from tests.unit.http.support import Ports, all_domain_errors


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = response.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"/errors/{code}"
    assert problem["title"] == KIND_BY_CODE[code].title
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


@pytest.mark.parametrize("kind", all_domain_errors(), ids=lambda kind: kind.__name__)
async def test_a_domain_error_has_a_row_in_the_table(
    kind: type[DomainError], client: httpx.AsyncClient, ports: Ports
) -> None:
    assert kind.code in KIND_BY_CODE
    ports.error = kind("Because.", reason="r")
    problem = assert_problem(await client.get("/v1/things/fail"), KIND_BY_CODE[kind.code].status, kind.code)
    assert problem["detail"] == "Because."
    assert problem["details"] == {"reason": "r"}


async def test_the_field_of_an_invalid_value_is_named(client: httpx.AsyncClient, ports: Ports) -> None:
    ports.error = InvalidValue("Too many decimals.", field="lines[1].unit_price")
    problem = assert_problem(await client.get("/v1/things/fail"), 422, "invalid_value")
    assert problem["errors"] == [{"field": "lines[1].unit_price", "message": "Too many decimals."}]
    assert "details" not in problem


async def test_details_reach_the_caller_as_json(client: httpx.AsyncClient, ports: Ports) -> None:
    ports.error = InsufficientStock(
        "Not enough.", products=[{"product": "p", "asked": 3}], scopes=frozenset({"b", "a"})
    )
    problem = assert_problem(await client.get("/v1/things/fail"), 409, "insufficient_stock")
    assert problem["details"] == {"products": [{"product": "p", "asked": 3}], "scopes": ["a", "b"]}


@pytest.mark.parametrize("kind", [TemporarilyUnavailable, OutcomeUnknown])
async def test_an_outage_says_when_to_come_back(
    kind: type[DomainError], client: httpx.AsyncClient, ports: Ports
) -> None:
    ports.error = kind("Later.", effect="none")
    response = await client.get("/v1/things/fail")
    assert_problem(response, 503, kind.code)
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("error", [OSError("10.0.0.1 is down"), TimeoutError("pool"), KeyError("driver")])
async def test_an_outage_that_escapes_an_adapter_is_503(
    error: Exception, client: httpx.AsyncClient, ports: Ports
) -> None:
    """LookupError stands for what the database's driver raises: it was given to the application as an outage."""
    ports.error = error
    reading = await client.get("/v1/things/fail")
    assert_problem(reading, 503, "temporarily_unavailable")
    assert reading.json()["details"] == {"effect": "none"}
    writing = await client.post("/v1/things/fail")
    assert_problem(writing, 503, "outcome_unknown")
    assert writing.json()["details"] == {"effect": "unknown"}
    assert "10.0.0.1" not in reading.text + writing.text
    assert "retry-after" in reading.headers


@pytest.mark.parametrize(
    "error", [ValueError("password=hunter2"), ZeroDivisionError(), AssertionError(), RecursionError(), RuntimeError()]
)
async def test_a_defect_is_500_and_shows_nothing(error: Exception, client: httpx.AsyncClient, ports: Ports) -> None:
    ports.error = error
    response = await client.get("/v1/things/fail")
    assert_problem(response, 500, "internal_error")
    assert "hunter2" not in response.text
    assert not re.search(r"Traceback|\.py|Error\b", response.text)


async def test_an_unknown_route(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/v1/nothing"), 404, "route_not_found")


async def test_an_id_that_is_no_uuid(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/v1/things/7"), 404, "route_not_found")


async def test_a_wrong_method_names_the_right_ones(client: httpx.AsyncClient) -> None:
    response = await client.delete("/v1/things")
    assert_problem(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= {name.strip() for name in response.headers["allow"].split(",")}


@pytest.mark.parametrize(
    "path", ["/v1/things/%00", "/%ff%fe", "/v1//things/../../etc", "/" + "a" * 5000, "/docs/assets/x"]
)
async def test_an_odd_path_is_not_found(path: str, client: httpx.AsyncClient) -> None:
    assert_problem(await client.get(path), 404, "route_not_found")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limt=1", "limt"),
        ("cursor=abc", "cursor"),
        ("cursor=" + "a" * 1001, "cursor"),
        ("status=%00", "status"),
        ("%00=1", "\0"),
        ("status=a&status=b", "status"),
    ],
)
async def test_a_bad_parameter_is_named(query: str, field: str, client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.get(f"/v1/things?{query}"), 422, "invalid_request")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert errors[0]["field"] == field


async def test_a_defect_is_logged_with_its_traceback(
    client: httpx.AsyncClient, ports: Ports, capsys: pytest.CaptureFixture[str]
) -> None:
    ports.error = ValueError("what happened")
    await client.get("/v1/things/fail")
    assert "what happened" in capsys.readouterr().out
