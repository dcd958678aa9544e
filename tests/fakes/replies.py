"""How a use case's caller is answered, in tests: with what the test wants to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ibex.domain.shared.journal import Reply


def reply(
    present: Callable[[Any], Any] | None = None, *, key: str | None = None, fingerprint: bytes = b"\1" * 32
) -> Reply:
    """A reply whose document is ``present(result)`` as JSON (an empty object without it)."""

    def document(result: Any) -> bytes:
        return json.dumps({} if present is None else present(result), default=str).encode()

    return Reply(present=document, status=201, key=key, fingerprint=fingerprint if key else b"")
