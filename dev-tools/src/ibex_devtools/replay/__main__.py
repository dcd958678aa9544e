"""``ibex-sandbox run -- python -m ibex_devtools.replay FILE``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import click

from ibex_devtools.load.api import LoadError, Till
from ibex_devtools.load.comparison import Comparison
from ibex_devtools.load.service import ibex, open_store, require_sandbox, serving
from ibex_devtools.replay.ledger_book import Book, make_book
from ibex_devtools.replay.loader import Loader
from ibex_devtools.replay.reconcile import reconcile
from ibex_devtools.replay.rows import read_rows


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", help="A service that runs already, instead of one in the sandbox.")
@click.option("--token", help="With --url: the token of an owner in an empty store.")
@click.option("--in-flight", type=click.IntRange(1, 64), default=8, show_default=True, help="Requests at once.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def main(file: Path, url: str | None, token: str | None, in_flight: int, as_json: bool) -> None:
    """Sell a month of FILE through the API, returns and all; compare invoices, ledger, stock, balances to the cent.

    FILE is a .csv or .csv.gz in the format of the "Online Retail" data set. The exit code is 0 only if all agrees.
    """
    try:
        book = make_book(read_rows(file))
        click.echo(
            f"{file.name}: {len(book.sales):,} invoices, {book.line_count:,} lines, {book.total:,} in total; "
            f"{sum(len(note.parts) for note in book.notes):,} lines of it come back for {book.credited:,}; "
            f"{book.skipped:,} rows are corrections or without a price, and are left out.",
            err=True,
        )
        found = _run(book, url, token, in_flight)
    except LoadError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"agrees": found.agrees, "figures": {n: str(f) for n, _, f in found.figures}}))
    else:
        click.echo(found.table("the file", "the shop"))
        click.echo("\nEverything agrees." if found.agrees else "\nThe shop and the file differ.")
    sys.exit(0 if found.agrees else 1)


def _run(book: Book, url: str | None, token: str | None, in_flight: int) -> Comparison:
    with contextlib.ExitStack() as stack:
        if url is None:
            require_sandbox()
            ibex("migrate", "deploy")
            url = stack.enter_context(serving())
            token = open_store(name="Replay", currency="GBP", time_zone="Europe/London", owner="Replay").token
        if token is None:
            raise LoadError("With --url give the --token of an owner in an empty store.")
        return asyncio.run(replay(book, url, token, in_flight))


async def replay(book: Book, url: str, token: str, in_flight: int) -> Comparison:
    """Sells the book with this token, and compares. Raises LoadError."""
    async with Till(url, token, in_flight=in_flight) as till:
        store = (await till.get("/v1/me"))["store"]
        if store["currency_decimals"] != 2:
            raise LoadError("The file's prices have cents: open the store in a currency of two decimals.")
        loader = Loader(till, store["id"])
        await loader.load(book)
        return await reconcile(till, loader, book)


if __name__ == "__main__":
    main()
