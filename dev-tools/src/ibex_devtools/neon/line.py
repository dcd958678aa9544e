"""One direction of one connection: it takes its time, holds back what cannot pass, and can be stopped."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ibex_devtools.neon.leg import Leg
from ibex_devtools.neon.timer import Timer

# More than this on the way, and the sender is read no further.
MAX_ON_THE_WAY_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Network:
    """The network before the database. It may be changed at any time; what is on its way keeps its times.

    `latency_seconds` each way, so that a round trip takes twice as long, plus up to `jitter_seconds`;
    `bytes_per_second` each way of each connection, None for no limit.
    """

    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    bytes_per_second: float | None = None

    @property
    def perfect(self) -> bool:
        """Nothing is to be done to any chunk."""
        return not (self.latency_seconds or self.jitter_seconds or self.bytes_per_second)


class Line:
    """Carries chunks from one leg to another."""

    def __init__(self, network: Network, timer: Timer, chance: random.Random, now: Callable[[], float]) -> None:
        self._network = network
        self._timer = timer
        self._chance = chance
        self._now = now
        self._queue: deque[tuple[float, bytes | None]] = deque()  # None stands for the end of the stream
        self._queued_bytes = 0
        self._free_at = 0.0  # when the last byte that was sent has left
        self._last_due = 0.0
        self._stopped = False
        self._woken_at: float | None = None
        self._source: Leg | None = None
        self._target: Leg | None = None

    def connect(self, source: Leg, target: Leg) -> None:
        """Say where the chunks come from and go to."""
        self._source = source
        self._target = target
        target.on_full = self._regulate

    def send(self, data: bytes) -> None:
        """Pass on a chunk, later if the network is slow."""
        if not self._queue and not self._stopped and self._network.perfect and self._target is not None:
            self._target.write(data)
            return
        self._queued_bytes += len(data)
        self._put(data, len(data))
        self._regulate()

    def end(self) -> None:
        """The source has closed: close the target when it has got all that is on its way."""
        self._put(None, 0)

    def stop(self) -> None:
        """Deliver nothing any more; what is sent waits."""
        self._stopped = True

    def go(self) -> None:
        """Deliver again."""
        self._stopped = False
        self._deliver()

    def _put(self, data: bytes | None, size: int) -> None:
        network, now = self._network, self._now()
        if network.bytes_per_second:
            self._free_at = max(now, self._free_at) + size / network.bytes_per_second
            now = self._free_at
        due = now + network.latency_seconds
        if network.jitter_seconds:
            due += self._chance.uniform(0.0, network.jitter_seconds)
        # Never out of order.
        self._last_due = due = max(due, self._last_due)
        self._queue.append((due, data))
        self._deliver()

    def _deliver(self) -> None:
        target = self._target
        if self._stopped or target is None:
            return
        now = self._now()
        while self._queue and self._queue[0][0] <= now:
            data = self._queue.popleft()[1]
            if data is None:
                target.close()
                continue
            self._queued_bytes -= len(data)
            target.write(data)
        if self._queue and self._woken_at != self._queue[0][0]:
            self._woken_at = self._queue[0][0]
            self._timer.call_at(self._woken_at, self._deliver)
        self._regulate()

    def _regulate(self) -> None:
        if self._source is not None and self._target is not None:
            self._source.read(not self._target.full and self._queued_bytes < MAX_ON_THE_WAY_BYTES)
