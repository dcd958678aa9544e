"""The import contracts hold, and each of them is broken by a tree that breaks it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.architecture import lint_trees
from tests.architecture.violations import ROOT


class Case(NamedTuple):
    """One line in one file, the contract that it breaks, and how the linter says where."""

    contract: str
    file: str
    line: str
    said: str


CASES: Final = [
    Case(
        "floors",
        "adapters/postgres/journal.py",
        "from ibex.entrypoints import exit_codes",
        "ibex.adapters.postgres.journal -> ibex.entrypoints.exit_codes (l.",
    ),
    Case("floors", "adapters/system.py", "import ibex.bootstrap", "ibex.adapters.system -> ibex.bootstrap (l."),
    Case("floors", "settings.py", "from ibex.domain.shared import money", "ibex.settings -> ibex.domain.shared.money"),
    Case("floors", "environment/hosts.py", "import ibex.settings", "ibex.environment.hosts -> ibex.settings"),
    Case("floors", "attic.py", "", "ibex.attic"),
    Case(
        "doors",
        "entrypoints/migrate/command.py",
        "from ibex.entrypoints.check import findings",
        "ibex.entrypoints.migrate.command -> ibex.entrypoints.check.findings",
    ),
    Case(
        "doors",
        "entrypoints/http/sales.py",
        "from ibex.entrypoints.commands import serve",
        "ibex.entrypoints.http.sales -> ibex.entrypoints.commands.serve",
    ),
    Case("doors", "entrypoints/cellar.py", "", "ibex.entrypoints.cellar"),
    Case(
        "http-knows-the-core-alone",
        "entrypoints/http/sales.py",
        "from ibex.adapters.system import SystemClock",
        "ibex.entrypoints.http.sales -> ibex.adapters.system (l.",
    ),
    Case(
        "http-knows-the-core-alone",
        "entrypoints/http/problems.py",
        "import asyncpg",
        "ibex.entrypoints.http.problems -> asyncpg",
    ),
    Case(
        "http-knows-the-core-alone",
        "entrypoints/http/app.py",
        "from ibex.settings import load_settings",
        "ibex.entrypoints.http.app -> ibex.settings",
    ),
    Case(
        "migrate-without-http",
        "entrypoints/migrate/deploy.py",
        "from ibex.bootstrap import application",
        "ibex.entrypoints.migrate.deploy -> ibex.bootstrap",
    ),
    Case(
        "migrate-without-http",
        "entrypoints/verdicts.py",
        "import litestar",
        "ibex.entrypoints.verdicts -> litestar",
    ),
    Case("pure-core", "domain/sales/sell.py", "import msgspec", "ibex.domain.sales.sell -> msgspec"),
    Case(
        "pure-core",
        "domain/sales/sell.py",
        "from ibex.adapters.system import SystemClock",
        "ibex.domain.sales.sell -> ibex.adapters.system",
    ),
    Case("pure-core", "domain/shared/clock.py", "import ibex.settings", "ibex.domain.shared.clock -> ibex.settings"),
    Case(
        "adapters-without-framework",
        "adapters/postgres/journal.py",
        "from litestar import Response",
        "ibex.adapters.postgres.journal -> litestar",
    ),
    Case(
        "areas-without-circles",
        "domain/catalog/model.py",
        "from ibex.domain.sales import model",
        "No cycles are allowed in ibex.domain.",
    ),
    Case(
        "areas-without-circles",
        "domain/sales/pricing.py",
        "from ibex.domain.sales import sell",
        "No cycles are allowed in ibex.domain.sales.",
    ),
    Case(
        "inside-an-area",
        "domain/catalog/model.py",
        "from ibex.domain.catalog import ports",
        "ibex.domain.catalog.model -> ibex.domain.catalog.ports",
    ),
    Case(
        "inside-an-area",
        "domain/sales/ports.py",
        "from ibex.domain.sales import sell",
        "ibex.domain.sales.ports -> ibex.domain.sales.sell",
    ),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bool, str]]:
    """What the linter said of the whole tree, and of each case."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "src/ibex", tree / "src/ibex", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    whole = ("", "src/ibex/__init__.py", "")
    cases = [whole, *((case.contract, f"src/ibex/{case.file}", case.line) for case in CASES)]
    done = subprocess.run(
        [sys.executable, lint_trees.__file__, str(tree)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        cwd=tree,
        env=os.environ | {"COLUMNS": "300", "NO_COLOR": "1"},
    )
    answers: list[tuple[bool, str]] = json.loads(done.stdout)
    return answers


def test_the_contracts_hold(results: list[tuple[bool, str]]) -> None:
    kept, said = results[0]
    assert kept, said


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{CASES[n].contract}-{CASES[n].file}")
def test_a_broken_tree_breaks_the_contract(results: list[tuple[bool, str]], number: int) -> None:
    case = CASES[number]
    kept, said = results[number + 1]
    assert not kept
    assert "0 kept, 1 broken" in said
    assert case.said in said


def test_every_contract_has_a_broken_tree() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert {contract["id"] for contract in options["contracts"]} == {case.contract for case in CASES}


def test_a_layer_of_an_area_is_somewhere() -> None:
    """The names of the contract inside-an-area are optional there, so a misspelt one would not be noticed."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [contract for contract in options["contracts"] if contract["id"] == "inside-an-area"]
    names = [name.strip(" ()") for layer in contract["layers"] for name in layer.split(":")]
    for name in names:
        assert list((ROOT / "src/ibex/domain").glob(f"*/{name}.py")), f"no area has a module {name}"


def test_the_command_that_migrates_loads_no_http() -> None:
    """What the linter cannot see: imports by name, such as those of the command line."""
    command = (
        "import sys, ibex.entrypoints.cli, importlib\n"
        "for name, module, *_ in ibex.entrypoints.cli.COMMANDS:\n"
        "    if name in ('migrate', 'check'):\n"
        "        importlib.import_module(module)\n"
        "print(*(name for name in sys.modules if name.startswith(('litestar', 'uvicorn', 'ibex.entrypoints.http'))))\n"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, cwd=Path("/"))
    assert done.stdout.split() == []
