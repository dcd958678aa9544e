"""scripts/start-production.sh, run; scripts/start-production.ps1, run where there is PowerShell, parsed everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_pwsh

from ibex_devtools.sandbox import Cluster
from tests.e2e.processes import Service
from tests.fixtures.programs import ROOT

SHELL = "scripts/start-production.sh"
POWER = "scripts/start-production.ps1"
WITH_POWERSHELL = pytest.mark.skipif(
    shutil.which("pwsh") is None, reason="there is no PowerShell (pwsh) on PATH: the script is parsed, not run"
)
SCRIPTS = [
    pytest.param(["/bin/sh", SHELL], id="sh"),
    pytest.param(["pwsh", "-File", POWER], id="ps1", marks=WITH_POWERSHELL),
]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory such as a checkout is after `uv sync`: the scripts, and ibex in .venv."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "ibex").symlink_to(Path(sys.executable).with_name("ibex"))
    return tmp_path


@pytest.fixture
def variables(cluster: Cluster, empty_database_url: str) -> dict[str, str]:
    """What an operator sets, and what the sandbox needs on top of it."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "DATABASE_URL": empty_database_url,
        "IBEX_ENVIRONMENT": "sandbox",
        "IBEX_DRAIN_SECONDS": "0",
        "SSL_CERT_FILE": cluster.trust_file,
    }


def run(installed: Path, script: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A run that is to end by itself, from a directory that has nothing to do with it."""
    command = [*script[:-1], str(installed / script[-1])]
    return subprocess.run(
        command,
        cwd="/",
        env=variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_empty_database_is_checked_migrated_and_served(
    installed: Path, variables: dict[str, str], script: list[str], tmp_path: Path
) -> None:
    command = [*script[:-1], str(installed / script[-1])]
    with Service(command, environment=variables, cwd=Path("/"), log=tmp_path / "log") as service:
        service.wait_until_healthy("/health/ready", 60)
        said = service.output()
        assert said.index("IBEX-E301") < said.index("The schema is at")  # the check's note, then the deploy's last line
        service.terminate()
        assert service.process.wait(timeout=30) in (0, -15, 143), service.output()
        assert service.health() == 0, "a process was left behind"


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_database_url_it_says_so(installed: Path, variables: dict[str, str], script: list[str]) -> None:
    del variables["DATABASE_URL"]
    done = run(installed, script, variables)
    assert done.returncode == 78
    assert "DATABASE_URL is not set." in done.stdout + done.stderr
    assert "Set it to the connection string that Neon's console shows." in done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_the_check_refuses_is_not_migrated(installed: Path, variables: dict[str, str], script: list[str]) -> None:
    (installed / ".env").write_text("DATABASE_URL=\n")
    done = run(installed, script, variables)
    assert done.returncode == 78
    assert "IBEX-E113" in done.stdout
    assert "to apply" not in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_an_installation_it_says_so(installed: Path, variables: dict[str, str], script: list[str]) -> None:
    (installed / ".venv/bin/ibex").unlink()
    powershell = shutil.which("pwsh")
    variables["PATH"] = f"{Path(powershell).parent}:/usr/bin:/bin" if powershell else "/usr/bin:/bin"
    done = run(installed, script, variables)
    assert done.returncode == 78
    assert "ibex is not installed. Run: uv sync --locked --no-dev" in done.stderr


def parsed(text: str) -> tree_sitter.Node:
    """The tree of a PowerShell script."""
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language())).parse(text.encode()).root_node


def statements(text: str) -> list[str]:
    """Its statements, without the blanks around them."""
    root = parsed(text)
    assert not root.has_error, f"PowerShell would not parse this:\n{root}"
    (body,) = [child for child in root.named_children if child.type == "statement_list"]
    return [(child.text or b"").decode().strip() for child in body.named_children]


def test_the_powershell_script_stops_at_the_first_step_that_fails() -> None:
    found = [line for line in statements((ROOT / POWER).read_text()) if line not in ("", ";")]
    steps = [number for number, line in enumerate(found) if line.startswith("ibex ")]
    assert len(steps) == 3
    for number in steps[:-1]:
        assert found[number + 1] == "if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }"
    assert found[steps[-1] + 1 :] == ["exit $LASTEXITCODE"]


@pytest.mark.parametrize("broken", ["if ($LASTEXITCODE -ne 0 { exit 1 }", "Set-Location (Join-Path $PSScriptRoot '..'"])
def test_the_parser_sees_what_powershell_would_refuse(broken: str) -> None:
    assert parsed((ROOT / POWER).read_text() + broken).has_error
