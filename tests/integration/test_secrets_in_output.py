"""Whatever goes wrong, and however much is logged: no password, no token and no secret of a webhook is in what
`ibex serve` writes, nor in an answer but the one that first gives it.
"""

from __future__ import annotations

import base64
import socket
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx

from ibex.adapters.system import new_token
from tests.integration import test_serve as serve

environment, token, output = serve.environment, serve.token, serve.output

METRICS_TOKEN: Final = "m3trics-t0ken-for-this-test"
LOUD: Final = {"IBEX_LOG_LEVEL": "debug", "IBEX_METRICS_TOKEN": METRICS_TOKEN, "IBEX_POOL_WAIT_SECONDS": "2"}
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


class Witness:
    """Sends requests, and remembers every secret and every answer."""

    def __init__(self, port: int, environment: dict[str, str], token: str) -> None:
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)
        self.token = token
        self.answers: list[str] = []
        self.given: list[str] = [token]
        password = urlsplit(environment["DATABASE_URL"]).password or ""
        self.secrets = {"the database's password": unquote(password), "/metrics' token": METRICS_TOKEN}
        self.keep("the owner's token", token)
        self.url = environment["DATABASE_URL"]

    def keep(self, name: str, secret: str) -> str:
        """A secret that must be seen nowhere from now on; nor may the part of it that nobody could guess."""
        assert len(secret) > 20
        self.secrets[name] = secret.removeprefix("whsec_")
        self.given.append(secret)
        return secret

    def ask(self, method: str, path: str, *, token: str | None = None, gives: str = "", **options: Any) -> Any:
        """The answer. ``gives`` names the field that holds a secret, for the first and last time."""
        headers = {"authorization": f"Bearer {token or self.token}"} | options.pop("headers", {})
        answer = self.http.request(method, path, headers=headers, **options)
        text = answer.text + str(answer.headers)
        if gives:
            assert answer.status_code == 201, answer.text
            secret = answer.json()[gives]
            assert isinstance(secret, str), answer.text
            text = text.replace(self.keep(f"{gives} of {path}", secret), "")
        self.answers.append(text)
        return answer

    def leaks(self, text: str) -> list[str]:
        """The names of the secrets that are in the text, in one of the ways in which they could be written."""
        found = []
        for name, secret in self.secrets.items():
            shapes = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), secret[-20:]}
            if any(shape in text for shape in shapes):
                found.append(name)
        return found

    def check(self, output: Path) -> str:
        """Fails if anything was told. Returns what was logged."""
        written = output.read_text()
        assert self.leaks(written) == []
        for answer in self.answers:
            assert self.leaks(answer) == [], answer
        return written


def people_and_webhooks(witness: Witness) -> None:
    """Everything that makes a secret."""
    operator = witness.ask("POST", "/v1/operators", json={"name": "Bob", "role": "CASHIER"}).json()
    tokens = f"/v1/operators/{operator['id']}/tokens"
    given = witness.ask("POST", tokens, json={"label": "till"}, gives="token", headers={"idempotency-key": "one"})
    again = witness.http.post(
        tokens, json={"label": "till"}, headers={"authorization": f"Bearer {witness.token}", "idempotency-key": "one"}
    )
    witness.answers.append(again.text)
    witness.ask("POST", f"/v1/tokens/{given.json()['id']}/rotate", json={}, gives="token")
    hook = witness.ask("POST", "/v1/webhooks", json={"url": "https://hooks.example.com/x"}, gives="secret").json()
    witness.ask("POST", f"/v1/webhooks/{hook['id']}/secrets", gives="secret")
    for path in (
        "/v1/tokens",
        "/v1/webhooks",
        f"/v1/webhooks/{hook['id']}/secrets",
        "/v1/audit",
        "/v1/events",
        "/v1/me",
    ):
        assert witness.ask("GET", path).status_code == 200
    export = witness.ask("GET", "/v1/export")
    assert export.status_code == 200
    session = witness.http.post("/reports/sign-in", data={"token": witness.token}, headers=FORM)
    assert session.status_code == 303
    witness.keep("the session of the reports", session.headers["set-cookie"].partition("=")[2].partition(";")[0])
    witness.http.get("/reports")
    witness.ask("GET", "/metrics", token=METRICS_TOKEN)


def wrong_requests(witness: Witness) -> None:
    """Secrets where they do not belong, and tokens that are none."""
    wrong = ""
    for number in range(3):
        wrong = witness.keep(f"a wrong token {number}", new_token().secret)
        assert witness.ask("GET", "/v1/me", token=wrong).status_code == 401
    witness.ask("GET", "/metrics", token=witness.keep("a wrong token for /metrics", "x" * 12 + "wr0ng-f0r-metrics"))
    witness.http.post("/reports/sign-in", data={"token": wrong}, headers=FORM)
    for secret in [given for given in witness.given if given.startswith(("ibex_live_", "whsec_"))]:
        witness.http.get("/v1/me", params={"access_token": secret})
        witness.http.get(f"/v1/invoices/{secret}")
        witness.http.get(f"/{secret}", headers={"authorization": secret})
        witness.http.request("GET", "/v1/me", headers={"authorization": f"Basic {secret}"})
    key = {"authorization": f"Bearer {witness.token}"}
    for body in (b"{", b"[1", b'{"name": "' + witness.token.encode(), witness.token.encode(), b"\xff\xfe", b"[" * 3000):
        for path in ("/v1/products", "/v1/sales", "/v1/webhooks", "/v1/operators"):
            witness.http.post(path, content=body, headers=key | {"content-type": "application/json"})
    with socket.create_connection(("127.0.0.1", urlsplit(str(witness.http.base_url)).port or 0)) as raw:
        raw.sendall(
            b"GET /v1/me HTTP/1.1\r\nauthorization: Bearer " + witness.token.encode() + b"\r\nbroken header\r\n\r\n"
        )
        raw.settimeout(5)
        answer = raw.recv(10_000)
        assert b"400" in answer
        assert b"server:" not in answer.lower()
        witness.answers.append(answer.decode("latin-1"))


def run_sql(environment: dict[str, str], *statements: str) -> None:
    """As the database's owner, over a connection of its own."""
    for statement in statements:
        subprocess.run(
            ["psql", "-qAt", "-v", "ON_ERROR_STOP=1", environment["DATABASE_URL"], "-c", statement],
            env=environment,
            check=True,
            capture_output=True,
        )


def test_nothing_secret_is_written_however_requests_go_wrong(
    environment: dict[str, str], token: str, output: Path
) -> None:
    with serve.service(environment, output, **LOUD) as running:
        running.wait_until_ready()
        witness = Witness(running.port, environment, token)
        people_and_webhooks(witness)
        wrong_requests(witness)
        witness.http.close()
    written = witness.check(output)
    assert '"status":401' in written
    assert '"status":400' in written
    assert len(witness.secrets) >= 11


def test_nothing_secret_is_written_when_the_database_fails(
    environment: dict[str, str], token: str, output: Path
) -> None:
    with serve.service(environment, output, **LOUD) as running:
        running.wait_until_ready()
        witness = Witness(running.port, environment, token)
        people_and_webhooks(witness)
        names = ("products", "webhook_secrets", "operators", "api_tokens")
        run_sql(environment, *(f"ALTER TABLE ibex.{name} RENAME TO {name}_away" for name in names))
        for _ in range(2):
            witness.ask("POST", "/v1/products", json={"sku": "A", "name": "A", "unit_price": "1.00"})
            witness.ask("POST", "/v1/webhooks", json={"url": "https://hooks.example.com/y"})
            witness.ask("GET", "/v1/tokens")
            wrong = witness.keep("a wrong token", new_token().secret)
            witness.ask("GET", "/v1/me", token=wrong)
            witness.http.post("/reports/sign-in", data={"token": wrong}, headers=FORM)
        run_sql(environment, *(f"ALTER TABLE ibex.{name}_away RENAME TO {name}" for name in names))
        run_sql(environment, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ibex'")
        assert witness.ask("GET", "/v1/products").status_code == 200
        witness.http.close()
    written = witness.check(output)
    assert '"status":500' in written
    assert "Traceback" in written


def test_nothing_secret_is_written_when_there_is_no_database(
    environment: dict[str, str], token: str, output: Path
) -> None:
    url = environment["DATABASE_URL"]
    nowhere = url.replace(f":{urlsplit(url).port}/", ":1/")
    with serve.service(environment, output, DATABASE_URL=nowhere, **LOUD) as running:
        running.wait_until(lambda: running.get("/health/live").status_code == 200)
        witness = Witness(running.port, environment, token)
        for path in ("/health/ready", "/v1/me"):
            assert witness.ask("GET", path).status_code == 503
        witness.ask("POST", "/v1/sales", content=b"{", headers={"content-type": "application/json"})
        witness.http.post("/reports/sign-in", data={"token": token}, headers=FORM)
        witness.http.close()
    assert len(witness.check(output).splitlines()) >= 5


def test_nothing_secret_is_written_when_it_cannot_start(environment: dict[str, str], token: str, output: Path) -> None:
    url = environment["DATABASE_URL"]
    parts = urlsplit(url)
    for wrong_url, told in (
        (url.replace(f":{parts.password}@", ":S3cr3t%2Fp@"), "IBEX-E205"),
        (url.replace(parts.path, "/nowhere_to_be_found"), "IBEX-E205"),
        (f"postgres-{url} {token}", "IBEX-E1"),
    ):
        with serve.service(environment, output, DATABASE_URL=wrong_url, **LOUD) as running:
            assert running.process.wait(30) != 0
        witness = Witness(running.port, environment, token)
        witness.secrets["the other password"] = "S3cr3t/p"
        assert told in witness.check(output)


def test_what_is_looked_for_would_be_found(environment: dict[str, str], token: str) -> None:
    witness = Witness(1, environment, token)
    for careless in (environment["DATABASE_URL"], f"GET /v1/me?token={token}", token[-20:]):
        assert witness.leaks(careless) != []
    assert witness.leaks("nothing of interest") == []
