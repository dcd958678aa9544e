"""Code, version table and ledger compared: each way in which they can disagree has its answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibex.adapters.postgres.schema.ledger import Action, LedgerRow, Outcome
from ibex.adapters.postgres.schema.revisions import RevisionFile, Revisions
from ibex.adapters.postgres.schema.state import assess

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def code(*names: str, transactional: bool = True) -> Revisions:
    files = []
    for number, name in enumerate(names):
        down = names[number - 1] if number else None
        files.append(
            RevisionFile(
                revision=name,
                down_revision=down,
                title=name,
                path=Path(f"{name}.py"),
                sha256=f"sha of {name}",
                transactional=transactional,
            )
        )
    return Revisions(Path("migrations"), tuple(files))


def ledger(*events: tuple[str, Action, Outcome]) -> list[LedgerRow]:
    return [
        LedgerRow(id=number, revision=name, action=action, outcome=outcome, sha256=f"sha of {name}", started_at=NOW)
        for number, (name, action, outcome) in enumerate(events, 1)
    ]


def done(*names: str) -> list[LedgerRow]:
    return ledger(*((name, "apply", "done") for name in names))


CASES: list[tuple[str, Revisions, Sequence[str], list[LedgerRow], str, list[str]]] = [
    ("empty", code("1", "2"), [], [], "behind", []),
    ("current", code("1", "2"), ["2"], done("1", "2"), "current", []),
    ("behind", code("1", "2", "3"), ["1"], done("1"), "behind", []),
    ("ahead", code("1", "2"), ["3"], done("1", "2", "3"), "ahead", []),
    ("ahead by two", code("1"), ["3"], done("1", "2", "3"), "ahead", []),
    (
        "ahead while it runs",
        code("1", "2"),
        ["2"],
        done("1", "2") + ledger(("3", "apply", "running")),
        "current",
        [],
    ),
    ("a branch of its own", code("1", "2"), ["9"], done("1", "9"), "conflict", ["IBEX-E304"]),
    ("a revision from nowhere", code("1", "2"), ["9"], done("1", "2"), "conflict", ["IBEX-E304"]),
    ("a file is missing", code("1", "3"), ["3"], done("1", "2", "3"), "conflict", ["IBEX-E304"]),
    ("two versions", code("1", "2"), ["1", "2"], done("1", "2"), "conflict", ["IBEX-E305"]),
    ("stamped by hand", code("1", "2"), ["2"], done("1"), "conflict", ["IBEX-E306"]),
    ("unstamped by hand", code("1", "2"), ["1"], done("1", "2"), "conflict", ["IBEX-E306"]),
    (
        "failed",
        code("1", "2"),
        ["1"],
        [*done("1"), *ledger(("2", "apply", "failed"))],
        "failed",
        ["IBEX-E302"],
    ),
    ("gave up", code("1", "2"), ["1"], [*done("1"), *ledger(("2", "apply", "gave-up"))], "behind", []),
    ("cut off", code("1", "2"), ["1"], [*done("1"), *ledger(("2", "apply", "running"))], "behind", []),
    (
        "cut off outside a transaction",
        code("1", "2", transactional=False),
        ["1"],
        [*done("1"), *ledger(("2", "apply", "running"))],
        "failed",
        ["IBEX-E311"],
    ),
    (
        "failed and resolved",
        code("1", "2"),
        ["1"],
        ledger(("1", "apply", "done"), ("2", "apply", "failed"), ("2", "rolled-back", "done")),
        "behind",
        [],
    ),
    (
        "failed and done by hand",
        code("1", "2"),
        ["2"],
        ledger(("1", "apply", "done"), ("2", "apply", "failed"), ("2", "applied", "done")),
        "current",
        [],
    ),
    (
        "failed twice, resolved once",
        code("1"),
        [],
        ledger(("1", "apply", "failed"), ("1", "rolled-back", "done"), ("1", "apply", "failed")),
        "failed",
        ["IBEX-E302"],
    ),
    ("undone", code("1"), [], ledger(("1", "apply", "done"), ("1", "downgrade", "done")), "behind", []),
]


@pytest.mark.parametrize(
    ("revisions", "versions", "rows", "kind", "ids"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_each_situation_has_its_answer(
    revisions: Revisions, versions: Sequence[str], rows: list[LedgerRow], kind: str, ids: list[str]
) -> None:
    state = assess(revisions, versions, rows)
    assert (state.kind, [problem.id for problem in state.problems]) == (kind, ids)
    assert state.may_serve == (kind in ("current", "ahead"))
    assert state.summary
    assert (state.command is None) == state.may_serve


def test_an_edit_is_seen_until_it_is_accepted() -> None:
    rows = done("1")
    edited = LedgerRow(id=1, revision="1", action="apply", outcome="done", sha256="other", started_at=NOW)
    assert [problem.id for problem in assess(code("1"), ["1"], [edited]).problems] == ["IBEX-E303"]
    accepted = LedgerRow(id=2, revision="1", action="accept-edit", outcome="done", sha256="sha of 1", started_at=NOW)
    assert assess(code("1"), ["1"], [edited, accepted]).kind == "current"
    assert assess(code("1"), ["1"], rows).kind == "current"


def test_an_edited_file_is_no_rollback_of_the_service() -> None:
    rows = done("1", "2")
    rows[0] = LedgerRow(id=1, revision="1", action="apply", outcome="done", sha256="other", started_at=NOW)
    state = assess(code("1"), ["2"], rows)
    assert (state.kind, [problem.id for problem in state.problems]) == (
        "conflict",
        ["IBEX-E304", "IBEX-E303"],
    )


def test_tables_without_a_ledger_are_not_ours_to_touch() -> None:
    state = assess(code("1"), [], [], unmanaged=True)
    assert (state.kind, state.problems[0].id) == ("conflict", "IBEX-E306")
