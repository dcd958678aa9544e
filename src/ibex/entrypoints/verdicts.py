"""Exit codes of the reasons for which there may be no connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ibex.adapters.postgres.reachability import Verdict
from ibex.entrypoints import exit_codes

EXIT_CODES: Final[Mapping[Verdict, int]] = {
    "configuration": exit_codes.CONFIGURATION,
    "unavailable": exit_codes.UNAVAILABLE,
    "try-again": exit_codes.TRY_AGAIN,
}
