"""The core is pure; and each impurity, put in on purpose, is found where it is."""

from __future__ import annotations

import pytest

from tests.architecture.conftest import Tree
from tests.architecture.rules.core import impure_core
from tests.architecture.rules.sizes import too_long
from tests.architecture.violations import ROOT, assert_none

FILE = "src/ibex/domain/sales/sell.py"


def test_the_core_decides_and_does_nothing_else() -> None:
    assert_none(impure_core(ROOT))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("from datetime import datetime\nat = datetime.now()", "reads the clock"),
        ("import datetime\nat = datetime.datetime.utcnow()", "reads the clock"),
        ("from datetime import date\ntoday = date.today()", "reads the clock"),
        ("\nimport time", "time comes through the clock port"),
        ("from uuid import uuid4\nid = uuid4()", "ids come through the id port"),
        ("import uuid\nid = uuid.uuid1()", "ids come through the id port"),
        ("\nimport random", "chance comes through a port"),
        ("\nfrom secrets import token_hex", "chance comes through a port"),
        ("\nprint('sold')", "reaches out of the core"),
        ("\nfile = open('prices')", "reaches out of the core"),
        ("\nimport os", "knows no environment"),
        ("\nprice = 9.99", "9.99 is a float"),
        ("\nprice = float('9.99')", "float loses cents"),
        ("\ndef total(price: float) -> None: ...", "float loses cents"),
        ("\nimport msgspec", "no part of the standard library"),
        ("\nfrom ibex.adapters.postgres.journal import POST", "not of the core"),
        ("\nfrom ibex.settings import Settings", "not of the core"),
    ],
)
def test_an_impure_line_is_found(tree: Tree, line: str, reason: str) -> None:
    (violation,) = impure_core(tree({FILE: line}))
    assert (violation.file, violation.line) == (FILE, 2)
    assert reason in violation.reason
    assert str(violation).startswith(f"{FILE}:2: pure-core: ")


def test_what_the_core_may_do_passes(tree: Tree) -> None:
    text = "import decimal\nfrom datetime import datetime\nfrom ibex.domain.shared.money import Money\nx = 1\n"
    assert_none(impure_core(tree({FILE: text, "src/ibex/adapters/system.py": "import time\nprice = 1.5\n"})))


def test_files_and_functions_are_short() -> None:
    assert_none(too_long(ROOT))


def test_a_long_file_and_a_long_function_are_found(tree: Tree) -> None:
    long_function = "def f() -> None:\n" + "    pass\n" * 70
    found = list(too_long(tree({"src/a.py": "x = 1\n" * 500, "src/b.py": "\n" + long_function})))
    assert [(v.file, v.line, v.rule) for v in found] == [
        ("src/a.py", 500, "short-files"),
        ("src/b.py", 2, "short-functions"),
    ]
    shorter = "def f() -> None:\n" + "    pass\n" * 69
    assert_none(too_long(tree({"src/a.py": "x = 1\n" * 499, "src/b.py": shorter})))
