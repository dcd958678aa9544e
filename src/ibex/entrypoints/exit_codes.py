"""The exit codes of every `ibex` command; docs/OPERATIONS.md explains them to operators."""

from __future__ import annotations

from typing import Final

OK: Final = 0
FINDINGS: Final = 1
"""Something is wrong that a person must look at: a failed or edited revision, an error finding, a defect."""
DRIFT: Final = 2
"""The schema is not what the migrations make. Also click's code for wrong usage."""
UNAVAILABLE: Final = 69
"""The database cannot be reached."""
TRY_AGAIN: Final = 75
"""Busy: another deploy holds the lock, the server is starting or full."""
CONFIGURATION: Final = 78
"""The environment is refused, or the database refuses the credentials."""
