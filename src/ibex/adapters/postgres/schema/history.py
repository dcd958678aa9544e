"""Fold the ledger's rows into what is true of each revision now. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ibex.adapters.postgres.schema.ledger import LedgerRow

Status = Literal["pending", "applied", "failed", "unfinished"]


@dataclass(frozen=True, slots=True)
class RevisionHistory:
    """`applied_sha256` and `accepted_sha256` say which texts of the file are known to be what was applied."""

    status: Status
    last: LedgerRow
    accepted_sha256: frozenset[str] = frozenset()


def fold(rows: Iterable[LedgerRow]) -> dict[str, RevisionHistory]:
    """The history of each revision that the ledger mentions, in the order of their first rows."""
    histories: dict[str, RevisionHistory] = {}
    for row in rows:
        before = histories.get(row.revision)
        histories[row.revision] = _after(before, row)
    return histories


def _after(before: RevisionHistory | None, row: LedgerRow) -> RevisionHistory:
    status: Status = before.status if before else "pending"
    accepted = before.accepted_sha256 if before else frozenset[str]()
    if row.action == "apply":
        if row.outcome == "done":
            return RevisionHistory("applied", row, frozenset({row.sha256}))
        if row.outcome == "running":
            return RevisionHistory("unfinished", row, accepted)
        # Given up and interrupted attempts left nothing behind: their transaction was rolled back.
        return RevisionHistory("failed" if row.outcome == "failed" else "pending", row, accepted)
    if row.action == "applied":
        return RevisionHistory("applied", row, frozenset({row.sha256}))
    if row.action == "accept-drift":
        return RevisionHistory(status, row, accepted)
    if row.action == "accept-edit":
        return RevisionHistory(status, row, accepted | {row.sha256})
    if row.action == "downgrade" and row.outcome != "done":
        return RevisionHistory(status, row, accepted)
    return RevisionHistory("pending", row)
