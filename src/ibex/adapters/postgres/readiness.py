"""Can this process serve? The platform asks every few seconds, and so can anybody: answers are kept a moment."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.pool import PoolTimeoutError
from ibex.adapters.postgres.reachability import CONNECT_ERRORS, why_unreachable
from ibex.adapters.postgres.schema.state import read_schema_state
from ibex.domain.shared.errors import TemporarilyUnavailable

DEADLINE_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 1.0


class DatabaseReadiness:
    """Implements ReadinessProbe: `SELECT 1`, and until it was found good, the schema's state."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.schema_state = "unknown"
        """As `ibex migrate status` calls it, when it was last looked at."""
        self._schema_is_good = False
        self._asked_at = float("-inf")
        self._obstacle: str | None = None
        self._asking = asyncio.Lock()

    async def obstacle(self) -> str | None:
        """See the port."""
        async with self._asking:
            if time.monotonic() - self._asked_at > KEPT_SECONDS:
                self._obstacle = await self._ask()
                self._asked_at = time.monotonic()
            return self._obstacle

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._database.connection() as connection:
                if self._schema_is_good:
                    await connection.execute("SELECT 1")
                    return None
                state = await read_schema_state(connection)
        except TemporarilyUnavailable as error:
            cause = error.__cause__
            if cause is None or isinstance(cause, PoolTimeoutError):
                return "All connections to the database are in use."
            return why_unreachable(cause).message
        except CONNECT_ERRORS as error:
            return why_unreachable(error).message
        self.schema_state = state.kind
        self._schema_is_good = state.may_serve
        return None if state.may_serve else state.summary
