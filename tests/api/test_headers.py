"""What every answer of every route says to browsers, whatever its status; and that no other site may read one.

The routes are those of the contract and those of the application itself, so that a new one is looked at by being there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar

from ibex.bootstrap import running
from ibex.domain.identity.model import Permission, Role
from ibex.entrypoints.http import auth
from ibex.entrypoints.http.app import create_app
from ibex.entrypoints.http.late import LateApp
from ibex.entrypoints.http.metrics import Metrics
from ibex.entrypoints.logs import plain_lines
from ibex.settings import Settings
from ibex_devtools.sandbox import Cluster
from tests.api.client import Api, Foreign, Service, furnish, open_shop
from tests.api.conftest import SETTINGS, served, service_on
from tests.api.contract_cases import METHODS, Operation, good_body, operations
from tests.architecture.test_routes import services

METRICS_TOKEN: Final = "a-token-for-metrics-alone"
OPERATIONS: Final = operations()
ONCE: Final = (
    "cache-control",
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "cross-origin-resource-policy",
    "x-request-id",
)
FIXED: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}
DISCLOSING: Final = ("server", "x-powered-by", "via", "x-litestar", "x-python-version")
ORIGINS: Final = ("https://evil.example", "null", "http://127.0.0.1")
# Not in the contract: pages for people, what describes the contract, and figures.
UNDOCUMENTED: Final = (
    ("GET", "/docs"),
    ("GET", "/docs/assets/{name}"),
    ("GET", "/openapi.json"),
    ("GET", "/metrics"),
    ("GET", "/reports"),
    ("GET", "/reports/sign-in"),
    ("POST", "/reports/sign-in"),
    ("POST", "/reports/sign-out"),
)
NOWHERE: Final = (
    "/",
    "/v1",
    "/v1/nothing",
    "/.env",
    "/robots.txt",
    "/health",
    "/docs/assets/nothing.js",
    "/docs/assets/..%2f..%2fsettings.py",
    "//evil.example/",
    "/%00",
    "/v1/%E2%80%AE",
)
PREFLIGHT: Final = {
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "authorization, content-type, idempotency-key, if-match",
    "access-control-request-private-network": "true",
}


@dataclass(slots=True)
class Findings:
    """What was asked and what was wrong with the answers."""

    wrong: list[str] = field(default_factory=list)
    statuses: dict[str, set[int]] = field(default_factory=dict)
    answers: int = 0

    def see(self, what: str, answer: httpx.Response) -> httpx.Response:
        """Looks at one answer."""
        self.answers += 1
        self.statuses.setdefault(what, set()).add(answer.status_code)
        self.wrong += [f"{what} {answer.status_code}: {fault}" for fault in faults_of(answer)]
        return answer

    @property
    def seen(self) -> set[int]:
        """Every status that there was."""
        return {status for statuses in self.statuses.values() for status in statuses}


def faults_of(answer: httpx.Response) -> Iterator[str]:
    """Everything that is not as it must be in this answer's headers."""
    headers, path = answer.headers, answer.request.url.path
    for name in ONCE:
        if len(headers.get_list(name)) != 1:
            yield f"{name} is there {len(headers.get_list(name))} times"
    for name, value in FIXED.items():
        if headers.get(name) != value:
            yield f"{name}: {headers.get(name)}"
    for name in headers:
        if name in DISCLOSING or name.startswith("access-control-"):
            yield f"{name}: {headers[name]}"
    page = path.startswith("/reports") and "html" in headers.get("content-type", "")
    if headers.get("referrer-policy") != ("same-origin" if page else "no-referrer"):
        yield f"referrer-policy: {headers.get('referrer-policy')}"
    if "set-cookie" in headers and not path.startswith("/reports/sign-"):
        yield "a cookie"
    yield from _faults_of_policy(headers.get("content-security-policy", ""), docs=path == "/docs")
    if not may_be_kept(answer):
        yield f"cache-control: {headers.get('cache-control')}"


def _faults_of_policy(policy: str, *, docs: bool) -> Iterator[str]:
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.strip()}
    if rules.get("default-src") != ["'none'"] or rules.get("frame-ancestors") != ["'none'"]:
        yield f"content-security-policy: {policy}"
    if rules.get("script-src", ["'self'"]) != ["'self'"] or ("script-src" in rules and not docs):
        yield f"scripts: {policy}"
    if any("*" in value or "http" in value for values in rules.values() for value in values):
        yield f"somebody else's content: {policy}"


def may_be_kept(answer: httpx.Response) -> bool:
    """Whether its Cache-Control is right: nobody keeps a refusal, nor what belongs to a store."""
    caching, path = answer.headers.get("cache-control"), answer.request.url.path
    if caching == "no-store":
        return True
    if answer.status_code not in (200, 304):
        return False
    if path.startswith("/v1/"):
        vary = answer.headers.get("vary", "").lower()
        return caching == "private, no-cache" and "etag" in answer.headers and vary == "authorization"
    described = path.startswith("/docs") or path == "/openapi.json"
    return described and (caching or "").startswith("public, max-age=")


def from_elsewhere(number: int) -> dict[str, str]:
    """The headers of a page of another site, by turns."""
    return {"origin": ORIGINS[number % len(ORIGINS)], "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}


def spoiled(operation: Operation) -> Iterator[dict[str, Any]]:
    """Requests that are refused for what they are, whoever sends them."""
    yield {"params": {"surprise": "1"}}
    yield {"headers": {"idempotency-key": "k" * 300}}
    yield {"headers": {"accept": "image/png"}, "params": operation.required_query({})}
    yield {"headers": {"if-match": '"nothing"'}}
    if "requestBody" in operation.contract:
        kind = "text/csv" if operation.body is None else "application/json"
        headers = {"content-type": kind}
        yield {"content": b"{", "headers": headers}
        yield {"content": b"{}", "headers": headers}
        yield {"content": b"<a/>", "headers": {"content-type": "text/xml"}}
        # Tables and batches may be as large as ten others.
        yield {"content": b" " * 1_200_000, "headers": headers}
        yield {"content": b" " * 12_000_000, "headers": headers}


@pytest.fixture(scope="module")
async def service(
    cluster: Cluster, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """With a token for /metrics, so that there is such a route."""
    environment = cluster.environment(database_name) | SETTINGS | {"IBEX_METRICS_TOKEN": METRICS_TOKEN}
    async with service_on(environment, tmp_path_factory.mktemp("cwd")) as running_service:
        yield running_service


@pytest.fixture(scope="module")
async def own(service: Service) -> Foreign:
    """A store with one of everything."""
    return await furnish(await open_shop(service))


@pytest.fixture
def findings() -> Iterator[Findings]:
    """What the test looks at; it fails with everything that was wrong, not with the first."""
    found = Findings()
    yield found
    assert found.answers > 0
    assert not found.wrong, "\n" + "\n".join(found.wrong[:40])


@pytest.fixture(autouse=True)
def no_lines_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that configured the logs may have left them on a standard output that is closed by now."""
    monkeypatch.setattr(plain_lines, "enabled", False)


async def until_answered(api: Api, method: str, path: str, **options: Any) -> httpx.Response:
    """The answer; a body that is refused early may break the connection while it is being sent, so it is sent again."""
    for _ in range(4):
        try:
            return await api.request(method, path, **options)
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    return await api.request(method, path, **options)


def test_no_route_is_overlooked() -> None:
    app = create_app(services(), metrics=Metrics(METRICS_TOKEN, cast(Any, None))).app
    real = {
        (method, route.path_format) for route in cast(Litestar, app).routes for method in cast(Any, route).methods
    } - {("OPTIONS", route.path_format) for route in cast(Litestar, app).routes}
    listed = {(operation.method.upper(), operation.path) for operation in OPERATIONS}
    assert real == listed | set(UNDOCUMENTED)


async def test_every_route_s_good_answers(own: Foreign, findings: Findings) -> None:
    for number, operation in enumerate(OPERATIONS):
        body = good_body(operation, own.ids)
        path, method = operation.url(own.ids), operation.method.upper()
        answer = findings.see(
            str(operation),
            await own.shop.api.request(
                method,
                path,
                content=None if body is None else msgspec.json.encode(body),
                params=operation.required_query(own.ids),
                headers=from_elsewhere(number),
            ),
        )
        if "etag" in answer.headers and method == "GET":
            known = from_elsewhere(number) | {"if-none-match": answer.headers["etag"]}
            again = findings.see(str(operation), await own.shop.api.request(method, path, headers=known))
            assert again.status_code in (200, 304), str(operation)
        for media_type in operation.contract["responses"].get("200", {}).get("content", {}):
            accept = from_elsewhere(number) | {"accept": media_type}
            params = operation.required_query(own.ids)
            if method == "GET":
                findings.see(str(operation), await own.shop.api.request(method, path, params=params, headers=accept))
    # Reading always succeeds here; what is written may be refused by a rule of the shop.
    unread = {o.name for o in OPERATIONS if o.method == "get" and 200 not in findings.statuses[str(o)]}
    assert unread <= {"get_current_shift", "get_delivery"}
    assert {200, 201, 304, 409} <= findings.seen


async def test_every_route_s_refusals(own: Foreign, findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth.FailureLimiter, "failed", lambda *_: None)
    narrow = await own.shop.with_token(Role.OWNER, operator="narrow", scopes=frozenset({Permission.EVENTS_READ}))
    unknown = Api(own.shop.service.http, "ibex_live_nonsense")
    for number, operation in enumerate(OPERATIONS):
        what, method, headers = str(operation), operation.method.upper(), from_elsewhere(number)
        for api in (narrow, unknown, Api(own.shop.service.http, None)):
            findings.see(what, await api.request(method, operation.url(own.ids), headers=headers))
        for changed in spoiled(operation):
            if len(changed.get("content", b"")) > 2_000_000 and 413 in findings.statuses[what]:
                continue
            sent = changed | {"headers": headers | changed.get("headers", {})}
            findings.see(what, await until_answered(own.shop.api, method, operation.url({}), **sent))
        for wrong in ("DELETE", "PUT", "TRACE", "HEAD"):
            if wrong != method:
                findings.see(what, await own.shop.api.request(wrong, operation.url(own.ids), headers=headers))
        if not operation.public:
            assert {401, 405} <= findings.statuses[what], what
        if "requestBody" in operation.contract:
            assert {413, 415} <= findings.statuses[what], f"{what}: {findings.statuses[what]}"
            assert operation.body is None or 400 in findings.statuses[what], what
        if operation.parameters("path"):
            assert findings.statuses[what] & {404, 422}, what
        if operation.contract.get("x-permission") in {permission.value for permission in Permission}:
            assert (403 in findings.statuses[what]) is (operation.contract["x-permission"] != "events:read"), what
        assert ("406" in operation.contract["responses"]) is (406 in findings.statuses[what]), what
    assert {400, 401, 403, 404, 405, 406, 413, 415, 422} <= findings.seen


async def test_what_is_not_in_the_contract(own: Foreign, findings: Findings) -> None:
    http = own.shop.service.http
    form = {"content-type": "application/x-www-form-urlencoded"}
    for number, (method, template) in enumerate(UNDOCUMENTED):
        path = template.replace("{name}", "start.js")
        for headers in (form, form | {"authorization": f"Bearer {METRICS_TOKEN}"}, {"cookie": "ibex-reports=x"}):
            for verb in (method, "HEAD", "DELETE", "PUT"):
                asked = from_elsewhere(number) | headers
                findings.see(f"{verb} {path}", await http.request(verb, path, headers=asked))
    for path in NOWHERE:
        for api in (own.shop.api, Api(http, None)):
            for method in ("GET", "POST", "OPTIONS", "HEAD"):
                found = findings.see(f"{method} {path}", await api.request(method, path, headers=from_elsewhere(0)))
                assert found.status_code in (204, 400, 404, 405), f"{method} {path}: {found.status_code}"
                assert found.status_code != 204 or method == "OPTIONS"
    assert findings.statuses["GET /metrics"] == {200, 404}
    assert findings.statuses["GET /docs"] == findings.statuses["GET /openapi.json"] == {200}


@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", "Basic eDp5", f"Bearer {METRICS_TOKEN[:-1]}", "Bearer é"]
)
async def test_without_its_token_metrics_are_as_if_there_were_none(own: Foreign, authorization: str | None) -> None:
    http = own.shop.service.http
    headers = {} if authorization is None else {b"authorization": authorization.encode()}
    told = []
    for path in ("/metrics", "/nowhere"):
        answer = await http.get(path, headers=headers)
        names = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
        told.append((answer.status_code, names, answer.json() | {"request_id": ""}))
    assert told[0] == told[1]
    assert told[0][0] == 404
    opened = await http.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"})
    assert "ibex_http_requests_total" in opened.text


async def test_a_session_s_pages(own: Foreign, findings: Findings) -> None:
    service = own.shop.service
    async with httpx.AsyncClient(base_url=service.base_url, trust_env=False, timeout=30) as http:
        for token in ("wrong", own.shop.api.token):
            findings.see("POST /reports/sign-in", await http.post("/reports/sign-in", data={"token": token or ""}))
        for query in ({}, {"from": "2026-01-02", "to": "2026-01-01"}, {"surprise": "1"}):
            findings.see("GET /reports", await http.get("/reports", params=query))
        elsewhere = await http.post("/reports/sign-out", data={}, headers=from_elsewhere(0))
        assert findings.see("POST /reports/sign-out", elsewhere).status_code == 403
    assert {200, 303, 401, 403, 422} <= findings.seen


async def test_no_other_site_is_let_in_by_a_preflight(own: Foreign, findings: Findings) -> None:
    paths = {operation.url(own.ids) for operation in OPERATIONS} | {path for _, path in UNDOCUMENTED}
    for path in sorted(paths):
        for origin in ORIGINS:
            for api in (own.shop.api, Api(own.shop.service.http, None)):
                headers = {"origin": origin} | PREFLIGHT
                answer = findings.see(f"OPTIONS {path}", await api.request("OPTIONS", path, headers=headers))
                assert answer.status_code in (204, 404), f"{path}: {answer.status_code}"
                assert answer.content == b"" or answer.status_code == 404
    assert 204 in findings.seen


@asynccontextmanager
async def another(environment: dict[str, str], tmp_path: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with these settings."""
    settings = Settings.from_environ(environment, cwd=tmp_path)
    async with (
        served(LateApp(lambda: running(settings))) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http,
    ):
        yield http


async def ask_all(api: Api, findings: Findings) -> None:
    """Every operation, with ids of nothing, all at once."""

    async def ask(number: int, operation: Operation) -> None:
        body = b"{}" if "requestBody" in operation.contract else None
        method, headers = operation.method.upper(), from_elsewhere(number)
        answer = await api.request(method, operation.url({}), content=body, headers=headers)
        findings.see(str(operation), answer)

    await asyncio.gather(*(ask(number, operation) for number, operation in enumerate(OPERATIONS)))


async def test_who_asks_too_often(
    own: Foreign, cluster: Cluster, database_name: str, findings: Findings, tmp_path: Any
) -> None:
    environment = cluster.environment(database_name) | SETTINGS | {"IBEX_RATE_LIMIT": "1"}
    async with another(environment, tmp_path) as http:
        api = Api(http, own.shop.api.token)
        while (await api.request("GET", "/v1/me")).status_code != 429:
            pass
        await ask_all(api, findings)
        guarded = [str(o) for o in OPERATIONS if not o.public]
        assert all(429 in findings.statuses[name] for name in guarded)
        for _ in range(auth.MAX_FAILURES):
            assert (await Api(http, f"ibex_live_{uuid4()}").request("GET", "/v1/me")).status_code == 401
        await ask_all(Api(http, f"ibex_live_{uuid4()}"), guesses := Findings())
        assert all(guesses.statuses[name] == {429} for name in guarded)
        assert guesses.wrong == []


async def test_a_database_that_is_away(
    own: Foreign, cluster: Cluster, database_name: str, findings: Findings, tmp_path: Any
) -> None:
    environment = cluster.environment(database_name) | SETTINGS | {"IBEX_POOL_WAIT_SECONDS": "1"}
    url = environment["DATABASE_URL"]
    port = url.rpartition("@")[2].partition("/")[0].rpartition(":")[2]
    environment["DATABASE_URL"] = url.replace(f":{port}/", ":1/")
    async with another(environment, tmp_path) as http:
        await ask_all(Api(http, own.shop.api.token), findings)
    open_anyway = {str(o) for o in OPERATIONS if o.path == "/health/live"}
    assert {name for name, statuses in findings.statuses.items() if statuses != {503}} == open_anyway


async def test_behind_a_proxy_that_speaks_tls_every_answer_says_so() -> None:
    app = create_app(services(), behind_proxy=True, metrics=Metrics(METRICS_TOKEN, cast(Any, None)))
    paths = {operation.url({}) for operation in OPERATIONS} | {path for _, path in UNDOCUMENTED} | set(NOWHERE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        for path in sorted(paths - {"/health/ready"}):  # it asks the database
            for method in (*METHODS, "options"):
                answer = await http.request(method.upper(), path)
                found = answer.headers.get_list("strict-transport-security")
                assert found == ["max-age=63072000"], f"{method} {path}: {answer.status_code} {found}"
