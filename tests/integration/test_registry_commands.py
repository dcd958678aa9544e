"""`ibex stores` and `ibex tokens`, as somebody types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from ibex.entrypoints import exit_codes
from ibex.entrypoints.commands.audit import audit
from ibex.entrypoints.commands.stores import stores
from ibex.entrypoints.commands.tokens import tokens
from ibex_devtools.sandbox import Cluster

Run = Callable[..., Result]
COMMANDS = {"stores": stores, "tokens": tokens, "audit": audit}
CREATE = ("stores", "create", "--name", "Corner", "--currency", "EUR", "--timezone", "Europe/Rome", "--owner", "Ada")


@pytest.fixture
def run(cluster: Cluster, database_name: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on this worker's database."""
    for name, value in cluster.environment(database_name).items():
        monkeypatch.setenv(name, value)

    def command(name: str, *arguments: str, expect: int = 0) -> Result:
        result = CliRunner().invoke(COMMANDS[name], [*arguments])
        assert result.exit_code == expect, f"{result.output} {result.exception!r}"
        return result

    return command


def test_a_store_and_its_tokens_from_the_command_line(run: Run) -> None:
    opened = json.loads(run(*CREATE, "--json").stdout)
    store = opened["store_id"]
    assert f"{store}  EUR  Europe/Rome  Corner" in run("stores", "list").stdout
    given = json.loads(
        run("tokens", "create", "--store", store, "--operator", "Ben", "--role", "CASHIER", "--json").stdout
    )
    assert given["role"] == "CASHIER"
    listed = run("tokens", "list", "--store", store).stdout
    assert len(listed.splitlines()) == 2
    for secret in (opened["token"], given["token"]):
        assert secret not in listed
    run("tokens", "revoke", "--store", store, given["token_id"])
    assert "revoked" in run("tokens", "list", "--store", store).stdout
    assert run("audit", "seal", "--store", store).stdout.startswith(store)
    run("audit", "verify", "--store", store)


def test_refusals_end_with_a_sentence_and_a_code(
    run: Run, cluster: Cluster, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = str(uuid4())
    told = run(
        "tokens", "create", "--store", nowhere, "--operator", "Ben", "--role", "OWNER", expect=exit_codes.FINDINGS
    )
    assert "not_found: There is no such store" in told.stderr
    told = run("audit", "seal", "--store", nowhere, expect=exit_codes.FINDINGS)
    assert "not_found: There is no such store" in told.stderr
    monkeypatch.setenv("DATABASE_URL", database_url.replace(f":{cluster.port}/", ":1/"))
    told = run("stores", "list", expect=exit_codes.UNAVAILABLE)
    assert "No connection to the database" in told.stderr
    assert cluster.owner_password not in told.output + repr(told.exception)
