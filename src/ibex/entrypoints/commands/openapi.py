"""`ibex openapi`: the API's description, without a database or a server."""

from __future__ import annotations

import click

from ibex.entrypoints.http.app import documented_handlers
from ibex.entrypoints.http.openapi import openapi_bytes


@click.command()
def openapi() -> None:
    """Print the API's description (OpenAPI 3.1, JSON)."""
    click.echo(openapi_bytes(documented_handlers()).decode())
