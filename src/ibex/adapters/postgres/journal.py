"""The journal on PostgreSQL: one call of ``ibex.post``, one transaction, one round trip."""

from __future__ import annotations

import hmac
from decimal import Decimal
from typing import Any, Final

import asyncpg
import msgspec

from ibex.adapters.postgres.database import Database
from ibex.adapters.postgres.failures import outcome_unknown
from ibex.adapters.postgres.posting import Posting
from ibex.adapters.postgres.refusals import KEY_EXISTS, refusal_of
from ibex.domain.shared.errors import IdempotencyKeyReused, RequestInProgress, TemporarilyUnavailable
from ibex.domain.shared.ids import StoreId
from ibex.domain.shared.journal import Changes, Posted, Reply

_DECODE: Final = msgspec.json.Decoder(float_hook=Decimal).decode
POST: Final = "SELECT ibex.post($1::jsonb, $2::text)"
RECALL: Final = """
SELECT fingerprint, status, body FROM ibex.idempotency_keys
WHERE store_id = $1 AND key = $2 AND created_at > now() - interval '24 hours'
"""


class PostgresJournal:
    """Implements ibex.domain.shared.journal.Journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def post(self, changes: Changes, reply: Reply, result: object) -> Posted:
        """See the port. One round trip; two when the key turns out to have been used before."""
        posting = Posting(changes)
        body = reply.present(result)
        kept = body if reply.key is not None else None
        try:
            rows = await self._database.write(
                POST, posting.head(reply), posting.rows(kept), repeatable=reply.key is not None
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate == KEY_EXISTS:
                return await self._first_answer(changes.store_id, reply)
            refusal = refusal_of(error)
            if refusal is None:
                raise
            raise refusal from error
        outcome: dict[str, Any] = _DECODE(rows[0][0])
        # Placeholders stand in the answer too: the same text goes in their place here as there.
        taken: dict[str, int | str] = outcome["numbers"]
        for placeholder, value in taken.items():
            body = body.replace(placeholder.encode(), str(value).encode())
        numbers = {int(placeholder): value for placeholder, value in taken.items() if isinstance(value, int)}
        return Posted(document=body, status=reply.status, numbers=numbers, moved=outcome["moved"])

    async def recall(self, store_id: StoreId, reply: Reply) -> Posted | None:
        """See the port. One round trip, none without a key."""
        if reply.key is None:
            return None
        row = await self._database.read_one(RECALL, store_id, reply.key)
        if row is None:
            return None
        if not hmac.compare_digest(row["fingerprint"], reply.fingerprint):
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request; take a new key for a new request."
            )
        return Posted(document=row["body"].encode(), status=row["status"], replayed=True)

    async def _first_answer(self, store_id: StoreId, reply: Reply) -> Posted:
        try:
            posted = await self.recall(store_id, reply)
        except TemporarilyUnavailable as error:
            # It has happened, under this key: that its answer cannot be read does not undo it.
            raise outcome_unknown() from error
        if posted is None:
            raise RequestInProgress("A request with this Idempotency-Key is still running; wait and repeat.")
        return posted
