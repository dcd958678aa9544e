"""A till that speaks to the service: keep-alive connections, an Idempotency-Key on every write, patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
import msgspec

from ibex_devtools.load.progress import Progress

ATTEMPTS: Final = 6
TIMEOUT_SECONDS: Final = 60.0
_FIRST_DELAY_SECONDS: Final = 0.2
_TRANSIENT: Final = frozenset({408, 429, 503})

Json = dict[str, Any]
T = TypeVar("T")


class LoadError(Exception):
    """The service refused something, or could not be reached; the message is for people."""


class Till:
    """One token's view of the service. Use it as an async context manager."""

    def __init__(self, url: str, token: str, *, in_flight: int) -> None:
        limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
        self._in_flight = in_flight
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {token}"},
            limits=limits,
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **params: str | int) -> Json:
        """The JSON of a GET. Raises LoadError."""
        answer = await self._send("GET", path, params=params)
        found: Json = msgspec.json.decode(answer.content)
        return found

    async def post(self, path: str, body: Json, *, key: str) -> Json:
        """The JSON of a POST. It is sent again, with the same key, while the service is busy. Raises LoadError."""
        answer = await self._send(
            "POST",
            path,
            content=msgspec.json.encode(body),
            headers={"content-type": "application/json", "idempotency-key": key},
        )
        made: Json = msgspec.json.decode(answer.content)
        return made

    async def pages(self, path: str, **params: str | int) -> AsyncIterator[Json]:
        """The items of a list, page by page."""
        asked: dict[str, str | int] = {"limit": 200, **params}
        while True:
            page = await self.get(path, **asked)
            for item in page["items"]:
                yield item
            if page["next_cursor"] is None:
                return
            asked["cursor"] = page["next_cursor"]

    async def lines(self, path: str, **params: str | int) -> AsyncIterator[Json]:
        """The records of a list that is streamed as JSON Lines."""
        async with self._http.stream("GET", path, params=params, headers={"accept": "application/x-ndjson"}) as answer:
            if answer.status_code != httpx.codes.OK:
                await answer.aread()
                raise refused("GET", path, answer)
            async for line in answer.aiter_lines():
                yield msgspec.json.decode(line)

    async def each(
        self, label: str, items: Iterable[T], action: Callable[[T], Awaitable[None]], *, in_flight: int | None = None
    ) -> None:
        """Runs ``action`` on every item, so many at once, with a progress bar. The first error ends it all."""
        waiting = list(items)
        if not waiting:
            return
        progress = Progress(label, len(waiting))
        queue = iter(waiting)

        async def work() -> None:
            for item in queue:
                await action(item)
                progress.step()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(in_flight or self._in_flight, len(waiting))):
                    group.create_task(work())
        except BaseExceptionGroup as failures:
            raise _first(failures) from None

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        delay = _FIRST_DELAY_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS:
                    raise LoadError(f"{method} {path}: the service cannot be reached ({error!r}).") from None
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in _TRANSIENT or attempt == ATTEMPTS:
                    raise refused(method, path, answer)
            await asyncio.sleep(delay)
            delay *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """One error speaks for all: what ended the others is of no interest."""
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def refused(method: str, path: str, answer: httpx.Response) -> LoadError:
    """The service's refusal, in its own words."""
    try:
        problem: Mapping[str, Any] = msgspec.json.decode(answer.content)
        words = f"{problem['code']}: {problem['detail']} {problem.get('details') or ''}".strip()
    except (msgspec.DecodeError, KeyError, TypeError):
        words = answer.text[:200]
    return LoadError(f"{method} {path} answered {answer.status_code} {words}")
