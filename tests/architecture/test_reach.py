"""One reader of the environment, one maker of connections, one database, nothing from development."""

from __future__ import annotations

import pytest

from tests.architecture.conftest import Tree
from tests.architecture.rules.reach import (
    ENGINE,
    SETTINGS,
    connection_makers,
    devtools_users,
    environment_readers,
    forbidden_distributions,
    forbidden_imports,
)
from tests.architecture.violations import ROOT, assert_none

FILE = "src/ibex/entrypoints/http/sales.py"


def test_the_settings_alone_read_the_environment() -> None:
    assert_none(environment_readers(ROOT))


@pytest.mark.parametrize(
    "text",
    [
        "import os\nurl = os.environ['DATABASE_URL']",
        "import os\nurl = os.environ.get('DATABASE_URL')",
        "import os\nurl = os.getenv('DATABASE_URL')",
        "\nfrom os import environ",
        "\nfrom os import getenv as read",
        "import click\n@click.option('--url', envvar='DATABASE_URL')\ndef f(): ...",
        "\nibex.main(auto_envvar_prefix='IBEX')",
    ],
)
def test_another_reader_of_the_environment_is_found(tree: Tree, text: str) -> None:
    violations = list(environment_readers(tree({FILE: text, SETTINGS: text})))
    assert {(v.file, v.line, v.rule) for v in violations} == {(FILE, 2, "one-reader")}


def test_the_engine_alone_connects() -> None:
    assert_none(connection_makers(ROOT))


@pytest.mark.parametrize(
    "text",
    [
        "import asyncpg\nc = asyncpg.connect(host='x')",
        "import asyncpg as pg\npool = pg.create_pool()",
        "from asyncpg import connect\nc = connect()",
        "from asyncpg import connect as dial\nc = dial()",
        "from sqlalchemy import create_engine\ne = create_engine('x')",
        "import sqlalchemy as sa\ne = sa.create_engine('x')",
        "from sqlalchemy.ext import asyncio as s\ne = s.create_async_engine('x')",
    ],
)
def test_another_maker_of_connections_is_found(tree: Tree, text: str) -> None:
    (violation,) = connection_makers(tree({FILE: text, ENGINE: text}))
    assert (violation.file, violation.line, violation.rule) == (FILE, 2, "one-engine")


def test_there_is_one_database_and_one_driver() -> None:
    assert_none(forbidden_imports(ROOT))
    assert_none(forbidden_distributions(ROOT))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("\nfrom dotenv import load_dotenv", "one-database"),
        ("\nimport psycopg", "one-database"),
        ("\nimport sqlite3", "one-database"),
        ("\nfrom aiosqlite import connect", "one-database"),
        ("\nmetadata.create_all(engine)", "migrations-only"),
        ("\nawait_(connection.run_sync(Base.metadata.create_all(connection)))", "migrations-only"),
        ("\nBase.metadata.drop_all()", "migrations-only"),
    ],
)
@pytest.mark.parametrize("file", [FILE, "migrations/env.py", "dev-tools/src/ibex_devtools/demo.py"])
def test_another_database_is_found(tree: Tree, file: str, text: str, rule: str) -> None:
    (violation,) = forbidden_imports(tree({file: text}))
    assert (violation.file, violation.line, violation.rule) == (file, 2, rule)


LOCK = """
[[package]]
name = "ibex-backend"
dependencies = [{ name = "uvicorn" }]

[package.dev-dependencies]
dev = [{ name = "ibex-devtools" }]

[[package]]
name = "uvicorn"

[package.optional-dependencies]
standard = [{ name = "python-dotenv" }]

[[package]]
name = "python-dotenv"

[[package]]
name = "ibex-devtools"
"""


def test_another_database_is_found_among_the_dependencies_of_dependencies(tree: Tree) -> None:
    (violation,) = forbidden_distributions(tree({"uv.lock": LOCK}))
    assert "python-dotenv would be installed with the service" in violation.reason


def test_nothing_that_ships_needs_development_tools() -> None:
    assert_none(devtools_users(ROOT))


@pytest.mark.parametrize(
    "text",
    ["\nimport ibex_devtools", "\nfrom ibex_devtools.sandbox import Cluster", "\nfrom tests.fixtures import database"],
)
@pytest.mark.parametrize("file", [FILE, "migrations/versions/0001_identity.py"])
def test_a_development_tool_that_ships_is_found(tree: Tree, file: str, text: str) -> None:
    (violation,) = devtools_users(tree({file: text}))
    assert (violation.file, violation.line, violation.rule) == (file, 2, "nothing-from-dev-tools")
