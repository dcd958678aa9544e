"""A deployment under load, with a schema migration in the middle, loses no request."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ibex.adapters.postgres.schema.revisions import load_revisions, migrations_directory
from ibex_devtools.sandbox import Cluster
from tests.e2e.processes import Service
from tests.e2e.switch import PROBE_SECONDS, Switch
from tests.fixtures.programs import ROOT

TILLS = 8
LEAST_REQUESTS = 2000
PHASE_SECONDS = 90.0
DRAIN_SECONDS = 1.0
IBEX = str(Path(sys.executable).with_name("ibex"))
REVISION = '''"""A change to the table that every sale writes."""

from alembic import op

revision = {revision!r}
down_revision = {before!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE ibex.invoices ADD COLUMN till text NOT NULL DEFAULT ''")


def downgrade() -> None:
    op.execute("ALTER TABLE ibex.invoices DROP COLUMN till")
'''


@dataclass(slots=True)
class Load:
    """Tills that record sales and read them back, until they are told to stop. Nothing is ever repeated."""

    base_url: str
    token: str
    products: list[str]
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stopping: bool = False

    @property
    def requests(self) -> int:
        """How many were answered or lost."""
        return sum(self.answers.values()) + len(self.failures)

    async def till(self, number: int) -> None:
        """One till."""
        headers = {"authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=30) as http:
            turn = 0
            while not self.stopping:
                turn += 1
                product = self.products[(number + turn) % len(self.products)]
                sale = {"lines": [{"product_id": product, "quantity": "1"}], "payment_method": "CASH"}
                key = f"till-{number}-{turn}"
                made = await self._send(http, "POST", "/v1/sales", json=sale, headers={"idempotency-key": key})
                if made is not None and not self.stopping:
                    await self._send(http, "GET", f"/v1/invoices/{made['id']}")

    async def _send(self, http: httpx.AsyncClient, method: str, path: str, **options: Any) -> Any:
        try:
            answer = await http.request(method, path, **options)
        except httpx.HTTPError as error:
            self.failures.append(f"{method} {path}: {type(error).__name__}: {error}")
            return None
        if answer.status_code != (201 if method == "POST" else 200):
            self.failures.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            return None
        self.answers[answer.status_code] += 1
        return answer.json()


@pytest.fixture
def next_version(cluster: Cluster, empty_database_url: str, tmp_path: Path) -> Path:
    """A copy of this version with one more revision, and the fingerprint that its author commits with it."""
    version = tmp_path / "next"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", version / "src", ignore=ignored)
    shutil.copytree(ROOT / "migrations", version / "migrations", ignore=ignored)
    head = load_revisions(migrations_directory()).head
    assert head is not None
    revision = f"{int(head) + 1:04d}"
    file = version / f"migrations/versions/{revision}_tills.py"
    file.write_text(REVISION.format(revision=revision, before=head))
    environment = environment_of(cluster, empty_database_url, version)
    for command in ("deploy", "fingerprint"):
        ibex(environment, "migrate", command)
    return version


def environment_of(cluster: Cluster, url: str, version: Path = ROOT) -> dict[str, str]:
    """For a process of that version of the service."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(version / "src"),
        "DATABASE_URL": url,
        "IBEX_ENVIRONMENT": "sandbox",
        "IBEX_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "IBEX_LOG_LEVEL": "warning",
        "SSL_CERT_FILE": cluster.trust_file,
    }


def ibex(environment: dict[str, str], *arguments: str) -> str:
    """Runs a command of the service, which must succeed."""
    command = [IBEX, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def open_shop(base_url: str, token: str) -> list[str]:
    """Ten products that do not run out; their ids."""
    headers = {"authorization": f"Bearer {token}"}
    ids = []
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=30) as http:
        for number in range(10):
            product = {"sku": f"P{number}", "name": f"Product {number}", "unit_price": "1.25", "stock": "100000"}
            made = await http.post("/v1/products", json=product, headers={"idempotency-key": f"product-{number}"})
            assert made.status_code == 201, made.text
            ids.append(made.json()["id"])
    return ids


async def until(load: Load, requests: int, then: Callable[[], bool] = lambda: True) -> None:
    """Waits until there were so many more requests, and something holds. Fails at the first request that is lost."""
    wanted, deadline = load.requests + requests, time.monotonic() + PHASE_SECONDS
    while load.requests < wanted or not then():
        assert not load.failures, load.failures[:5]
        assert time.monotonic() < deadline, f"{load.requests} of {wanted} requests after {PHASE_SECONDS} s"
        await asyncio.sleep(0.02)


@pytest.mark.timeout(400)
async def test_a_replacement_with_a_migration_loses_no_request(
    cluster: Cluster, fresh_database_url: str, next_version: Path, tmp_path: Path
) -> None:
    current = environment_of(cluster, fresh_database_url)
    following = environment_of(cluster, fresh_database_url, next_version)
    opened = ibex(
        current,
        "stores",
        "create",
        "--name=Corner",
        "--currency=EUR",
        "--timezone=Europe/Rome",
        "--owner=Ada",
        "--json",
    )
    token = json.loads(opened)["token"]
    with Service([IBEX, "serve"], environment=current, cwd=tmp_path, log=tmp_path / "old.log") as old:
        await asyncio.to_thread(old.wait_until_healthy, "/health/ready", 60)
        async with Switch([old.port]) as switch:
            await asyncio.sleep(5 * PROBE_SECONDS)
            assert switch.ready == [old.port]
            base_url = f"http://127.0.0.1:{switch.port}"
            load = Load(base_url, token, await open_shop(base_url, token))
            tills = [asyncio.create_task(load.till(number)) for number in range(TILLS)]
            try:
                await replace_under_load(load, switch, old, following, tmp_path)
            finally:
                load.stopping = True
                await asyncio.gather(*tills)
    assert load.failures == []
    assert load.requests >= LEAST_REQUESTS
    assert len(switch.sent) == 2
    assert min(switch.sent.values()) > LEAST_REQUESTS / 5
    database = urlsplit(fresh_database_url).path.lstrip("/")
    counted = "SELECT count(*), count(DISTINCT number), max(number), count(till) FROM ibex.invoices"
    sales = load.answers[201]
    assert cluster.execute(counted, database=database).strip() == f"{sales}|{sales}|{sales}|{sales}"


async def replace_under_load(load: Load, switch: Switch, old: Service, following: dict[str, str], logs: Path) -> None:
    """Migrate, start the new process, overlap, end the old one: as Railway does."""
    await until(load, 400)
    said = await asyncio.to_thread(ibex, following, "migrate", "deploy")
    assert "1 to apply" in said
    await until(load, 400)  # the old code on the new schema
    with Service([IBEX, "serve"], environment=following, cwd=logs, log=logs / "new.log") as new:
        switch.ports.append(new.port)
        await until(load, 0, lambda: new.port in switch.ready)
        await until(load, 400)  # both
        old.terminate()
        await until(load, 400, lambda: old.port not in switch.ready)
        await until(load, 0, lambda: old.process.poll() is not None)
        assert old.process.returncode in (0, -15, 143), old.output()
        switch.ports.remove(old.port)
        await until(load, 400)  # the new one alone
        await until(load, max(0, LEAST_REQUESTS - load.requests))
        load.stopping = True
        await asyncio.sleep(1)
        new.terminate()
        assert await asyncio.to_thread(new.process.wait, 30) in (0, -15, 143), new.output()
