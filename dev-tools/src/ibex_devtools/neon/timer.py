"""Calls at a time, exact to a tenth of a millisecond.

The loops of asyncio and uvloop round to whole milliseconds, which is as much as a near network's latency. On
Linux a timerfd wakes them when it should; elsewhere their own timers have to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import heapq
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any, Final

_MONOTONIC: Final = 1
_NONBLOCK_CLOSE_ON_EXEC: Final = 0o2004000
_SHORTEST_SECONDS: Final = 1e-6  # zero would disarm it


class _Interval(ctypes.Structure):
    """struct itimerspec: the repetition, then the first expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("every_seconds", ctypes.c_long),
        ("every_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Timer:
    """Calls functions at times of `loop.time()`. Close it when done."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._descriptor = -1
        self._library: Any = None
        if sys.platform == "linux":
            self._library = ctypes.CDLL(None, use_errno=True)
            self._descriptor = self._library.timerfd_create(_MONOTONIC, _NONBLOCK_CLOSE_ON_EXEC)
        if self._descriptor >= 0:
            loop.add_reader(self._descriptor, self._wake)

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Call `callback` at `when`."""
        entry = (when, next(self._order), callback)
        heapq.heappush(self._due, entry)
        if self._due[0] is entry:
            self._set(when)

    def close(self) -> None:
        """Forget all that is still to be called."""
        self._due.clear()
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _set(self, when: float) -> None:
        if self._descriptor < 0:
            self._loop.call_at(when, self._wake)
            return
        delay = max(_SHORTEST_SECONDS, when - self._loop.time())
        seconds = int(delay)
        interval = _Interval(0, 0, seconds, int((delay - seconds) * 1e9))
        self._library.timerfd_settime(self._descriptor, 0, ctypes.byref(interval), None)

    def _wake(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(BlockingIOError):
                os.read(self._descriptor, 8)
        now = self._loop.time()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        if self._due:
            self._set(self._due[0][0])
