"""Reading the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ibex.domain.shared.ids import OperatorId, StoreId, TokenId
from ibex.domain.shared.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries; the moments are when it was recorded, the first included, the last not."""

    action: str | None = None
    entity: str | None = None
    entity_id: str | None = None
    operator_id: OperatorId | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Who did what to which thing, when, from where, and what it was before and after."""

    seq: int
    action: str
    entity: str
    entity_id: str
    operator_id: OperatorId
    operator_name: str
    token_id: TokenId | None
    request_id: str
    address: str
    reason: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    recorded_at: datetime


class AuditQueries(Protocol):
    """Reads the audit trail."""

    async def list(self, store_id: StoreId, where: AuditFilter, page: PageRequest) -> Page[AuditRow]:
        """Entries, newest first."""
        ...
