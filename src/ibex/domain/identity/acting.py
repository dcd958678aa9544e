"""Writing in an actor's name."""

from __future__ import annotations

from datetime import datetime

from ibex.domain.identity.model import Actor
from ibex.domain.shared.journal import Changes


def changes_of(actor: Actor, at: datetime) -> Changes:
    """An empty set of changes by this actor at this moment."""
    return Changes(
        store_id=actor.store_id,
        operator_id=actor.operator_id,
        token_id=actor.token_id,
        request_id=actor.request_id,
        address=actor.address,
        at=at,
    )
