"""What is secret is compared in constant time."""

from __future__ import annotations

import pytest

from tests.architecture.conftest import Tree
from tests.architecture.rules.comparisons import careless_comparisons
from tests.architecture.violations import ROOT, assert_none

FILE = "src/ibex/entrypoints/http/door.py"


def test_nothing_secret_is_compared_carelessly() -> None:
    assert_none(careless_comparisons(ROOT))


@pytest.mark.parametrize(
    "comparison",
    [
        "given == self._token",
        "token != given",
        "settings.metrics_token == header",
        "row['secret_hash'] == found",
        "hash_secret(given) == found",
        "password.reveal() == given",
        "given == settings.database.password.reveal()",
        "signature[3:] == given",
        "hmac.digest(key, body, 'sha256') == given",
        "given.encode() == token.encode()",
        "fingerprint == row.other",
    ],
)
def test_a_careless_comparison_is_found(tree: Tree, comparison: str) -> None:
    (violation,) = careless_comparisons(tree({FILE: f"x = 1\nif {comparison}:\n    x = 2\n"}))
    assert (violation.file, violation.line, violation.rule) == (FILE, 2, "constant-time-comparison")


def test_a_secret_s_own_comparison_is_found(tree: Tree) -> None:
    text = "class Secret:\n    def __eq__(self, other):\n        return self._value == other._value\n"
    assert [v.line for v in careless_comparisons(tree({FILE: text}))] == [3]


@pytest.mark.parametrize(
    "comparison",
    [
        "token is None",
        "token == ''",
        "len(token) == limit",
        "token_id == other.id",
        "TokenRow.store_id == store_id",
        "hmac.compare_digest(token, given)",
        "secret.id == secret_id",
        "kind == Kind.TOKEN",
        "token_count != count",
    ],
)
def test_what_tells_nothing_is_let_through(tree: Tree, comparison: str) -> None:
    assert_none(careless_comparisons(tree({FILE: f"x = {comparison}\n"})))
