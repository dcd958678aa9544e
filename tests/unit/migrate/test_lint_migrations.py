"""The linter of revisions bites, and a waiver works only with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibex.adapters.postgres.schema.revisions import load_revisions
from ibex_devtools.lint_migrations import lint
from tests.fixtures.revisions import RevisionDirectory

LOCKS_WRITERS_OUT = "CREATE INDEX one_a ON ibex.one (a);"
REASON = "the table is empty until the feature ships"


@pytest.fixture
def directory(tmp_path: Path) -> RevisionDirectory:
    made = RevisionDirectory(tmp_path / "migrations")
    made.add("0001", "CREATE TABLE ibex.one (id bigint PRIMARY KEY, a text);")
    return made


def rules(directory: RevisionDirectory) -> list[tuple[str, str]]:
    return [(finding.file, finding.rule) for finding in lint(load_revisions(directory.path))]


def test_a_sound_revision_has_no_findings(directory: RevisionDirectory) -> None:
    assert rules(directory) == []


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (LOCKS_WRITERS_OUT, "require-concurrent-index-creation"),
        ("ALTER TABLE ibex.one ALTER COLUMN a TYPE varchar(5);", "changing-column-type"),
        ("ALTER TABLE ibex.one ADD CONSTRAINT one_a CHECK (a <> '');", "constraint-missing-not-valid"),
        ("ALTER TABLE ibex.one RENAME COLUMN a TO b;", "renaming-column"),
        ("ALTER TABLE ibex.one DROP COLUMN a;", "ban-drop-column"),
        ("CREATE TABL ibex.two (id int);", "syntax-error"),
    ],
)
def test_a_dangerous_revision_is_found(directory: RevisionDirectory, sql: str, rule: str) -> None:
    directory.add("0002", sql)
    assert ("0002_test.py", rule) in rules(directory)


def test_a_waiver_needs_a_reason_and_something_to_waive(directory: RevisionDirectory) -> None:
    waive = "# squawk: ignore require-concurrent-index-creation"
    directory.add("0002", LOCKS_WRITERS_OUT, extra=f"{waive}: {REASON}")
    assert rules(directory) == []
    for without in (waive, f"{waive}: ok"):
        directory.add("0002", LOCKS_WRITERS_OUT, extra=without)
        assert rules(directory) == [("0002_test.py", "require-concurrent-index-creation")]
    directory.add("0002", "SELECT 1;", extra=f"{waive}: {REASON}")
    assert rules(directory) == [("0002_test.py", "require-concurrent-index-creation")]


def test_squawks_own_comment_hides_nothing(directory: RevisionDirectory) -> None:
    directory.add("0002", f"-- squawk-ignore require-concurrent-index-creation\n{LOCKS_WRITERS_OUT}")
    assert {rule for _, rule in rules(directory)} == {"require-concurrent-index-creation", "waiver"}
