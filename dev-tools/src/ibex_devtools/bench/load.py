"""The load, in a process of its own: `python -m ibex_devtools.bench.load < job.json`.

Raw HTTP/1.1 over kept connections, each of which sends its next request when it has its answer. It says "begin" on a
line of its own when the measured time begins, and one line of JSON when it ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from array import array
from dataclasses import dataclass, field
from typing import Any, Final, cast

import uvloop

KEY: Final = "@KEY@"
"""Stands for something that is new in each request: 23 characters, for a header."""
NUMBER: Final = "@NUMBER@"
"""Stands for a number that is new in each request of a run: 12 digits, for the end of a UUID."""
ID: Final = "@ID@"
"""Stands in a path for the id that the preparing request of the same place was answered with."""
_HOLE: Final = re.compile(f"{KEY}|{NUMBER}|{ID}")
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_ID: Final = re.compile(rb'"id":"([0-9a-f-]{36})"')
_SHOWN_BYTES: Final = 500
_PATIENCE_SECONDS: Final = 60.0
"""After its time is over, a run waits so long for the answers that are still to come."""


class Template:
    """A request as bytes, with holes for what is new in each."""

    def __init__(self, request: dict[str, Any], host: str) -> None:
        """From method, path, headers and body."""
        body = json.dumps(request["body"]) if request.get("body") is not None else ""
        headers = {"host": host, **request.get("headers", {})}
        if body:
            length = len(body.replace(NUMBER, "0" * 12).encode())
            headers |= {"content-type": "application/json", "content-length": str(length)}
        elif request["method"] != "GET":
            headers["content-length"] = "0"
        lines = [f"{request['method']} {request['path']} HTTP/1.1", *(f"{n}: {text}" for n, text in headers.items())]
        raw = "\r\n".join(lines) + "\r\n\r\n" + body
        self._texts = [text.encode() for text in _HOLE.split(raw)]
        self._holes = _HOLE.findall(raw)

    def bytes(self, run: str, n: int, identity: bytes) -> bytes:
        """The request number ``n`` of the run."""
        if not self._holes:
            return self._texts[0]
        fillings = {KEY: b"%s-%012d" % (run.encode(), n), NUMBER: b"%012d" % n, ID: identity}
        parts = [self._texts[0]]
        for hole, text in zip(self._holes, self._texts[1:], strict=True):
            parts += (fillings[hole], text)
        return b"".join(parts)


@dataclass(slots=True)
class Phase:
    """Requests of one kind, sent until the time is over or nothing is left to send."""

    templates: list[Template]
    run: str
    seconds: float
    warm_up_seconds: float = 0.0
    limit: int | None = None
    """Not more requests than this."""
    work: list[tuple[int, bytes]] | None = None
    """For a request that can be made once: the template's number and the id."""
    keeps_ids: bool = False
    latencies: array[float] = field(default_factory=lambda: array("d"))
    ids: list[tuple[int, bytes]] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""
    began: float = 0.0
    last: float = 0.0
    counter: itertools.count[int] = field(default_factory=itertools.count)

    def next(self) -> tuple[int, bytes] | None:
        """Template number and request, or None when it is over."""
        now = time.perf_counter()
        if now >= self.began + self.seconds:
            return None
        n = next(self.counter)
        if self.limit is not None and n >= self.limit:
            return None
        number, identity = n % len(self.templates), b""
        if self.work is not None:
            if not self.work:
                return None
            number, identity = self.work.pop()
        return number, self.templates[number].bytes(self.run, n, identity)

    def done(self, number: int, began: float, status: int, body: bytes) -> None:
        """An answer has come."""
        now = time.perf_counter()
        if not 200 <= status < 300:
            self.errors += 1
            self.first_error = self.first_error or f"{status}: {body[:_SHOWN_BYTES].decode(errors='replace')}"
        elif self.keeps_ids and (found := _ID.search(body)):
            self.ids.append((number, found[1]))
        if began >= self.began:
            self.latencies.append(now - began)
            self.last = now


class Connection(asyncio.Protocol):
    """One till."""

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._began = 0.0
        self._number = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first request goes out."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Part of an answer, or all of it."""
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end + 2)
        if length is None:
            self._end(AssertionError("an answer without a length"))
            return
        total = end + 4 + int(length[1])
        if len(self._buffer) < total:
            return
        status, body = int(self._buffer[9:12]), self._buffer[end + 4 : total]
        self._buffer = b""
        self.phase.done(self._number, self._began, status, body)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Over, or broken."""
        self._end(error or (None if self.over.done() else ConnectionError("the server closed the connection")))

    def _send(self) -> None:
        assert self._transport is not None
        following = self.phase.next()
        if following is None:
            self._end(None)
            self._transport.close()
            return
        self._number, request = following
        self._began = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if not self.over.done():
            if error is None:
                self.over.set_result(None)
            else:
                self.over.set_exception(error)


async def drive(phase: Phase, port: int, connections: int) -> None:
    """Sends the phase's requests over so many connections."""
    loop = asyncio.get_running_loop()
    phase.began = time.perf_counter() + phase.warm_up_seconds
    async with asyncio.timeout(phase.warm_up_seconds + phase.seconds + _PATIENCE_SECONDS):
        made = [await loop.create_connection(lambda: Connection(phase), "127.0.0.1", port) for _ in range(connections)]
        await asyncio.gather(*(protocol.over for _, protocol in made))


def percentile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of the ordered values lie, in milliseconds."""
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def perform(job: dict[str, Any]) -> dict[str, Any]:
    """One run: what was measured, times in milliseconds."""
    host = f"127.0.0.1:{job['port']}"
    phase = Phase(
        templates=[Template(request, host) for request in job["requests"]],
        run=job["run"],
        seconds=job["seconds"],
        warm_up_seconds=job["warm_up_seconds"],
        limit=job.get("limit"),
    )
    prepared = 0
    if job.get("prepare"):
        preparing = Phase(
            templates=[Template(request, host) for request in job["prepare"]],
            run=job["run"] + "p",
            seconds=job["prepare_seconds"],
            keeps_ids=True,
        )
        await drive(preparing, job["port"], job["connections"])
        if preparing.errors:
            return {"errors": preparing.errors, "first_error": preparing.first_error, "requests": 0}
        phase.work, phase.warm_up_seconds = preparing.ids, 0.0
        prepared = len(preparing.latencies)
    if phase.warm_up_seconds:
        asyncio.get_running_loop().call_later(phase.warm_up_seconds, say, "begin")
    else:
        say("begin")
    cpu = time.process_time()
    await drive(phase, job["port"], job["connections"])
    ordered = sorted(phase.latencies)
    elapsed = phase.last - phase.began
    return {
        "requests": len(ordered),
        "prepared": prepared,
        "per_second": len(ordered) / elapsed if elapsed > 0 else 0.0,
        "elapsed_seconds": elapsed,
        "errors": phase.errors,
        "first_error": phase.first_error,
        "p50": percentile(ordered, 0.50),
        "p95": percentile(ordered, 0.95),
        "p99": percentile(ordered, 0.99),
        "load_cpu_seconds": time.process_time() - cpu,
    }


def say(line: str) -> None:
    """A line for the process that started this one."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Reads the job, does it, and says how it went."""
    job = json.load(sys.stdin)
    say(json.dumps(uvloop.run(perform(job))))


if __name__ == "__main__":
    main()
