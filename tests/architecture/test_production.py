"""What starts the service in production: the same steps on every shell, and nothing of development."""

from __future__ import annotations

import pytest

from tests.architecture.conftest import Tree
from tests.architecture.rules.production import development_verbs, steps, unequal_scripts
from tests.architecture.violations import ROOT, assert_none

SHELL = "scripts/start-production.sh"
POWER = "scripts/start-production.ps1"


def test_nothing_of_development_starts_in_production() -> None:
    assert_none(development_verbs(ROOT))


@pytest.mark.parametrize("file", [SHELL, POWER, ".railway/railway.ts"])
@pytest.mark.parametrize(
    "line",
    [
        "ibex migrate new 'more columns'",
        "ibex migrate downgrade base",
        "ibex migrate stamp head",
        "ibex migrate resolve 0003 --applied --reason x",
        "alembic upgrade head",
        "ibex-sandbox run -- ibex serve",
        "python -m ibex_devtools.demo",
        "IBEX_ENVIRONMENT=sandbox ibex serve",
        "uvicorn ibex.bootstrap:application --reload",
        "uv sync --group dev",
        "make demo",
        "set -a; . ./.env",
        'psql "$DATABASE_URL" -f schema.sql',
    ],
)
def test_a_development_verb_is_found(tree: Tree, file: str, line: str) -> None:
    violations = list(development_verbs(tree({file: f"first\n{line}\n"})))
    assert {(v.file, v.line, v.rule) for v in violations} == {(file, 2, "no-development")}


def test_both_start_scripts_check_deploy_and_serve() -> None:
    assert_none(unequal_scripts(ROOT))
    assert steps(ROOT / SHELL) == ["check --before-deploy", "migrate deploy", "serve"]


SAME = "ibex check --before-deploy\nibex migrate deploy\n"


@pytest.mark.parametrize(
    ("shell", "power", "reason"),
    [
        (SAME + "exec ibex serve\n", "ibex migrate deploy\nibex serve\n", "instead of check, migrate deploy, serve"),
        ("ibex migrate deploy\nibex check\nexec ibex serve\n", SAME + "ibex serve\n", "instead of check"),
        (SAME + "exec ibex serve\n", "ibex check\nibex migrate deploy\nibex serve\n", "start-production.sh runs"),
        (SAME + "ibex serve\n", SAME + "ibex serve\n", "does not end with exec"),
        (SAME + "exec ibex serve\n", SAME + "ibex migrate drift\nibex serve\n", "instead of check"),
    ],
)
def test_scripts_that_differ_are_found(tree: Tree, shell: str, power: str, reason: str) -> None:
    violations = list(unequal_scripts(tree({SHELL: shell, POWER: power})))
    assert any(reason in violation.reason for violation in violations)
