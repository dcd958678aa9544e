"""Looking at reports in a browser: a session that a token opens, bound to it, for some hours and for reading only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.identity.opening import Secret, SecretSource
from ibex.domain.identity.ports import TokenReader
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue
from ibex.domain.shared.ids import IdSource, StoreId, TokenId
from ibex.domain.shared.journal import Added, AuditEntry, Journal, Reply

SESSION_LIFE: Final = timedelta(hours=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSession:
    """A browser's session as it is kept: the SHA-256 of its secret, and the token that it ends with."""

    id: UUID
    store_id: StoreId
    token_id: TokenId
    secret_hash: bytes
    created_at: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        if len(self.secret_hash) != 32:
            raise InvalidValue("A session is kept as a SHA-256 of 32 bytes.", field="secret_hash")


class SessionStore(TokenReader, Protocol):
    """Finds out who a session's secret belongs to (`find_actor`), and forgets sessions."""

    async def close(self, secret_hash: bytes) -> None:
        """Ends the session, and clears away those that have expired. Nothing happens if there is none."""
        ...


class OpenReportSession:
    """Opens a session for somebody who has shown a token."""

    def __init__(self, secrets: SecretSource, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._secrets = secrets
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor) -> Secret:
        """The session's secret, for its cookie. Raises PermissionRefused."""
        actor.require(Permission.REPORTS_READ)
        now = self._clock.now()
        secret = self._secrets.new_token()
        session = ReportSession(
            id=self._ids.new(),
            store_id=actor.store_id,
            token_id=actor.token_id,
            secret_hash=secret.hash,
            created_at=now,
            expires_at=now + SESSION_LIFE,
        )
        changes = changes_of(actor, now)
        entry = AuditEntry(action="reports.opened", entity="token", entity_id=str(actor.token_id))
        changes.add(Added(thing=session), entry)
        await self._journal.post(changes, Reply(present=lambda _: b"{}", status=200), session)
        return secret
