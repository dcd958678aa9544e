"""alembic's environment: the work is done in the package, so that the wheel and a checkout run the same
code."""

from alembic import context

from ibex.entrypoints.migrate.rendering import configure_environment

configure_environment(context)
