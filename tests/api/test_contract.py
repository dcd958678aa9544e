"""The contract: it is valid, a client can be generated from it and works, and nothing that it allows or forbids
surprises the service."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from ibex.entrypoints.http import auth
from ibex.entrypoints.http.app import documented_handlers
from ibex.entrypoints.http.openapi import openapi_document
from ibex_devtools.error_list import PAGE, page
from tests.api.client import Shop

ROOT = Path(__file__).parents[2]
CLIENT = """
import json, sys
from shop.client import AuthenticatedClient
from shop.api.products import list_products
from shop.api.sales import record_sale
from shop.models import LineInput, Method, SaleInput
client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], raise_on_unexpected_status=True)
products = list_products.sync(client=client).items
line = LineInput(quantity="2", product_id=products[0].id)
sale = record_sale.sync(client=client, body=SaleInput(lines=[line], payment_method=Method.CASH))
print(json.dumps({"sku": products[0].sku, "number": sale.number, "total": sale.total}))
"""


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """The document as it is served."""
    document: dict[str, Any] = json.loads(json.dumps(openapi_document(documented_handlers()), default=str))
    return document


async def run(*command: str, cwd: Path, timeout_seconds: float = 100) -> tuple[int, str]:
    """The exit code and the output of a program, while this process goes on serving."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, output.decode()


def test_the_contract_is_valid(contract: dict[str, Any]) -> None:
    validate(contract)


def test_every_operation_can_be_called_by_name(contract: dict[str, Any]) -> None:
    operations = [op for item in contract["paths"].values() for op in item.values() if isinstance(op, dict)]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation.get("summary") and operation.get("tags") for operation in operations)


def test_the_page_of_errors_is_the_codes_own() -> None:
    assert (ROOT / PAGE).read_text() == page(), "run: python -m ibex_devtools.error_list"


async def test_a_generated_client_lists_products_and_makes_a_sale(
    shop: Shop, contract: dict[str, Any], tmp_path: Path
) -> None:
    product = await shop.make_product(unit_price="2.50")
    (tmp_path / "openapi.json").write_text(json.dumps(contract))
    generate = [
        "openapi-python-client",
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        "shop",
        "--meta",
        "none",
    ]
    code, output = await run(*generate, cwd=tmp_path)
    assert code == 0, output
    code, output = await run(sys.executable, "-c", CLIENT, shop.service.base_url, str(shop.api.token), cwd=tmp_path)
    assert code == 0, output
    assert json.loads(output) == {"sku": product["sku"], "number": 1, "total": "5.00"}


@pytest.mark.timeout(400)
async def test_nothing_that_can_be_sent_surprises_the_service(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """schemathesis, with all its checks (see schemathesis.toml), over every route. `make fuzz` gives it longer."""
    # The brake on guessing has tests of its own; here it would hide what a route answers to an invalid token.
    monkeypatch.setattr(auth.FailureLimiter, "failed", lambda *_: None)
    examples = request.config.getoption("--fuzz-examples")
    command = [
        "schemathesis",
        f"--config-file={ROOT / 'schemathesis.toml'}",
        "run",
        f"{shop.service.base_url}/openapi.json",
        "--header",
        f"Authorization: Bearer {shop.api.token}",
        "--checks=all",
        f"--max-examples={examples}",
        "--workers=2",
        "--generation-deterministic",
        "--no-color",
    ]
    code, output = await run(*command, cwd=tmp_path, timeout_seconds=350 + 20 * examples)
    summary = output[output.rfind("= SUMMARY") :]
    sys.stdout.write(next((line for line in summary.splitlines() if "generated" in line), "") + "\n")
    assert code == 0, output[-6000:]
