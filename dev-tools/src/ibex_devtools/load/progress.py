"""A progress bar: one line that rewrites itself on a terminal, a few lines anywhere else."""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

_WIDTH: Final = 28
_REDRAW_SECONDS: Final = 0.1
_QUARTERS: Final = 4


class Progress:
    """Counts ``total`` steps of something, and shows how fast they go."""

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._stream = stream or sys.stderr
        self._done = 0
        self._began = time.monotonic()
        self._drawn = 0.0
        self._live = self._stream.isatty()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if self._done == self._total:
            self._draw(end="\n")
        elif self._live and now - self._drawn > _REDRAW_SECONDS:
            self._drawn = now
            self._draw(end="")
        elif not self._live and self._done % max(1, -(-self._total // _QUARTERS)) == 0:
            self._draw(end="\n")

    def _draw(self, *, end: str) -> None:
        share = self._done / self._total
        filled = int(share * _WIDTH)
        rate = self._done / max(time.monotonic() - self._began, 1e-6)
        bar = "#" * filled + "." * (_WIDTH - filled)
        line = f"  {self._label:<12} [{bar}] {self._done:>6,}/{self._total:,}  {rate:,.0f}/s"
        self._stream.write(("\r" if self._live else "") + line + end)
        self._stream.flush()
