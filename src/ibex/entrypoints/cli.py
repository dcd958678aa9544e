"""The `ibex` command. Subcommands are imported only when they are run, so that `ibex migrate` never loads
the HTTP side."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import Final

import click

from ibex.entrypoints import exit_codes
from ibex.settings import ConfigurationError, redact

# Name, module, attribute, and the line that `ibex --help` shows. Another command is another line here.
COMMANDS: Final = (
    ("serve", "ibex.entrypoints.commands.serve", "serve", "Run the HTTP service."),
    (
        "check",
        "ibex.entrypoints.check.command",
        "check",
        "Find out what is wrong with settings, network, database.",
    ),
    (
        "migrate",
        "ibex.entrypoints.migrate.command",
        "migrate",
        "Bring the database's schema to this code's revision.",
    ),
    ("stores", "ibex.entrypoints.commands.stores", "stores", "Open, list, export and import stores."),
    ("tokens", "ibex.entrypoints.commands.tokens", "tokens", "Issue and revoke API tokens."),
    ("worker", "ibex.entrypoints.commands.worker", "worker", "Deliver webhooks, seal the audit trail, tidy up."),
    ("openapi", "ibex.entrypoints.commands.openapi", "openapi", "Print the API's description."),
)


class LazyGroup(click.Group):
    """A group whose commands are a static table of modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for name, *_ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for name, module, attribute, _ in COMMANDS:
            if name == cmd_name:
                command = getattr(importlib.import_module(module), attribute)
                assert isinstance(command, click.Command)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, _, _, line in COMMANDS])


@click.group(cls=LazyGroup)
@click.version_option(package_name="ibex-backend", prog_name="ibex")
def ibex() -> None:
    """IBEX, the sales engine. The database is the one that DATABASE_URL names."""


def main() -> None:
    """The console script: every way out has its exit code, and none of them shows a secret."""
    try:
        ibex.main(standalone_mode=False)
    except ConfigurationError as error:
        click.echo(f"{error.id}: {error.message}\n  {error.fix}", err=True)
        sys.exit(exit_codes.CONFIGURATION)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except Exception:  # a defect: its traceback is wanted, the password in it is not
        click.echo(redact(traceback.format_exc()), err=True)
        sys.exit(exit_codes.FINDINGS)
