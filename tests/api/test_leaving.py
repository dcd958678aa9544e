"""A store taken away and brought back: the same books, to the cent."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ibex.adapters.postgres.archive_tables import EXPORTED, LEFT_OUT
from ibex.adapters.postgres.queries.audit import PostgresAuditChain
from ibex.domain.audit.chain import SealAudit, VerifyAudit
from ibex.domain.identity.model import Role
from ibex.domain.shared.errors import DomainError
from ibex_devtools.sandbox import Cluster
from tests.api.client import Api, Json, Service, Shop, open_shop, problem
from tests.api.leaving import import_here

FUNNY = 'Z\u00fcrich "\u05d3\u05d5\u05d3" \u2028 a\\b \U0001f600, \u200f\u0639\u0631\u0628\u064a'


async def furnished(service: Service, **fields: Any) -> Shop:
    """A shop in which everything has happened once."""
    shop = await open_shop(service, **({"name": "Bottega"} | fields))
    api = shop.api
    category = await api.post("/v1/categories", {"name": "Drinks"})
    cola = await shop.make_product(
        category_id=category["id"], barcode="4006381333931", cost_price="0.4321", tax_rate="22"
    )
    cheese = await shop.make_product(name=FUNNY, unit_price="19.9900", stock="12.345", tax_rate="4")
    customer = await shop.make_customer(name=FUNNY, phone="+39 333", credit_limit="500.00")
    await api.patch(f"/v1/products/{cola['id']}", {"unit_price": "1.1111"})
    shift = await api.post("/v1/shifts", {"drawer": "till 1", "opening_float": "50.00"})
    await shop.sell([(cola, "3"), (cheese, "0.375")], shift_id=shift["id"])
    owed = await shop.sell([(cheese, "1.5")], method="CREDIT", customer_id=customer["id"])
    await api.post(
        f"/v1/invoices/{owed['id']}/payments", {"payment_method": "CASH", "amount": "5.00", "shift_id": shift["id"]}
    )
    await api.post(
        f"/v1/invoices/{owed['id']}/credit-notes",
        {"lines": [{"line_no": 1, "quantity": "0.25"}], "reason": FUNNY},
    )
    await api.post(
        f"/v1/products/{cola['id']}/stock-movements", {"kind": "RECEIVED", "quantity": "24", "reason": "van"}
    )
    await shop.draft([(cola, "1")], note="line one\nline two")
    await api.post(f"/v1/shifts/{shift['id']}/movements", {"kind": "PAID_OUT", "amount": "7.00", "reason": "window"})
    await api.post(f"/v1/shifts/{shift['id']}/close", {"counted_cash": "60.00"}, expect=200)
    await shop.as_role(Role.CASHIER)
    await api.post("/v1/webhooks", {"url": "https://hooks.shop.com/x"})
    await api.post("/v1/customers", {"name": "Kept"}, key="kept-answer")
    await SealAudit(PostgresAuditChain(service.database))(shop.store_id)
    return shop


async def export(api: Api) -> bytes:
    answer = await api.request("GET", "/v1/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return answer.content


def manifest_of(archive: bytes) -> Json:
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        found: Json = json.loads(zipped.read("manifest.json"))
        return found


def rewritten(archive: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The archive with files changed, or left out where ``change`` gives None."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return out.getvalue()


def with_manifest(archive: bytes, change: Callable[[Json], None]) -> bytes:
    def one(name: str, data: bytes) -> bytes:
        if name != "manifest.json":
            return data
        manifest = json.loads(data)
        change(manifest)
        return json.dumps(manifest).encode()

    return rewritten(archive, one)


class Elsewhere:
    """Another service: an empty database, and the command on it."""

    def __init__(self, cluster: Cluster, template: str, cwd: Path) -> None:
        self.name = f"elsewhere_{uuid.uuid4().hex}"
        cluster.create_database(self.name, template)
        self._cluster = cluster
        self._environment = os.environ | cluster.environment(self.name)
        self._cwd = cwd

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("ibex"), *arguments],
            env=self._environment,
            cwd=self._cwd,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def bring_in(self, archive: bytes, *options: str) -> Json:
        done = self.import_(archive, *options, "--json")
        assert done.returncode == 0, done.stderr
        found: Json = json.loads(done.stdout)
        return found

    def import_(self, archive: bytes, *options: str) -> subprocess.CompletedProcess[str]:
        path = self._cwd / f"{uuid.uuid4().hex}.zip"
        path.write_bytes(archive)
        return self.run("stores", "import", str(path), *options)

    def export(self, store_id: str) -> bytes:
        path = self._cwd / f"{uuid.uuid4().hex}.zip"
        done = self.run("stores", "export", "--store", store_id, str(path))
        assert done.returncode == 0, done.stderr
        assert path.stat().st_mode & 0o777 == 0o600
        return path.read_bytes()

    def close(self) -> None:
        self._cluster.drop_database(self.name)


@pytest.fixture
def elsewhere(cluster: Cluster, template_database: str, tmp_path: Path) -> Iterator[Elsewhere]:
    """Another service."""
    other = Elsewhere(cluster, template_database, tmp_path)
    yield other
    other.close()


def lines_of(archive: bytes, table: str) -> list[Json]:
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        return [json.loads(line) for line in zipped.read(f"{table}.jsonl").split(b"\n") if line]


async def test_the_archive_holds_everything_but_secrets(service: Service) -> None:
    shop = await furnished(service)
    archive = await export(shop.api)
    manifest = manifest_of(archive)
    assert (manifest["format"], manifest["format_version"], manifest["store_id"]) == (
        "ibex-archive",
        1,
        str(shop.store_id),
    )
    assert [table["name"] for table in manifest["tables"]] == list(EXPORTED)
    assert set(manifest["left_out"]) == set(LEFT_OUT)
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        assert zipped.testzip() is None
        assert zipped.namelist() == [*(table["file"] for table in manifest["tables"]), "manifest.json"]
        for table in manifest["tables"]:
            data = zipped.read(table["file"])
            assert hashlib.sha256(data).hexdigest() == table["sha256"], table
            assert data.count(b"\n") == table["rows"]
            [counted] = await shop.rows(
                f"SELECT count(*) AS n FROM ibex.{table['name']} t "
                f"WHERE t.{'id' if table['name'] == 'stores' else 'store_id'} = $1"
            )
            # Written before the snapshot was taken, so that it holds its own export.
            assert counted["n"] == table["rows"], table
            for line in data.split(b"\n")[:-1]:
                assert set(json.loads(line)) == set(table["columns"])
    text = rewritten_text(archive)
    assert shop.api.token is not None
    assert shop.api.token not in text
    assert "secret_hash" not in text
    hashes = await shop.rows("SELECT encode(secret_hash, 'hex') AS h FROM ibex.api_tokens WHERE store_id = $1")
    keys = await shop.rows("SELECT encode(secret, 'hex') AS h FROM ibex.webhook_secrets WHERE store_id = $1")
    assert len(keys) == 1
    assert [row["h"] for row in (*hashes, *keys) if row["h"] in text] == []
    assert lines_of(archive, "products")[1]["name"] in (FUNNY, lines_of(archive, "products")[0]["name"])
    assert isinstance(lines_of(archive, "invoices")[0]["total"], str)
    [last] = [entry for entry in lines_of(archive, "audit_entries") if entry["action"] == "store.exported"]
    assert last["operator_id"] == str(shop.owner_id)


def rewritten_text(archive: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        return "".join(zipped.read(name).decode() for name in zipped.namelist())


async def test_there_and_back_again(service: Service, elsewhere: Elsewhere) -> None:
    shop = await furnished(service)
    archive = await export(shop.api)
    made = await asyncio.to_thread(elsewhere.bring_in, archive)
    assert made["store_id"] == str(shop.store_id)
    assert made["totals"] == manifest_of(archive)["totals"]
    assert int(made["totals"]["counter_invoice_number"]) == 2
    again = await asyncio.to_thread(elsewhere.export, made["store_id"])
    for table in EXPORTED:
        before, after = lines_of(archive, table), lines_of(again, table)
        if table == "store_counters":
            assert after[0]["audit_seq"] == before[0]["audit_seq"] + 1
            before[0]["audit_seq"] = after[0]["audit_seq"]
        elif table == "audit_entries":
            assert after.pop()["action"] == "store.imported"
        elif table == "api_tokens":
            new = [token for token in after if token["label"] == "import"]
            assert [str(token["id"]) for token in new] == [made["token_id"]]
            after = [token for token in after if token not in new]
            assert all(token.pop("revoked_at") for token in after)
            for token in before:
                del token["revoked_at"]
        elif table == "webhooks":
            assert [(hook["status"], hook["disabled_because"]) for hook in after] == [("DISABLED", "IMPORTED")]
            for hook in (*before, *after):
                del hook["status"], hook["disabled_because"]
        assert after == before, table


async def test_the_imported_shop_goes_on_selling(service: Service) -> None:
    """Under a new id in the same service: nothing of the first one is touched, and the numbers go on."""
    shop = await furnished(service)
    archive = await export(shop.api)
    copy = await import_here(service, archive)
    assert copy.store_id != shop.store_id
    for path in ("/v1/products", "/v1/customers", "/v1/invoices", "/v1/ledger", "/v1/shifts"):
        assert await copy.api.all(path) == await shop.api.all(path), path
    product = (await copy.api.all("/v1/products", active="true"))[0]
    first, second = await copy.sell(product), await shop.sell(product)
    assert first["number"] == second["number"] == 3
    verdict = await VerifyAudit(PostgresAuditChain(service.database))(copy.store_id)
    assert verdict.intact
    assert verdict.sealed > 5
    [hook] = await copy.api.all("/v1/webhooks")
    path = f"/v1/webhooks/{hook['id']}"
    problem(await copy.api.request("PATCH", path, json={"enabled": True}), 409, "invalid_transition")
    await copy.api.post(f"{path}/secrets")
    assert (await copy.api.patch(path, {"enabled": True}))["status"] == "ENABLED"
    # What was before is not sent again.
    [row] = await copy.rows("SELECT fanned_seq FROM ibex.webhook_progress WHERE store_id = $1")
    assert row["fanned_seq"] >= 10
    others = await shop.rows("SELECT count(*) AS n FROM ibex.api_tokens WHERE store_id = $1 AND revoked_at IS NOT NULL")
    assert others == [{"n": 0}]


@pytest.fixture
async def archive(service: Service) -> bytes:
    """A small store's."""
    shop = await open_shop(service)
    product = await shop.make_product()
    await shop.sell(product)
    return await export(shop.api)


def change_rows(table: str, change: Callable[[list[Json]], None], *, honest: bool = True) -> Callable[[bytes], bytes]:
    """Changes a table's rows, and (if ``honest``) the manifest with them."""

    def one(archive: bytes) -> bytes:
        rows = lines_of(archive, table)
        change(rows)
        data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        changed = rewritten(archive, lambda name, old: data if name == f"{table}.jsonl" else old)
        if not honest:
            return changed

        def fit(manifest: Json) -> None:
            for file in manifest["tables"]:
                if file["name"] == table:
                    file["rows"], file["sha256"] = len(rows), hashlib.sha256(data).hexdigest()

        return with_manifest(changed, fit)

    return one


def set_row(table: str, *, honest: bool = True, **fields: Any) -> Callable[[bytes], bytes]:
    return change_rows(table, lambda rows: rows[0].update(fields), honest=honest)


BROKEN: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("no zip", lambda a: b"PK\x03\x04" + a[10:400], "no whole archive"),
    ("cut off", lambda a: a[: len(a) // 2], "no whole archive"),
    ("no manifest", lambda a: rewritten(a, lambda n, d: None if n == "manifest.json" else d), "no whole archive"),
    ("another format", lambda a: with_manifest(a, lambda m: m.update(format="x")), "no archive that this version"),
    (
        "a later version",
        lambda a: with_manifest(a, lambda m: m.update(format_version=2)),
        "no archive that this version",
    ),
    ("a later schema", lambda a: with_manifest(a, lambda m: m.update(schema_revision="9999")), "update it first"),
    ("a changed row", set_row("products", honest=False, name="Other"), "SHA-256 differs"),
    (
        "a missing row",
        change_rows("ledger_entries", lambda rows: rows.__delitem__(-1), honest=False),
        "rows, and the manifest",
    ),
    ("a missing file", lambda a: rewritten(a, lambda n, d: None if n == "payments.jsonl" else d), "missing"),
    ("other totals", lambda a: with_manifest(a, lambda m: m["totals"].update(ledger_debit="1")), "ledger_debit"),
    ("a product less", change_rows("stock_movements", lambda rows: rows.__delitem__(-1)), "totals are not"),
    ("a forged total", set_row("invoices", total="99.00"), "hold together: invoices_"),
    ("lines that do not add up", set_row("invoice_lines", quantity="7"), "totals are not"),
    ("a forged stock", set_row("products", stock="5"), "products_stock"),
    ("a forged number", set_row("store_counters", invoice_number=7), "counter_invoice_number"),
    ("a stranger's product", set_row("invoice_lines", product_id=str(uuid.uuid4())), "invoice_lines_product_fk"),
    ("no number at all", set_row("invoices", total="many"), "does not fit"),
    ("not even JSON", lambda a: rewritten(a, lambda n, d: b"{\n" if n == "events.jsonl" else d), "events.jsonl"),
    ("no owner", set_row("operators", role="CASHIER"), "no active owner"),
    (
        "an unknown table",
        lambda a: with_manifest(a, lambda m: m["tables"][3].update(name="pg_authid")),
        "not those of a store",
    ),
    (
        "a secret's column",
        lambda a: with_manifest(a, lambda m: m["tables"][2]["columns"].append("secret_hash")),
        "not known here",
    ),
    (
        "SQL for a column",
        lambda a: with_manifest(a, lambda m: m["tables"][5]["columns"].append('x") SELECT 1; --')),
        "not known here",
    ),
    (
        "the same file twice",
        lambda a: with_manifest(a, lambda m: m["tables"].append(m["tables"][0])),
        "not those of a store",
    ),
]


@pytest.mark.parametrize(("change", "words"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_what_does_not_hold_together_leaves_nothing(
    service: Service, archive: bytes, change: Callable[[bytes], bytes], words: str
) -> None:
    before = await service.database.read("SELECT count(*) AS n FROM ibex.stores s WHERE s.id IS NOT NULL")
    with pytest.raises(DomainError) as refusal:
        await import_here(service, change(archive))
    assert words in refusal.value.message
    after = await service.database.read("SELECT count(*) AS n FROM ibex.stores s WHERE s.id IS NOT NULL")
    assert after[0]["n"] == before[0]["n"]


async def test_whose_rows_are_is_not_theirs_to_say(service: Service, archive: bytes, shop: Shop) -> None:
    """A row with another store's id is written to the imported store all the same."""
    forged = set_row("products", store_id=str(shop.store_id), id=lines_of(archive, "products")[0]["id"])(archive)
    copy = await import_here(service, forged)
    assert len(await copy.api.all("/v1/products")) == 1
    assert await shop.api.all("/v1/products") == []


async def test_a_store_that_is_there_is_not_written_over(elsewhere: Elsewhere, archive: bytes) -> None:
    await asyncio.to_thread(elsewhere.bring_in, archive)
    again = await asyncio.to_thread(elsewhere.import_, archive)
    assert again.returncode == 1
    assert "already_exists: This store is here already" in again.stderr
    beside = await asyncio.to_thread(elsewhere.bring_in, archive, "--as-new-id")
    assert beside["store_id"] != manifest_of(archive)["store_id"]
    listed = await asyncio.to_thread(elsewhere.run, "stores", "list")
    assert len(listed.stdout.splitlines()) == 2


async def test_the_command_refuses_in_words(elsewhere: Elsewhere, tmp_path: Path) -> None:
    nobody = await asyncio.to_thread(
        elsewhere.run, "stores", "export", "--store", str(uuid.uuid4()), str(tmp_path / "a")
    )
    assert nobody.returncode == 1
    assert "not_found" in nobody.stderr
    assert [name for name in await asyncio.to_thread(os.listdir, tmp_path) if name.startswith("a")] == []
    mine = await asyncio.to_thread((tmp_path / "b").write_text, "mine")
    there = await asyncio.to_thread(
        elsewhere.run, "stores", "export", "--store", str(uuid.uuid4()), str(tmp_path / "b")
    )
    assert there.returncode != 0
    assert (tmp_path / "b").stat().st_size == mine


async def test_an_export_is_of_one_moment_while_the_shop_goes_on_selling(service: Service) -> None:
    shop = await open_shop(service)
    product = await shop.make_product(stock="100000")
    for _ in range(20):
        await shop.sell(product)
    selling = True

    async def sell_on() -> None:
        while selling:
            await shop.sell(product)

    tills = [asyncio.create_task(sell_on()) for _ in range(3)]
    try:
        archives = [await export(shop.api) for _ in range(3)]
    finally:
        selling = False
        await asyncio.gather(*tills)
    for archive in archives:
        totals = manifest_of(archive)["totals"]
        invoices = len(lines_of(archive, "invoices"))
        assert int(totals["invoices_paid"]) == invoices == int(totals["counter_invoice_number"])
        assert len(lines_of(archive, "ledger_entries")) == int(totals["counter_ledger_seq"])
        assert len(lines_of(archive, "events")) == int(totals["counter_event_seq"])


async def test_who_may_export_and_only_one_at_a_time(shop: Shop) -> None:
    for role in (Role.MANAGER, Role.CASHIER, Role.AUDITOR):
        somebody = await shop.as_role(role)
        problem(await somebody.request("GET", "/v1/export"), 403, "permission_refused")
    found = await asyncio.gather(*(shop.api.request("GET", "/v1/export") for _ in range(6)))
    statuses = {answer.status_code for answer in found}
    assert statuses <= {200, 409}
    assert 200 in statuses
    await export(shop.api)


async def test_every_table_is_exported_or_left_out_for_a_reason(service: Service) -> None:
    rows = await service.database.read(
        "SELECT c.relname AS name FROM pg_class c "
        "WHERE c.relnamespace = 'ibex'::regnamespace AND c.relkind IN ('r', 'p')"
    )
    tables = {row["name"] for row in rows}
    assert tables == {*EXPORTED} | {*LEFT_OUT}
    assert not {*EXPORTED} & {*LEFT_OUT}
