"""Every key of the migrated database holds the store. Apart from tests/architecture because it needs a server."""

from __future__ import annotations

import json

from ibex_devtools.sandbox import Cluster
from tests.architecture.rules.tables import QUERY, WITHOUT_STORE, Constraint, storeless_keys
from tests.architecture.violations import assert_none


def constraints_of(cluster: Cluster, database: str) -> list[Constraint]:
    """The keys of every table, from the live catalog."""
    return [Constraint(**json.loads(line)) for line in cluster.execute(QUERY, database=database).splitlines()]


def test_every_key_of_the_migrated_database_holds_the_store(cluster: Cluster, database_name: str) -> None:
    constraints = constraints_of(cluster, database_name)
    assert {constraint.table for constraint in constraints} > {*WITHOUT_STORE, "invoices", "ledger_entries"}
    assert_none(storeless_keys(constraints))


def test_keys_without_the_store_are_found(cluster: Cluster, empty_database_url: str) -> None:
    database = empty_database_url.rpartition("/")[2].partition("?")[0]
    cluster.execute(
        """
        CREATE SCHEMA ibex;
        CREATE TABLE ibex.stores (id uuid PRIMARY KEY);
        CREATE TABLE ibex.shelves (id uuid PRIMARY KEY);
        CREATE TABLE ibex.signs (text text);
        CREATE TABLE ibex.boxes (store_id uuid REFERENCES ibex.stores, id uuid, shelf_id uuid,
          CONSTRAINT boxes_pk PRIMARY KEY (store_id, id),
          CONSTRAINT boxes_shelf_fk FOREIGN KEY (shelf_id) REFERENCES ibex.shelves);
        """,
        database=database,
    )
    found = [(violation.file, violation.reason) for violation in storeless_keys(constraints_of(cluster, database))]
    assert [file for file, _ in found] == ["ibex.boxes", "ibex.shelves", "ibex.signs"]
    assert "boxes_shelf_fk refers to shelves without the store" in found[0][1]
