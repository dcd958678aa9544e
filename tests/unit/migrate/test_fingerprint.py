"""Catalogs compared: what an operator reads, and what a version of PostgreSQL must not change."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibex.adapters.postgres.schema.catalog import _plain_view
from ibex.adapters.postgres.schema.fingerprint import (
    Fingerprint,
    difference,
    load_fingerprint,
    render_fingerprint,
)

OBJECTS = {"table one": "ordinary", "function f()": "function\nas\nBEGIN\nEND"}


def test_a_difference_names_what_is_missing_unexpected_and_changed() -> None:
    live = {"table two": "ordinary", "function f()": "function\nas\nBEGIN\n  NULL;\nEND"}
    assert difference(OBJECTS, live) == (
        "changed: function f()",
        "   BEGIN",
        "  +  NULL;",
        "   END",
        "missing: table one",
        "  - ordinary",
        "unexpected: table two",
        "  + ordinary",
    )
    assert difference(OBJECTS, dict(OBJECTS)) == ()


def test_a_fingerprint_survives_its_file(tmp_path: Path) -> None:
    fingerprint = Fingerprint("0001", "abc", OBJECTS)
    (tmp_path / "fingerprint.json").write_text(render_fingerprint(fingerprint))
    assert load_fingerprint(tmp_path) == fingerprint


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "revision": "1", "objects": 3}'])
def test_a_broken_file_is_no_fingerprint(tmp_path: Path, text: str) -> None:
    (tmp_path / "fingerprint.json").write_text(text)
    assert load_fingerprint(tmp_path) is None


@pytest.mark.parametrize(
    ("before_16", "since_16"),
    [
        ("SELECT k.id,\n    k.x\n   FROM ibex.k;", "SELECT id,\n    x\n   FROM ibex.k;"),
        ("SELECT a.id\n   FROM ibex.k a\n  WHERE (a.x > 1);", "SELECT id\n   FROM ibex.k a\n  WHERE (x > 1);"),
    ],
)
def test_a_view_over_one_relation_reads_alike_on_every_version(before_16: str, since_16: str) -> None:
    assert _plain_view(before_16) == since_16 == _plain_view(since_16)


def test_a_view_over_two_relations_keeps_its_names() -> None:
    view = "SELECT a.id,\n    b.x\n   FROM (ibex.k a\n     JOIN ibex.l b ON ((a.id = b.id)));"
    assert _plain_view(view) == view
