"""Text that people typed: trimmed, not empty, without control characters, of a bounded length."""

from __future__ import annotations

import unicodedata
from typing import Final

from ibex.domain.shared.errors import InvalidValue

MAX_LABEL: Final = 200
MAX_NOTE: Final = 2000
FORMULA_SIGNS: Final = ("-", "=", "+", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula (OWASP), the wide forms too, which some read as narrow ones.

The minus is first, so that all of them can stand between the brackets of a regular expression as they are."""
_FORBIDDEN: Final = frozenset({"Cc", "Cs", "Cn"})


def label(value: str, *, field: str, max_length: int = MAX_LABEL) -> str:
    """``value`` if it is fit to be a name or a code; raises InvalidValue otherwise."""
    if not value or value != value.strip():
        raise InvalidValue("Give a text that is not empty, without spaces around it.", field=field)
    return note(value, field=field, max_length=max_length)


def note(value: str, *, field: str, max_length: int = MAX_NOTE) -> str:
    """``value`` if it is fit to be free text (it may be empty); raises InvalidValue otherwise."""
    if len(value) > max_length:
        raise InvalidValue(f"Give at most {max_length} characters.", field=field)
    if not value.isprintable() and any(unicodedata.category(c) in _FORBIDDEN and c not in "\n\t" for c in value):
        raise InvalidValue("Control characters are not allowed.", field=field)
    return value
