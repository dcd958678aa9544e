"""The `ibex` command: every row of its table leads somewhere, and nothing is imported before it is run."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from ibex.entrypoints import cli


@pytest.mark.parametrize("name", [name for name, *_ in cli.COMMANDS])
def test_every_command_of_the_table_is_there(name: str) -> None:
    group = cli.ibex
    assert isinstance(group, cli.LazyGroup)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name


def test_help_lists_the_commands_without_importing_them() -> None:
    script = (
        "import sys; sys.argv = ['ibex', '--help']; from ibex.entrypoints.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith(('alembic', 'asyncpg', 'litestar'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    for name, *_ in cli.COMMANDS:
        assert name in done.stdout
    assert done.stdout.endswith("[]\n")


def test_a_defect_shows_its_traceback_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://u:S3cr3t%2Fp%40ss@ep-x-1.us-east-2.aws.neon.tech/db"
    monkeypatch.setenv("DATABASE_URL", url)

    @click.command()
    def broken() -> None:
        raise RuntimeError(f"cannot use {url} or S3cr3t/p@ss")

    monkeypatch.setattr(cli, "ibex", broken)
    monkeypatch.setattr(sys, "argv", ["ibex"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert "RuntimeError: cannot use ********** or **********" in shown
    assert "S3cr3t" not in shown
