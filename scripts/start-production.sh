#!/bin/sh
# Check, migrate, serve: what Railway does, for any other host. Needs DATABASE_URL and nothing else; all logic is in ibex.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
command -v ibex >/dev/null || { echo "ibex is not installed. Run: uv sync --locked --no-dev" >&2; exit 78; }
ibex check --before-deploy
ibex migrate deploy
exec ibex serve
