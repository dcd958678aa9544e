"""The revision files make one straight line, or it is said why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibex.adapters.postgres.schema.revisions import (
    RevisionFilesError,
    is_source_checkout,
    load_revisions,
    migrations_directory,
)
from tests.fixtures.revisions import RevisionDirectory


@pytest.fixture
def revisions(tmp_path: Path) -> RevisionDirectory:
    directory = RevisionDirectory(tmp_path / "migrations")
    directory.add("0001", "SELECT 1")
    directory.add("0002", "SELECT 2")
    return directory


def test_they_are_read_in_order_without_being_run(revisions: RevisionDirectory) -> None:
    revisions.add("0003", "SELECT 3", extra='raise RuntimeError("imported")')
    loaded = load_revisions(revisions.path)
    assert loaded.names == ("0001", "0002", "0003")
    assert loaded.head == "0003"
    assert loaded.files[0].title == "Test 0001."


def test_line_ends_are_no_edit(revisions: RevisionDirectory) -> None:
    before = load_revisions(revisions.path).files[0].sha256
    path = revisions.file("0001")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_revisions(revisions.path).files[0].sha256 == before


def test_a_revision_may_ask_for_no_transaction(revisions: RevisionDirectory) -> None:
    revisions.add("0003", "SELECT 3", extra="TRANSACTIONAL = False")
    assert [file.transactional for file in load_revisions(revisions.path).files] == [True, True, False]


@pytest.mark.parametrize(
    ("revision", "down", "extra", "words"),
    [
        ("0003", "0001", "", "Several heads"),
        ("0003", "0009", "", "which is missing"),
        ("0003", "", 'revision = "0002"', "Two files are 0002"),
        ("0003", "", 'down_revision = ("0001", "0002")', "merges are not used"),
        ("0003", "", "revision = str(3)", None),
        ("0003", "", "def broken(:", "is not Python"),
    ],
)
def test_a_broken_line_is_refused(
    revisions: RevisionDirectory, revision: str, down: str, extra: str, words: str | None
) -> None:
    revisions.add(revision, "SELECT 3", down or None, extra=extra)
    if words is None:  # a computed value is not read: the literal before it counts
        assert load_revisions(revisions.path).head == "0003"
        return
    with pytest.raises(RevisionFilesError) as caught:
        load_revisions(revisions.path)
    assert words in caught.value.message + caught.value.fix
    assert caught.value.id == "IBEX-E309"


def test_the_products_own_are_found_in_the_checkout() -> None:
    directory = migrations_directory()
    assert is_source_checkout(directory)
    assert load_revisions(directory).names[0] == "0001"
