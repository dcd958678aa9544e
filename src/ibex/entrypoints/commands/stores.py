"""`ibex stores`: open a store, list the stores."""

from __future__ import annotations

from datetime import time
from decimal import Decimal, InvalidOperation

import click

from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.domain.identity.opening import OpenStore
from ibex.domain.shared.errors import DomainError
from ibex.entrypoints.commands.archives import export, import_
from ibex.entrypoints.commands.registry import refuse, show_once, with_registry


@click.group()
def stores() -> None:
    """Open, list, export and import stores."""


stores.add_command(export)
stores.add_command(import_)


@stores.command()
@click.option("--name", required=True, help="The store's name.")
@click.option("--currency", required=True, help="ISO 4217, for example EUR.")
@click.option("--timezone", "time_zone", required=True, help="IANA name, for example Europe/Rome.")
@click.option("--owner", required=True, help="The name of the first operator, who is the owner.")
@click.option("--prices", type=click.Choice(["include-tax", "exclude-tax"]), default="include-tax", show_default=True)
@click.option("--day-starts-at", default="00:00", show_default=True, help="Local time at which a day of trade begins.")
@click.option("--cash-rounding", default="0", show_default=True, help="Cash totals are rounded to this, e.g. 0.05.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(
    name: str,
    currency: str,
    time_zone: str,
    owner: str,
    prices: str,
    day_starts_at: str,
    cash_rounding: str,
    as_json: bool,
) -> None:
    """Open a store, and print its owner's token: it is shown this once and kept nowhere."""
    try:
        starts, rounding = time.fromisoformat(day_starts_at), Decimal(cash_rounding)
    except (ValueError, InvalidOperation):
        raise click.BadParameter("give --day-starts-at as HH:MM and --cash-rounding as a number") from None
    try:
        opened = with_registry(
            lambda registry: OpenStore(registry, SystemSecrets(), SystemClock(), Uuid7Source())(
                name=name,
                currency=currency,
                time_zone=time_zone,
                owner=owner,
                prices_include_tax=prices == "include-tax",
                day_starts_at=starts,
                cash_rounding=rounding,
            )
        )
    except DomainError as error:
        refuse(error)
    facts = {
        "store_id": str(opened.store.id),
        "operator_id": str(opened.owner.id),
        "token_id": str(opened.token.id),
        "token": opened.secret.text,
    }
    show_once(facts, as_json=as_json)


@stores.command("list")
def list_() -> None:
    """List the stores."""
    for store in with_registry(lambda registry: registry.stores()):
        click.echo(f"{store.id}  {store.currency.code}  {store.time_zone}  {store.name}")
