"""Who gets in: tokens, their cache, their bounds, and the one place where permissions are enforced."""

import asyncio

import httpx
import pytest
from litestar import Controller, get

from ibex.adapters.system import NewToken, new_token
from ibex.domain.identity.model import PERMISSIONS_BY_ROLE, Permission, Role
from ibex.domain.shared.errors import TemporarilyUnavailable, Unauthenticated
from ibex.entrypoints.http.access import UnguardedRouteError
from ibex.entrypoints.http.app import create_app
from ibex.entrypoints.http.auth import ACTOR_SECONDS, FAILURE_WINDOW_SECONDS, MAX_FAILURES, Authenticator
from ibex.entrypoints.http.limits import EdgeLimits
from ibex.entrypoints.http.rate_limit import RateLimiter
from ibex.entrypoints.http.refusals import Refusal
from tests.unit.http.support import FakeTokens, Ports, actor_with, build, client_of
from tests.unit.http.test_problems import assert_problem


class FakeTime:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def bearer(token: NewToken) -> bytes:
    return b"Bearer " + token.secret.encode()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwdw==",
        "ibex_live_0",
        "Bearer x",
        "Bearer " + "x" * 10_000,
        "Bearer ibex_live_" + "0" * 49,
        "Bearer \u00ff\u00fe",
        "Bearer a b c",
    ],
)
async def test_what_is_no_token_is_401(header: str, ports: Ports) -> None:
    async with client_of(build(ports)) as client:
        response = await client.get("/v1/me", headers={b"authorization": header.encode("latin-1")})
    assert_problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert ports.tokens.asked == 0, "rubbish must not reach the database"


async def test_no_header_at_all(ports: Ports) -> None:
    async with client_of(build(ports)) as client:
        assert_problem(await client.get("/v1/me"), 401, "unauthenticated")


async def test_unknown_and_revoked_tokens_get_the_same_answer(ports: Ports) -> None:
    revoked = ports.tokens.issue(actor_with(Role.OWNER))
    del ports.tokens.actors[revoked.secret_hash]
    details = set()
    async with client_of(build(ports)) as client:
        for token in (new_token(), revoked):
            response = await client.get("/v1/me", headers={b"authorization": bearer(token)})
            details.add(str(assert_problem(response, 401, "unauthenticated")["detail"]))
    assert len(details) == 1


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_opens_what_the_table_says(role: Role, ports: Ports) -> None:
    async with client_of(build(ports), ports.tokens.issue(actor_with(role))) as client:
        response = await client.get("/v1/things/secret")
    if Permission.PEOPLE_READ in PERMISSIONS_BY_ROLE[role]:
        assert response.status_code == 200
    else:
        problem = assert_problem(response, 403, "permission_refused")
        assert problem["details"] == {"permission": "people:read"}


async def test_a_scope_narrows_the_role_and_never_widens_it(ports: Ports) -> None:
    narrow = ports.tokens.issue(actor_with(Role.OWNER, scopes=frozenset({Permission.SALES_READ})))
    wide = ports.tokens.issue(actor_with(Role.CASHIER, scopes=frozenset(Permission), number=8))
    async with client_of(build(ports), narrow) as client:
        assert (await client.get("/v1/things")).status_code == 200
        assert_problem(await client.post("/v1/things", json={"name": "a"}), 403, "permission_refused")
        assert (await client.get("/v1/me")).json()["permissions"] == ["sales:read"]
    async with client_of(build(ports), wide) as client:
        assert_problem(await client.get("/v1/things/secret"), 403, "permission_refused")


async def test_a_refused_body_is_not_read_before_the_permission(ports: Ports) -> None:
    async with client_of(build(ports), ports.tokens.issue(actor_with(Role.AUDITOR))) as client:
        assert_problem(await client.post("/v1/things", content=b"{"), 403, "permission_refused")


async def test_without_the_database_nobody_can_be_known(ports: Ports, token: NewToken) -> None:
    ports.tokens.failure = TemporarilyUnavailable("Down.", effect="none")
    async with client_of(build(ports), token) as client:
        assert_problem(await client.get("/v1/me"), 503, "temporarily_unavailable")
        ports.tokens.failure = None
        assert (await client.get("/v1/me")).status_code == 200


async def test_a_token_is_looked_up_once_in_a_while_and_not_longer() -> None:
    tokens, time = FakeTokens(), FakeTime()
    token = tokens.issue(actor_with(Role.OWNER))
    authenticator = Authenticator(tokens, monotonic=time)
    for _ in range(3):
        await authenticator.actor(bearer(token), "a")
    assert tokens.asked == 1
    del tokens.actors[token.secret_hash]
    time.now += ACTOR_SECONDS - 0.1
    await authenticator.actor(bearer(token), "a")
    time.now += 0.2
    with pytest.raises(Unauthenticated):
        await authenticator.actor(bearer(token), "a")
    with pytest.raises(Unauthenticated):
        await authenticator.actor(bearer(token), "a")


async def test_one_look_up_serves_all_who_wait_for_it() -> None:
    tokens = FakeTokens()
    tokens.delay_seconds = 0.05
    token = tokens.issue(actor_with(Role.OWNER))
    authenticator = Authenticator(tokens)
    waiting = [asyncio.ensure_future(authenticator.actor(bearer(token), "a")) for _ in range(20)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert tokens.asked == 1
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(answer == actor_with(Role.OWNER) for answer in answers[1:])


async def test_guessing_is_slowed_down_by_address() -> None:
    tokens, time = FakeTokens(), FakeTime()
    authenticator = Authenticator(tokens, monotonic=time)
    for _ in range(MAX_FAILURES):
        with pytest.raises(Unauthenticated):
            await authenticator.actor(bearer(new_token()), "a")
    asked = tokens.asked
    with pytest.raises(Refusal) as caught:
        await authenticator.actor(bearer(new_token()), "a")
    assert caught.value.code == "too_many_failures"
    assert 0 < int(caught.value.headers["retry-after"]) <= FAILURE_WINDOW_SECONDS + 1
    assert tokens.asked == asked, "a guess that is refused costs no look-up"
    with pytest.raises(Unauthenticated):
        await authenticator.actor(bearer(new_token()), "b")
    time.now += FAILURE_WINDOW_SECONDS + 1
    with pytest.raises(Unauthenticated):
        await authenticator.actor(bearer(new_token()), "a")


async def test_a_shop_is_not_locked_out_by_a_guesser_behind_its_router() -> None:
    tokens, time = FakeTokens(), FakeTime()
    token = tokens.issue(actor_with(Role.OWNER))
    authenticator = Authenticator(tokens, monotonic=time)
    await authenticator.actor(bearer(token), "a")
    for _ in range(MAX_FAILURES):
        with pytest.raises(Unauthenticated):
            await authenticator.actor(bearer(new_token()), "a")
    time.now += ACTOR_SECONDS + 1
    assert await authenticator.actor(bearer(token), "a") == actor_with(Role.OWNER)


@pytest.mark.parametrize("opt", [{}, {"permission": None}, {"permission": "sales:read"}, {"permission": Role.OWNER}])
async def test_a_route_without_a_permission_cannot_be_served(opt: dict[str, object], ports: Ports) -> None:
    @get("/v1/open", opt=opt)
    async def open_route() -> None:
        """Nobody guards this."""

    with pytest.raises(UnguardedRouteError, match="/v1/open"):
        create_app(ports.services(), controllers=[open_route])


async def test_nothing_may_stand_in_for_the_guard(ports: Ports) -> None:
    async def let_anybody_in(_: object) -> None:
        """Litestar would call this instead of the application's own hook."""

    class Sly(Controller):
        path = "/v1/sly"
        before_request = let_anybody_in  # type: ignore[assignment]

        @get(opt={"permission": Permission.PEOPLE_WRITE})
        async def read(self) -> None:
            """Not for everybody."""

    with pytest.raises(UnguardedRouteError, match="/v1/sly"):
        create_app(ports.services(), controllers=[Sly])


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/openapi.json", "/docs", "/docs/assets/start.js"])
async def test_public_routes_ask_for_nothing(path: str, ports: Ports) -> None:
    async with client_of(build(ports)) as client:
        assert (await client.get(path)).status_code == 200


async def test_options_tells_methods_and_nothing_of_other_origins(client: httpx.AsyncClient) -> None:
    response = await client.options("/v1/things", headers={"origin": "https://evil.example"})
    assert response.status_code == 204
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_answers_say_what_is_left_of_the_rate(ports: Ports, token: NewToken) -> None:
    limits = EdgeLimits(rate_per_second=1, rate_burst=2)
    async with client_of(build(ports, limits=limits), token) as client:
        first, second, third = [await client.get("/v1/me") for _ in range(3)]
    assert first.headers["ratelimit-policy"] == '"token";q=2;w=2'
    assert first.headers["ratelimit"] == '"token";r=1;t=1'
    assert second.headers["ratelimit"].startswith('"token";r=0')
    assert_problem(third, 429, "rate_limited")
    assert third.headers["retry-after"] == "1"
    assert third.headers["ratelimit"].startswith('"token";r=0')


def test_a_bucket_fills_up_again() -> None:
    time = FakeTime()
    rates = RateLimiter(per_second=10, burst=5, monotonic=time)
    one, other = actor_with(Role.OWNER).token_id, actor_with(Role.OWNER, number=9).token_id
    for _ in range(5):
        rates.take(one)
    with pytest.raises(Refusal):
        rates.take(one)
    rates.take(other)
    time.now += 0.1
    rates.take(one)
    with pytest.raises(Refusal):
        rates.take(one)
    time.now += 60
    for _ in range(5):
        rates.take(one)


def test_a_rate_of_zero_limits_nothing() -> None:
    rates = RateLimiter(per_second=0, burst=1)
    assert [rates.take(actor_with(Role.OWNER).token_id) for _ in range(100)] == [[]] * 100
