"""A customer's statement as JSON, as CSV and as a page to print."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import anyio.to_thread
import pytest

from ibex.domain.identity.model import Role
from tests.api.client import Api, Foreign, Json, Shop, problem
from tests.api.past import PastShop

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HTML, CSV = {"accept": "text/html"}, {"accept": "text/csv"}
ARABIC, HEBREW = "\u0645\u062d\u0645\u062f \u0639\u0644\u064a", "\u05d3\u05d5\u05d3 \u05db\u05d4\u05df"


class Text(HTMLParser):
    """The texts of a page by the tag that they stand in, and every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1], data.strip()))

    def all(self, tag: str) -> list[str]:
        """Texts directly in that tag."""
        return [text for where, text in self.texts if where == tag]


async def account(shop: Shop, name: str = "Carla") -> Json:
    """A customer with an opening debt, two invoices, a receipt and a return."""
    past = await PastShop.of(shop, date(2026, 1, 10))
    customer = await shop.make_customer(name=name, address="Via Roma 1\n00100 Roma", phone="+39 06 1234")
    product = await shop.make_product(unit_price="1234.50", stock="100")
    await past.open_balance(customer, date(2025, 12, 31), debit="100.00")
    first = await past.sell(customer, product, 1, due=date(2026, 2, 10))
    past.go_to(date(2026, 2, 1))
    await past.sell(customer, product, 2)
    past.go_to(date(2026, 2, 20))
    await past.receive(customer, "600.00")
    past.go_to(date(2026, 3, 5))
    await past.take_back(first, 1)
    return customer


async def test_the_three_forms_say_the_same(shop: Shop, api: Api) -> None:
    customer = await account(shop)
    path, period = f"/v1/customers/{customer['id']}/statement", {"from": "2026-01-01", "to": "2026-02-28"}
    whole = await api.get(path, params=period)
    assert (whole["opening_balance"], whole["closing_balance"]) == ("100.00", "3203.50")
    response = await api.request("GET", path, params=period, headers=CSV)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["type"] for row in rows] == ["BROUGHT_FORWARD", "SALE", "SALE", "RECEIPT", "RECEIPT", "CLOSING"]
    assert [row["balance"] for row in rows] == [
        whole["opening_balance"],
        *(line["balance"] for line in whole["lines"]),
        whole["closing_balance"],
    ]
    assert (rows[-1]["debit"], rows[-1]["credit"]) == (whole["debits"], whole["credits"])
    page = Text((await api.request("GET", path, params=period, headers=HTML)).text)
    amounts = [Decimal(text.replace(",", "")) for text in page.all("td") if re.fullmatch(r"-?[\d,]+\.\d\d", text)]
    for line in whole["lines"]:
        assert Decimal(line["balance"]) in amounts
    assert "3,203.50" in page.all("bdi")
    assert "2026-01-01 to 2026-02-28, amounts in EUR" in page.all("p")


async def test_the_page_shows_how_old_the_debts_are_at_its_end(shop: Shop, api: Api) -> None:
    customer = await account(shop)
    path = f"/v1/customers/{customer['id']}"
    page = Text((await api.request("GET", f"{path}/statement", params={"to": "2026-02-28"}, headers=HTML)).text)
    ages = (await api.get(f"{path}/ageing", params={"as_of": "2026-02-28"}))["ages"]
    shown = [text.replace(",", "") for text in page.all("td")][-6:]
    assert shown == [ages[k] for k in ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90", "total")]
    assert "What is owed on 2026-02-28, by days past due" in page.all("h2")


async def test_nothing_that_people_type_is_markup(shop: Shop, api: Api) -> None:
    name = '<script>alert("x")</script> & {store} %s'
    customer = await account(shop, name)
    note = "<img src=x onerror=alert(1)>=1+1"
    await api.post(f"/v1/customers/{customer['id']}/opening-balance", {"debit": "1.00", "note": note})
    response = await api.request("GET", f"/v1/customers/{customer['id']}/statement", headers=HTML)
    page = Text(response.text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "img" not in {tag for tag, _ in page.tags}
    assert name in page.all("p")
    assert note in page.all("td")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


async def test_cells_are_no_formulas(shop: Shop, api: Api) -> None:
    customer = await shop.make_customer()
    body = {"debit": "1.00", "note": '=HYPERLINK("http://x","y")'}
    await api.post(f"/v1/customers/{customer['id']}/opening-balance", body)
    response = await api.request("GET", f"/v1/customers/{customer['id']}/statement", headers=CSV)
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert rows[1]["note"] == "'" + body["note"]


async def test_names_have_their_own_direction(shop: Shop, api: Api) -> None:
    customer = await account(shop, f"{ARABIC} (Ali & Sons)")
    response = await api.request("GET", f"/v1/customers/{customer['id']}/statement", headers=HTML)
    page = Text(response.text)
    assert f"{ARABIC} (Ali & Sons)" in page.all("p")
    assert ("p", {"class": "name", "dir": "auto"}) in page.tags
    amounts = [attrs for tag, attrs in page.tags if tag == "td" and attrs.get("class") == "amount"]
    assert amounts
    assert all(attrs["dir"] == "ltr" for attrs in amounts)


async def test_an_empty_account_prints_too(shop: Shop, api: Api) -> None:
    customer = await shop.make_customer()
    page = Text((await api.request("GET", f"/v1/customers/{customer['id']}/statement", headers=HTML)).text)
    assert any(text.startswith("All entries") for text in page.all("p"))


async def test_who_gets_which_form(shop: Shop, api: Api, foreign: Foreign) -> None:
    customer = await shop.make_customer()
    path = f"/v1/customers/{customer['id']}/statement"
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    assert (await api.request("GET", path, headers=browser)).headers["content-type"].startswith("text/html")
    assert (await api.request("GET", path)).headers["content-type"] == "application/json"
    problem(await api.request("GET", path, headers={"accept": "image/png"}), 406, "not_acceptable")
    cashier = await shop.as_role(Role.CASHIER)
    for headers in (HTML, CSV):
        problem(await cashier.request("GET", path, headers=headers), 403, "permission_refused")
        strangers = f"/v1/customers/{foreign.ids['customer_id']}/statement"
        problem(await api.request("GET", strangers, headers=headers), 404, "not_found")


async def test_a_statement_that_is_too_long_to_print_says_so(
    shop: Shop, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await account(shop)
    path = f"/v1/customers/{customer['id']}/statement"
    monkeypatch.setattr("ibex.entrypoints.http.statements.PAGE_LINES", 3)
    problem(await api.request("GET", path, headers=HTML), 422, "limit_exceeded", field="from")
    period = {"from": "2026-03-01"}
    assert (await api.request("GET", path, params=period, headers=HTML)).status_code == 200


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_the_page_prints_on_a4_from_a_browser(shop: Shop, api: Api, tmp_path: Path) -> None:
    customer = await account(shop, f"{HEBREW} & Figli")
    past = await PastShop.of(shop, date(2026, 4, 1))
    cheap = await shop.make_product(unit_price="0.10", stock="1000")
    for _ in range(60):
        await past.sell(customer, cheap, 1)
    response = await api.request("GET", f"/v1/customers/{customer['id']}/statement", headers=HTML)
    page = tmp_path / "statement.html"
    # A file has no headers: the policy goes into the page, so that the browser holds it to it.
    policy = f'<meta http-equiv="content-security-policy" content="{response.headers["content-security-policy"]}">'
    policy = policy.replace(" frame-ancestors 'none'", "")
    page.write_text(response.text.replace("<head>", f"<head>{policy}"), encoding="utf-8")
    pdf = tmp_path / "statement.pdf"
    finished = await anyio.to_thread.run_sync(lambda: _browser(tmp_path, page, f"--print-to-pdf={pdf}"))
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert "Content Security Policy" not in finished.stderr
    printed = pdf.read_bytes()
    assert printed.startswith(b"%PDF-")
    boxes = {tuple(map(float, box)) for box in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", printed)}
    assert all(abs(width - 595) < 2 and abs(height - 842) < 2 for width, height in boxes), boxes
    assert int(re.findall(rb"/Count (\d+)", printed)[0]) >= 2, "60 entries take more than a page"


def _browser(directory: Path, page: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",  # a container's root has no other way; the page is our own
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--no-pdf-header-footer",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={directory / 'profile'}",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
