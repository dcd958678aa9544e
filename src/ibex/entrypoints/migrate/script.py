"""All revisions as one SQL script: what `ibex migrate sql` prints and the linter reads."""

from __future__ import annotations

from ibex.adapters.postgres.schema.ledger import PRELUDE
from ibex.adapters.postgres.schema.revisions import RevisionFile, Revisions
from ibex.entrypoints.migrate.apply import Limits, timeouts
from ibex.entrypoints.migrate.rendering import render_upgrade


def whole_script(revisions: Revisions, start: str | None = None) -> str:
    """The bookkeeping and every revision after `start`, each in the transaction that `deploy` gives it.

    The rows that deploy writes into the ledger are not part of it: the script is for reading.
    """
    parts = [] if start is not None else [f"-- bookkeeping\n{PRELUDE}"]
    names = revisions.names
    later = revisions.files[names.index(start) + 1 if start is not None else 0 :]
    parts.extend(one_revision(revisions, file) for file in later)
    return "\n".join(parts)


def one_revision(revisions: Revisions, file: RevisionFile) -> str:
    """The script of one revision, with its transaction and its timeouts."""
    body = render_upgrade(revisions.directory, file.down_revision, file.revision).text
    header = f"-- revision {file.revision}: {file.title}\n"
    if not file.transactional:
        return f"{header}{timeouts(Limits(), local=False)}\n{body}\n"
    return f"{header}BEGIN;\n{timeouts(Limits(), local=True)}\n{body}\nCOMMIT;\n"
