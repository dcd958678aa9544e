"""Makes a peer's tables, fills its catalogue, and says which ids it has: `python -m ... MODULE PRODUCTS`."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase

from ibex_devtools.bench.peers.connection import database_url, engine_options


async def prepare(module: Any, count: int) -> list[str]:
    """The ids of the products, of which there is enough for any run."""
    engine = create_async_engine(database_url(), **engine_options())
    product = module.Product
    metadata = next(kind for kind in product.__mro__ if DeclarativeBase in kind.__bases__ or hasattr(kind, "metadata"))
    schema = product.__table__.schema
    tables = [table for table in metadata.metadata.sorted_tables if table.schema == schema]
    rows = [
        {
            "id": module.uuid.uuid4(),
            "sku": f"SKU-{n}",
            "name": f"Product {n}",
            "unit_price": Decimal(1 + n % 40) + Decimal("0.99"),
            "tax_rate": Decimal((4, 10, 22)[n % 3]),
            "stock": Decimal(100_000_000),
        }
        for n in range(1, count + 1)
    ]
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA {schema}"))
        await connection.run_sync(lambda sync: metadata.metadata.create_all(sync, tables))
        await connection.execute(product.__table__.insert(), rows)
    await engine.dispose()
    return [str(row["id"]) for row in rows]


def main() -> None:
    """Does it."""
    module = importlib.import_module(f"ibex_devtools.bench.peers.{sys.argv[1]}")
    sys.stdout.write(json.dumps(asyncio.run(prepare(module, int(sys.argv[2])))))


if __name__ == "__main__":
    main()
