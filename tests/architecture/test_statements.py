"""Every statement that an adapter sends names the store."""

from __future__ import annotations

import pytest

from tests.architecture.conftest import Tree
from tests.architecture.rules.statements import storeless_statements, unused_exceptions
from tests.architecture.violations import ROOT, assert_none

FILE = "src/ibex/adapters/postgres/customers.py"


def test_every_statement_names_the_store() -> None:
    assert_none(storeless_statements(ROOT))
    assert_none(unused_exceptions(ROOT))


@pytest.mark.parametrize(
    "statement",
    [
        "'SELECT * FROM ibex.customers c WHERE c.id = $1'",
        "'SELECT * FROM ibex.customers WHERE id = $1'",
        "'DELETE FROM ibex.customers WHERE id = $1'",
        "'UPDATE ibex.customers c SET name = $2 WHERE c.id = $1'",
        "'INSERT INTO ibex.customers (id, name) VALUES ($1, $2)'",
        "'SELECT 1 FROM ibex.invoices i JOIN ibex.customers c ON c.id = i.customer_id WHERE i.store_id = $1'",
        "f'SELECT {COLUMNS} FROM ibex.customers c WHERE c.id = $1'",
        "f'SELECT * FROM ibex.customers c WHERE {conditions}'",
        "'SELECT * FROM ibex.customers c ' + 'WHERE c.id = $1'",
        "'SELECT * FROM ibex.stores s WHERE s.name = $1'",
    ],
)
def test_a_statement_across_stores_is_found(tree: Tree, statement: str) -> None:
    text = f"COLUMNS = 'c.id, c.name'\nSTATEMENT = {statement}\n"
    (violation,) = storeless_statements(tree({FILE: text}))
    assert (violation.file, violation.line, violation.rule) == (FILE, 2, "store-in-every-statement")


@pytest.mark.parametrize(
    "statement",
    [
        "'SELECT * FROM ibex.customers c WHERE c.store_id = $1 AND c.id = $2'",
        "'SELECT * FROM ibex.customers WHERE store_id = $1'",
        "'INSERT INTO ibex.customers (store_id, id) VALUES ($1, $2)'",
        "f'SELECT * FROM ibex.customers c WHERE {conditions}', Conditions('c.store_id', store_id)",
        "f'SELECT 1 FROM ibex.customers c WHERE {MINE}'",
        "'SELECT version_num FROM ibex.alembic_version'",
        "'SELECT ibex.post($1::jsonb, $2::text)'",
    ],
)
def test_a_statement_of_one_store_passes(tree: Tree, statement: str) -> None:
    assert_none(storeless_statements(tree({FILE: f"MINE = 'c.store_id = $1'\nSTATEMENT = {statement}\n"})))


def test_an_exception_that_nothing_needs_is_found(tree: Tree) -> None:
    assert {v.file for v in unused_exceptions(tree({FILE: ""}))} == {
        "src/ibex/adapters/postgres/tokens.py",
        "src/ibex/adapters/postgres/sessions.py",
    }
