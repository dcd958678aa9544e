"""No connection string in the repository, and no file that could hold one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.architecture.conftest import Tree
from tests.architecture.rules.secrecy import ALLOWED, connection_strings
from tests.architecture.violations import ROOT, assert_none, text_files

HOST = "ep-x-1.eu-central-1.aws.neon.tech"


def repository(root: Path) -> Path:
    """Makes git know the directory, so that its files can be listed."""
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


def test_no_file_holds_a_connection_string() -> None:
    assert_none(connection_strings(ROOT))


@pytest.mark.parametrize(
    "line",
    [
        f"DATABASE_URL=postgresql://ibex:npg_a1b2c3@{HOST}/ibex?sslmode=require",
        f"url = 'postgres://ibex:npg_a1b2c3@{HOST}/ibex'",
        f"postgresql+asyncpg://ibex:npg_a1b2c3@{HOST}/ibex",
        "mysql://root:root@db/ibex",
        f"psql 'host={HOST} user=ibex password=npg_a1b2c3'",
        f"password=npg_a1b2c3 host={HOST}",
        f"postgresql://ibex:S3cr3t@{HOST}/ibex",
    ],
)
@pytest.mark.parametrize("file", ["README.md", "docs/RAILWAY_SETUP.md", "scripts/start.sh", "src/ibex/settings.py"])
def test_a_connection_string_is_found(tree: Tree, file: str, line: str) -> None:
    (violation,) = connection_strings(repository(tree({file: f"first\n{line}\n"})))
    assert (violation.file, violation.line, violation.rule) == (file, 2, "no-connection-strings")
    assert "npg_" not in str(violation)


@pytest.mark.parametrize("password", ["PASSWORD", "<password>", "{password}", "***", "$PASSWORD", "${PASSWORD}", "..."])
def test_a_placeholder_is_none(tree: Tree, password: str) -> None:
    text = f"postgresql://USER:{password}@{HOST}/ibex?sslmode=require\n"
    assert_none(connection_strings(repository(tree({"docs/RAILWAY_SETUP.md": text}))))


def test_what_a_test_made_up_is_none(tree: Tree) -> None:
    text = f"postgresql://u:S3cr3t%2Fp@{HOST}/db\n"
    assert_none(connection_strings(repository(tree({"tests/integration/test_check.py": text}))))


def test_every_listed_exception_is_there() -> None:
    names = [name for name, _ in text_files(ROOT)]
    for prefix in ALLOWED:
        assert any(name.startswith(prefix) for name in names), f"{prefix} is not needed any more: remove it"


@pytest.mark.parametrize("name", [".env", ".env.local", ".env.production", "src/.env", "scripts/.env.example"])
def test_git_ignores_env_files(name: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", name], cwd=ROOT, check=False)
    assert done.returncode == 0, f".gitignore:1: no-env-files: {name} could be committed, with what it holds"


def test_git_tracks_no_env_file() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert not [name for name in listed.splitlines() if Path(name).name.startswith(".env")]
