"""`ibex audit`: seal the audit trail, and verify the seal."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import click

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.queries.audit import PostgresAuditChain
from ibex.domain.audit.chain import Link, SealAudit, Verdict, VerifyAudit
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import StoreId
from ibex.entrypoints import exit_codes
from ibex.entrypoints.commands.registry import with_database, with_registry

T = TypeVar("T")


@click.group()
def audit() -> None:
    """Seal and verify the audit trail."""


@audit.command()
@click.option("--store", type=click.UUID, help="Only this store; without it, all of them.")
def seal(store: UUID | None) -> None:
    """Seal what was recorded since the last time. The worker does this by itself every minute."""
    for store_id, count in _for_each(store, lambda chain, each: SealAudit(chain)(each)):
        click.echo(f"{store_id}  sealed {count}")


@audit.command()
@click.option("--store", type=click.UUID, help="Only this store; without it, all of them.")
@click.option("--expect", help="SEQ:HASH of a head that was noted earlier (with --store).")
def verify(store: UUID | None, expect: str | None) -> None:
    """Go over the whole chain. Exit code 1 names the first break; note the head that is printed in another place."""
    noted = None if expect is None else parse_head(expect)
    if noted is not None and store is None:
        raise click.UsageError("--expect belongs to one store: give --store as well.")
    broken = False
    for store_id, verdict in _for_each(store, lambda chain, each: VerifyAudit(chain)(each, expect=noted)):
        click.echo(f"{store_id}  {describe(verdict)}")
        broken = broken or not verdict.intact
    if broken:
        sys.exit(exit_codes.FINDINGS)


def describe(verdict: Verdict) -> str:
    """One line."""
    head = "none" if verdict.head is None else f"{verdict.head.seq}:{verdict.head.link.hex()}"
    if verdict.intact:
        return f"intact, {verdict.sealed} sealed, {verdict.unsealed} not yet, head {head}"
    return f"BROKEN at entry {verdict.broken_at}: {verdict.why}; head {head}"


def parse_head(text: str) -> Link:
    """``SEQ:HASH`` as a link. Raises BadParameter."""
    seq, _, digest = text.partition(":")
    try:
        link = bytes.fromhex(digest)
        number = int(seq)
    except ValueError:
        raise click.BadParameter("give SEQ:HASH as `ibex audit verify` prints it") from None
    if len(link) != 32 or number < 1:
        raise click.BadParameter("give SEQ:HASH as `ibex audit verify` prints it")
    return Link(seq=number, link=link)


def _for_each(
    store: UUID | None, work: Callable[[PostgresAuditChain, StoreId], Awaitable[T]]
) -> list[tuple[StoreId, T]]:
    stores = with_registry(lambda registry: registry.stores())
    ids = [each.id for each in stores if store in (None, each.id)]

    async def run(database: Database) -> list[tuple[StoreId, T]]:
        if not ids and store is not None:
            raise NotFound("There is no such store.", field="store")
        chain = PostgresAuditChain(database)
        return [(each, await work(chain, each)) for each in ids]

    return with_database(run)
