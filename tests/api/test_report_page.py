"""The page of reports: who gets in, what it shows, and how it looks in a real browser without internet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread
import httpx
import pytest

from ibex.domain.identity.model import Permission, Role
from tests.api.client import Service, Shop, open_shop, problem
from tests.api.test_reports import sell_on
from tests.fixtures.browser import CHROMIUM, Browser

FORM = {"content-type": "application/x-www-form-urlencoded"}


@asynccontextmanager
async def visitor(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with cookies and without a token."""
    async with httpx.AsyncClient(base_url=service.base_url, trust_env=False, timeout=30) as http:
        yield http


async def sign_in(http: httpx.AsyncClient, token: str | None, **headers: str) -> httpx.Response:
    """The form, sent."""
    return await http.post("/reports/sign-in", data={"token": token or ""}, headers=headers)


async def test_a_token_opens_a_session_that_reads_and_nothing_else(service: Service, shop: Shop) -> None:
    await shop.sell(await shop.make_product(name="Milk & <b>eggs</b>", unit_price="12.34"))
    async with visitor(service) as http:
        closed = await http.get("/reports")
        assert (closed.status_code, closed.headers["location"]) == (303, "/reports/sign-in")
        form = await http.get("/reports/sign-in")
        assert (form.status_code, 'type="password"' in form.text) == (200, True)
        opened = await sign_in(http, shop.api.token)
        assert (opened.status_code, opened.headers["location"]) == (303, "/reports")
        cookie = opened.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"):
            assert part in cookie
        assert shop.api.token is not None
        assert shop.api.token not in cookie
        page = await http.get("/reports")
        assert page.status_code == 200
        assert "12.34" in page.text
        assert "Milk &amp; &lt;b&gt;eggs" in page.text
        assert page.headers["cache-control"] == "no-store"
        assert "script-src" not in page.headers["content-security-policy"]
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        for method, path in (("GET", "/v1/me"), ("GET", "/v1/reports/tax"), ("POST", "/v1/products")):
            problem(await http.request(method, path), 401, "unauthenticated")
        bearer = {"authorization": f"Bearer {http.cookies['ibex-reports']}"}
        problem(await http.get("/v1/me", headers=bearer), 401, "unauthenticated")
        gone = await http.post("/reports/sign-out", headers=FORM)
        assert (gone.status_code, gone.headers["location"]) == (303, "/reports/sign-in")
        assert "Max-Age=0" in gone.headers["set-cookie"]
        assert await shop.rows("SELECT id FROM ibex.report_sessions WHERE store_id = $1") == []
    entries = await shop.rows(
        "SELECT action, address FROM ibex.audit_entries WHERE store_id = $1 AND action LIKE 'rep%'"
    )
    assert entries == [{"action": "reports.opened", "address": "127.0.0.1"}]


async def test_over_tls_the_cookie_is_the_hosts_own(service: Service, shop: Shop) -> None:
    async with visitor(service) as http:
        opened = await sign_in(http, shop.api.token, **{"x-forwarded-proto": "https"})
        cookie = opened.headers["set-cookie"]
        assert cookie.startswith("__Host-ibex-reports=ibex_live_")
        assert "; Secure" in cookie
        secret = cookie.partition("=")[2].partition(";")[0]
        page = await http.get("/reports", headers={"cookie": f"a=b; __Host-ibex-reports={secret}"})
        assert page.status_code == 200


async def test_who_may_not_read_reports_gets_no_session(service: Service, shop: Shop) -> None:
    cashier = await shop.as_role(Role.CASHIER)
    narrow = await shop.with_token(Role.OWNER, operator="Narrow", scopes=frozenset({Permission.SALES_READ}))
    revoked = await shop.with_token(Role.OWNER, operator="Gone")
    await shop.rows(
        "UPDATE ibex.api_tokens SET revoked_at = now() WHERE store_id = $1 AND operator_id IN "
        "(SELECT id FROM ibex.operators WHERE name = 'Gone')"
    )
    async with visitor(service) as http:
        for token, status in [
            (cashier.token, 403),
            (narrow.token, 403),
            (revoked.token, 401),
            ("", 401),
            ("x" * 150, 401),
        ]:
            answer = await sign_in(http, token)
            assert answer.status_code == status
            assert "set-cookie" not in answer.headers
            assert 'role="alert"' in answer.text
            assert not token or token not in answer.text
        for cookie in (
            "ibex-reports=nonsense",
            "ibex-reports=",
            f"ibex-reports={shop.api.token}",
            'ibex-reports="',
            "=;;",
        ):
            assert (await http.get("/reports", headers={"cookie": cookie})).status_code == 303
        problem(await http.post("/reports/sign-in", json={"token": shop.api.token}), 415, "unsupported_media_type")
        problem(await http.post("/reports/sign-in", data={"token": "x" * 5000}), 413, "body_too_large")


async def test_another_sites_page_signs_nobody_in(service: Service, shop: Shop) -> None:
    host = urlsplit(service.base_url).netloc
    async with visitor(service) as http:
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": f"http://{host}", "sec-fetch-site": "cross-site"},
        ):
            problem(await sign_in(http, shop.api.token, **headers), 403, "permission_refused")
        for headers in ({"origin": f"http://{host}"}, {"sec-fetch-site": "same-origin"}):
            assert (await sign_in(http, shop.api.token, **headers)).status_code == 303


async def test_a_session_ends_with_its_token_and_with_its_hours(service: Service, shop: Shop) -> None:
    # The edge remembers a session for 8 seconds; these are asked for the first time after the change.
    for end in (
        "UPDATE ibex.api_tokens SET revoked_at = now() WHERE store_id = $1",
        "UPDATE ibex.report_sessions SET expires_at = now() - interval '1 second' WHERE store_id = $1",
        "UPDATE ibex.operators SET active = false WHERE store_id = $1 AND role = 'MANAGER'",
    ):
        other = await open_shop(service)
        async with visitor(service) as http:
            manager = await other.as_role(Role.MANAGER)
            assert (await sign_in(http, manager.token)).status_code == 303
            await other.rows(end)
            assert (await http.get("/reports")).status_code == 303
    async with visitor(service) as http:
        await sign_in(http, shop.api.token)
        assert (await http.get("/reports")).status_code == 200


async def test_the_page_shows_the_store_of_its_session_alone(service: Service, shop: Shop) -> None:
    other = await open_shop(service, name="The other one")
    await other.sell(await other.make_product(name="Secret sauce", unit_price="77.77"))
    async with visitor(service) as http:
        await sign_in(http, shop.api.token)
        page = (await http.get("/reports")).text
        assert "Corner shop" in page
        for hidden in ("The other one", "Secret sauce", "77.77"):
            assert hidden not in page
        problem(await http.get("/reports", params={"store_id": str(other.store_id)}), 422, "invalid_request")
        problem(await http.get("/reports", params={"from": "2026-02-01", "to": "2026-01-01"}), 422, "invalid_value")
        problem(await http.get("/reports", params={"from": "0001-01-01", "to": "0001-01-02"}), 422, "invalid_value")
        assert (await http.get("/reports", params={"from": "2025-11-01", "to": "2026-10-31"})).status_code == 200


def walk(browser: Browser, base: str, token: str, pictures: Path) -> dict[str, object]:
    """An owner's visit: sign in by the form, look at the page in several windows, choose a period, sign out."""
    seen: dict[str, object] = {}
    browser.go(f"{base}/reports")
    seen["closed"] = browser.ask("location.pathname")
    browser.ask(f"document.querySelector('[name=token]').value = {token!r}")
    browser.do("document.querySelector('form button').click()")
    seen["open"] = browser.ask("location.pathname + location.search")
    seen["title"] = browser.ask("document.querySelector('h1').textContent")
    seen["cookie"] = browser.ask("document.cookie")
    for name, width, dark in (("desk", 1200, False), ("dark", 1200, True), ("phone", 360, False)):
        browser.look(width, 900, dark=dark)
        browser.picture(pictures / f"{name}.png")
        seen[f"{name} overflow"] = browser.ask("document.scrollingElement.scrollWidth") - width
        seen[f"{name} paper"] = browser.ask("getComputedStyle(document.body).backgroundColor")
        seen[f"{name} cut"] = browser.ask(
            "[...document.querySelectorAll('.value, .figure, dd')].filter(e => {"
            " const card = e.closest('.card, .tile').getBoundingClientRect(), own = e.getBoundingClientRect();"
            " return own.right > card.right || own.left < card.left }).length"
        )
    seen["bars"] = browser.ask("document.querySelectorAll('svg.columns')[0].querySelectorAll('.bar').length")
    seen["tallest"] = browser.ask(
        "Math.max(...[...document.querySelectorAll('svg.columns .bar')].map(b => b.getBoundingClientRect().height))"
    )
    seen["names"] = browser.ask("[...document.querySelectorAll('.rows .label')].map(e => e.textContent)")
    seen["hebrew"] = browser.ask(
        "getComputedStyle([...document.querySelectorAll('.rows bdi')].find(e => e.textContent == 'חלב')).direction"
    )
    browser.do("[...document.querySelectorAll('nav a')].find(a => a.textContent == 'Today').click()")
    seen["chosen"] = browser.ask("document.querySelector('[aria-current]').textContent")
    browser.do("document.querySelector('header form button').click()")
    seen["left"] = browser.ask("location.pathname")
    browser.go(f"{base}/reports")
    seen["again"] = browser.ask("location.pathname")
    seen["complaints"] = browser.complaints
    seen["hosts"] = {urlsplit(url).netloc for url in browser.requested if not url.startswith("data:")}
    return seen


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)")
async def test_an_owner_looks_at_the_page_in_a_real_browser(service: Service, tmp_path: Path) -> None:
    shop = await open_shop(service, name="מכולת Ada & Figli")
    names = [
        "חלב",
        "قهوة عربية",
        "A very long name of a product that goes on and on, as such names do, <b>bold</b>",
        "Eggs",
    ]
    products = [await shop.make_product(name=name, unit_price="1234567.89", cost_price="1") for name in names]
    for days in (0, 3, 9):
        for product in products:
            await sell_on(shop, product, str(days + 1), datetime.now(UTC) - timedelta(days=days))
    customer = await shop.make_customer(name="محمد الأحمد")
    await shop.sell(products[0], method="CREDIT", customer_id=customer["id"])

    def visit() -> dict[str, object]:
        browser = Browser(tmp_path / "profile")
        try:
            assert shop.api.token is not None
            return walk(browser, service.base_url, shop.api.token, tmp_path)
        finally:
            browser.close()

    seen = await anyio.to_thread.run_sync(visit)
    assert (seen["closed"], seen["open"]) == ("/reports/sign-in", "/reports")
    assert seen["title"] == "מכולת Ada & Figli"
    assert seen["cookie"] == "", "a script could read the session"
    for name in ("desk", "dark", "phone"):
        assert seen[f"{name} overflow"] == 0, f"{name} scrolls sideways"
        assert seen[f"{name} cut"] == 0, f"{name} cuts figures off"
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert seen["desk paper"] != seen["dark paper"]
    assert seen["bars"] == 30
    assert isinstance(seen["tallest"], float | int)
    assert seen["tallest"] > 100
    assert isinstance(seen["names"], list)
    assert set(names) <= set(seen["names"])
    assert seen["hebrew"] == "rtl"
    assert (seen["chosen"], seen["left"], seen["again"]) == ("Today", "/reports/sign-in", "/reports/sign-in")
    assert seen["complaints"] == []
    assert seen["hosts"] == {urlsplit(service.base_url).netloc}
