"""The wheel that is shipped holds the service and its migrations, and nothing else."""

from __future__ import annotations

import subprocess
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.fixtures.programs import ROOT, find_uv, uv_environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built as it is built for a deployment."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [find_uv(), "build", "--quiet", "--wheel", "--package", "ibex-backend", "--out-dir", str(out)],
        cwd=ROOT,
        env=uv_environment(),
        check=True,
    )
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def tracked(folder: str) -> set[str]:
    """Files that belong to the repository, below the folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def test_the_wheel_holds_the_service_and_its_migrations_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    service = {name.removeprefix("src/") for name in tracked("src/ibex")}
    migrations = {f"ibex/_migrations/{name.removeprefix('migrations/')}" for name in tracked("migrations")}
    assert names == service | migrations


def test_the_wheel_needs_nothing_from_dev_tools(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    needed = Parser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist") or []
    assert needed
    for unwanted in ("ibex-devtools", "celerp", "trustme", "pytest", "ruff", "mypy"):
        assert not [requirement for requirement in needed if requirement.startswith(unwanted)]


def test_a_file_too_many_is_found(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """The comparison above on a wheel with one more file, as a careless packages= would make it."""
    path = tmp_path / "fat.whl"
    with zipfile.ZipFile(path, "w") as fat:
        for name in wheel.namelist():
            fat.writestr(name, b"")
        fat.writestr("ibex_devtools/__init__.py", b"")
    with zipfile.ZipFile(path) as fat, pytest.raises(AssertionError):
        test_the_wheel_holds_the_service_and_its_migrations_and_nothing_else(fat)
