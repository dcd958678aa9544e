"""An event as the JSON that receivers get, and that the feed shows."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ibex.domain.events.ports import DueDelivery

_ENCODER: Final = msgspec.json.Encoder()


def event_body(due: DueDelivery) -> bytes:
    """The same for every attempt of the same event. ``data`` goes through as it was recorded."""
    document: dict[str, Any] = {
        "id": str(due.event_id),
        "seq": due.event_seq,
        "type": due.event_type,
        "timestamp": due.recorded_at,
        "store_id": str(due.store_id),
        "data": msgspec.Raw(due.data.encode()),
    }
    return _ENCODER.encode(document)
