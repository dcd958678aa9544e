"""The command line of `ibex check`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

import click

from ibex.entrypoints.check.configuration import check_environment
from ibex.entrypoints.check.database import check_database
from ibex.entrypoints.check.findings import Finding, exit_code, skipped
from ibex.entrypoints.check.network import check_network
from ibex.settings import load_settings_and_problems

OFFLINE = ("configuration", "variable", "settings", "endpoint", "railway")
NETWORK = ("dns", "tcp", "tls")
DATABASE = (
    "authentication",
    "select-1",
    "server",
    "role",
    "connections",
    "clock",
    "schema",
    "drift",
    "session-lock",
)
SCHEMA_BEHIND = "IBEX-E301"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.option("--deploy", is_flag=True, help="Fail on warnings too.")
@click.option(
    "--before-deploy", is_flag=True, help="A schema that is only behind is fine: `ibex migrate deploy` follows."
)
@click.option("--only", multiple=True, type=click.Choice(OFFLINE + NETWORK + DATABASE), help="These checks alone.")
def check(as_json: bool, deploy: bool, before_deploy: bool, only: tuple[str, ...]) -> None:
    """Find out what is wrong with the settings, the network, the database or its schema."""
    findings = asyncio.run(_all(set(only)))
    if before_deploy:
        findings = [_behind_is_fine(finding) for finding in findings]
    shown = [finding for finding in findings if not only or finding.check in only or finding.level == "error"]
    code = exit_code(shown, deploy=deploy)
    if as_json:
        document = {"ok": code == 0, "exit_code": code, "findings": [_document(finding) for finding in shown]}
        click.echo(json.dumps(document, indent=2))
    else:
        for line in _lines(shown):
            click.echo(line)
    sys.exit(code)


async def _all(only: set[str]) -> list[Finding]:
    settings, problems = load_settings_and_problems()
    findings = check_environment(settings, problems)
    if settings is None:
        wanted = [name for name in NETWORK + DATABASE if not only or name in only]
        return findings + [skipped(name, "Not looked at: the settings are refused.") for name in wanted]
    if only and only <= set(OFFLINE):
        return findings
    findings += await check_network(settings)
    if any(finding.level == "error" for finding in findings):
        return findings + [skipped(name, "Not looked at: the server is out of reach.") for name in DATABASE]
    return findings + await check_database(settings)


def _behind_is_fine(finding: Finding) -> Finding:
    return replace(finding, level="note") if finding.id == SCHEMA_BEHIND else finding


def _document(finding: Finding) -> dict[str, object]:
    document = asdict(finding)
    del document["exit_code"]
    return document


def _lines(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        label = f"{finding.id}: " if finding.id else ""
        message = finding.message.replace("\n", "\n" + " " * 26)
        lines.append(f"{finding.level:<8} {finding.check:<15}  {label}{message}")
        if finding.fix and finding.level != "ok":
            lines.append(" " * 26 + finding.fix)
    return lines
