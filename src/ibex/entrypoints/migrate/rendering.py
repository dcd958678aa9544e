"""Turn revisions into the statements that they are, through alembic's offline mode.

What `deploy` runs is what `sql` prints and what the linter reads, byte for byte: revisions only emit SQL,
and the SQL is sent as it was written, never parsed for bind parameters (a JSON literal such as '{"a":true}'
would look like one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import ClauseElement, Executable

_COLLECTED = "ibex_statements"
VERSION_TABLE = "alembic_version"
VERSION_TABLE_SCHEMA = "ibex"


class VerbatimImpl(PostgresqlImpl):
    """Collects statements instead of running them; a string is kept exactly as the revision wrote it."""

    __dialect__ = "postgresql"

    def static_output(self, text: str) -> None:
        """alembic's own comments are left out."""

    def _exec(
        self,
        construct: Executable | str,
        execution_options: Mapping[str, Any] | None = None,  # noqa: ARG002 - alembic's signature
        multiparams: Any = None,  # noqa: ARG002
        params: Any = None,  # noqa: ARG002
    ) -> None:
        collected: list[str] = self.context_opts[_COLLECTED]
        if isinstance(construct, str):
            collected.append(_terminated(construct))
        elif isinstance(construct, ClauseElement) and construct.__visit_name__ != "create_table":
            # The version table is made before the first revision, with the ledger.
            compiled = construct.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True})
            collected.append(_terminated(str(compiled)))


@dataclass(frozen=True, slots=True)
class Rendered:
    """One revision as statements; the last one moves the version table."""

    revision: str
    statements: tuple[str, ...]

    @property
    def text(self) -> str:
        """All statements, as one script."""
        return "\n".join(self.statements)


def render_upgrade(directory: Path, start: str | None, revision: str) -> Rendered:
    """The statements that lead from `start` (None: from nothing) to the revision that follows it."""
    return Rendered(revision, tuple(_statements(directory, start, revision, up=True)))


def render_downgrade(directory: Path, revision: str, target: str | None) -> Rendered:
    """The statements that lead from `revision` back to the one before it."""
    return Rendered(revision, tuple(_statements(directory, revision, target, up=False)))


def _statements(directory: Path, start: str | None, end: str | None, *, up: bool) -> Iterator[str]:
    config = alembic_config(directory)
    script = ScriptDirectory.from_config(config)
    collected: list[str] = []

    def steps(current: Any, _: object) -> Any:
        if up:
            return script._upgrade_revs(end or "head", current)
        return script._downgrade_revs(end or "base", current)

    with EnvironmentContext(
        config,
        script,
        fn=steps,
        as_sql=True,
        starting_rev=start,
        destination_rev=end,
        **{_COLLECTED: collected},
    ):
        script.run_env()
    yield from collected


def alembic_config(directory: Path) -> Config:
    """alembic's configuration without a file and without a URL."""
    config = Config()
    config.set_main_option("script_location", str(directory).replace("%", "%%"))
    config.attributes["ibex"] = True
    return config


def configure_environment(context: Any) -> None:
    """What `migrations/env.py` does. Refuses alembic's own command line, which would go round lock and
    ledger."""
    if not context.config.attributes.get("ibex") or not context.is_offline_mode():
        raise RuntimeError("Use `ibex migrate`: alembic alone knows neither the lock nor the ledger.")
    context.configure(
        dialect_name="postgresql",
        version_table=VERSION_TABLE,
        version_table_schema=VERSION_TABLE_SCHEMA,
        version_table_pk=True,
        literal_binds=True,
        # Transactions are the runner's business: one for each revision, together with its row in the ledger.
        transactional_ddl=False,
        compare_type=True,
        render_as_batch=False,
    )
    context.run_migrations()


def _terminated(statement: str) -> str:
    statement = statement.strip()
    return statement if statement.endswith(";") else statement + "\n;"
