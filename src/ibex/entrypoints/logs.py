"""Logs: one JSON object a line on standard output, with the ids of the request that is being served.

Nothing logs a body, a header or a query. What could hold a secret all the same, a traceback, is redacted.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import msgspec
import structlog

from ibex.domain.events.signing import SECRET_PREFIX
from ibex.domain.identity.secrets import TOKEN_PREFIX

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
Redact = Callable[[str], str]
_LONE_SECRET: Final = re.compile(f"({TOKEN_PREFIX}|{SECRET_PREFIX})[A-Za-z0-9+/=_-]+")
Event = MutableMapping[str, Any]


def without_secrets(text: str) -> str:
    """The text without tokens and webhooks' secrets, which their beginnings tell: callers put them into paths too."""
    if TOKEN_PREFIX in text or SECRET_PREFIX in text:
        return _LONE_SECRET.sub(r"\1**********", text)
    return text


class PlainLines:
    """Info lines that hold nothing to redact, without the processors: one is written for every request served."""

    def __init__(self) -> None:
        self.enabled = False

    def start(self, level: str) -> None:
        """From now on on standard output, if the level lets them through."""
        self.enabled = LEVELS[level] <= logging.INFO
        self._output = sys.stdout.buffer

    def write(self, fields: dict[str, Any]) -> None:
        """One line. Only when enabled."""
        now = time.time()
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        fields["level"] = "info"
        fields["timestamp"] = f"{second}.{int(now % 1 * 1e6):06d}Z"
        self._output.write(_ENCODER.encode(fields) + b"\n")
        self._output.flush()


plain_lines: Final = PlainLines()


def configure_logs(level: str, redact: Redact) -> None:
    """For the whole process: structlog, and through it what libraries log with the standard library."""
    plain_lines.start(level)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redacting(redact),
    ]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render_text],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up when something is wrong; their chatter is for those who ask for it.
    root.setLevel(LEVELS[level] if level in ("debug", "error") else logging.WARNING)
    logging.getLogger("uvicorn").setLevel(LEVELS[level])


def _redacting(redact: Redact) -> Callable[[Any, str, Event], Event]:
    """Takes secrets out of the texts in which a library could have put one."""

    def process(_: Any, __: str, event: Event) -> Event:
        for name in ("exception", "event", "cause", "path"):
            text = event.get(name)
            if isinstance(text, str) and (name != "event" or len(text) > 40):
                event[name] = without_secrets(redact(text))
        return event

    return process


def _render(_: Any, __: str, event: Event) -> bytes:
    return _ENCODER.encode(event)


def _render_text(_: Any, __: str, event: Event) -> str:
    return _ENCODER.encode(event).decode()


_ENCODER: Final = msgspec.json.Encoder(enc_hook=repr)
