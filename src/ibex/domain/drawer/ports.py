"""What the core needs to know of shifts."""

from __future__ import annotations

from typing import Protocol

from ibex.domain.drawer.model import Shift
from ibex.domain.shared.ids import ShiftId, StoreId


class ShiftRepository(Protocol):
    """The shifts as they are now."""

    async def get(self, store_id: StoreId, shift_id: ShiftId) -> Shift | None:
        """The shift, or None if the store has none of that id."""
        ...
