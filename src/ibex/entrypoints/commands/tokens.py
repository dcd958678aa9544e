"""`ibex tokens`: issue, list and revoke bearer tokens."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from uuid import UUID

import click

from ibex.adapters.system import SystemClock, SystemSecrets, Uuid7Source
from ibex.domain.identity.model import ApiToken, Permission, Role
from ibex.domain.identity.opening import IssueToken
from ibex.domain.shared.ids import StoreId, TokenId
from ibex.entrypoints import exit_codes
from ibex.entrypoints.commands.registry import show_once, with_registry

CLOCK = SystemClock()


@click.group()
def tokens() -> None:
    """Issue, list and revoke API tokens."""


@tokens.command()
@click.option("--store", type=click.UUID, required=True, help="The store's id.")
@click.option("--operator", required=True, help="The operator's name or id.")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Make the operator, if there is none.")
@click.option("--label", default="token", show_default=True, help="What the token is for.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice([p.value for p in Permission]))
@click.option("--expires-in-days", type=click.FloatRange(min=0, min_open=True), help="Without it, never.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def create(
    store: UUID,
    operator: str,
    role: str | None,
    label: str,
    scopes: tuple[str, ...],
    expires_in_days: float | None,
    as_json: bool,
) -> None:
    """Issue a token, and print it: it is shown this once and kept nowhere."""
    expires_at = None if expires_in_days is None else CLOCK.now() + timedelta(days=expires_in_days)
    person, token, secret = with_registry(
        lambda registry: IssueToken(registry, SystemSecrets(), CLOCK, Uuid7Source())(
            StoreId(store),
            operator=operator,
            role=None if role is None else Role(role),
            label=label,
            scopes=frozenset(Permission(scope) for scope in scopes) or None,
            expires_at=expires_at,
        )
    )
    facts = {
        "operator_id": str(person.id),
        "role": person.role.value,
        "token_id": str(token.id),
        "token": secret.text,
    }
    show_once(facts, as_json=as_json)


@tokens.command("list")
@click.option("--store", type=click.UUID, required=True, help="The store's id.")
def list_(store: UUID) -> None:
    """List a store's tokens by what is shown of them."""
    for token in with_registry(lambda registry: registry.tokens(StoreId(store))):
        click.echo(f"{token.id}  {token.prefix}…  {state_of(token, CLOCK.now())}  {token.operator_id}  {token.label}")


@tokens.command()
@click.option("--store", type=click.UUID, required=True, help="The store's id.")
@click.argument("token_id", type=click.UUID)
def revoke(store: UUID, token_id: UUID) -> None:
    """Revoke a token; it is refused everywhere within 10 seconds."""
    if with_registry(lambda registry: registry.revoke(StoreId(store), TokenId(token_id), CLOCK.now())):
        click.echo("Revoked.")
        return
    click.echo("There is no such token, or it was revoked before.", err=True)
    sys.exit(exit_codes.FINDINGS)


def state_of(token: ApiToken, now: datetime) -> str:
    """One word."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "active"
