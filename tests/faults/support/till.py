"""Tills that do as docs/api tells them: a key for each sale, and the same key again until there is an answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.faults.support.table import failures_of

Json = dict[str, Any]

DEADLINE_SECONDS: Final = 27.0
"""The service's own deadline is 25 s. Whoever has no answer by now is hanging."""
PAUSE_SECONDS: Final = 0.1
"""Tills of a test are less patient than Retry-After asks them to be: the fault would be over before they came back."""
MAY_BE_REPEATED: Final = frozenset(
    {"temporarily_unavailable", "outcome_unknown", "overloaded", "draining", "request_in_progress"}
)


class BrokenPromiseError(AssertionError):
    """An answer that the service must never give."""


@dataclass(slots=True)
class Tally:
    """What became of the requests of one test."""

    requests: int = 0
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    confirmed: dict[str, Json] = field(default_factory=dict)
    """The document of each sale that a caller was told of, by its key."""
    uncertain: set[str] = field(default_factory=set)
    """Sales without a key that ended in outcome_unknown or without an answer."""
    replayed: int = 0
    broken_off: int = 0
    """Requests without any answer, because the service was killed."""
    slowest_seconds: float = 0.0
    good_at: list[float] = field(default_factory=list)
    """When good answers came, in monotonic seconds."""

    @property
    def failures(self) -> dict[str, int]:
        """Answers of 500 and above, by status and code."""
        return failures_of(self.answers)

    def first_good_after(self, moment: float) -> float | None:
        """Seconds from ``moment`` to the first good answer after it."""
        return next((at - moment for at in sorted(self.good_at) if at >= moment), None)


class Till:
    """A client of one service with one token."""

    def __init__(self, http: httpx.AsyncClient, token: str, tally: Tally, *, may_be_cut_off: bool = False) -> None:
        """``may_be_cut_off``: the service is killed in this test, so an answer may not come at all."""
        self._http = http
        self._headers = {"authorization": f"Bearer {token}"}
        self.tally = tally
        self._may_be_cut_off = may_be_cut_off

    async def ask(
        self, method: str, path: str, *, json: Any = None, key: str | None = None, headers: Json | None = None
    ) -> httpx.Response | None:
        """One request; None if it was cut off. Raises BrokenPromiseError for a hang, a 500, or a 503 that says too
        little."""
        tally = self.tally
        tally.requests += 1
        sent = self._headers | (headers or {}) | ({} if key is None else {"idempotency-key": key})
        began = time.monotonic()
        try:
            response = await self._http.request(method, path, json=json, headers=sent, timeout=DEADLINE_SECONDS)
        except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError) as error:
            if not self._may_be_cut_off:
                raise BrokenPromiseError(f"{method} {path}: {error!r}") from error
            tally.broken_off += 1
            return None
        except httpx.TimeoutException as error:
            raise BrokenPromiseError(f"{method} {path}: no answer in {DEADLINE_SECONDS:.0f} s") from error
        seconds = time.monotonic() - began
        tally.slowest_seconds = max(tally.slowest_seconds, seconds)
        code = "" if response.status_code < 400 else str(response.json().get("code"))
        tally.answers[response.status_code, code] += 1
        if response.status_code < 400:
            tally.good_at.append(time.monotonic())
        check_promises(response, code)
        return response

    async def sell(self, body: Json, key: str) -> Json:
        """A sale with a key, repeated until there is an answer."""
        while True:
            response = await self.ask("POST", "/v1/sales", json=body, key=key)
            if response is not None:
                if response.status_code == 201:
                    self.tally.replayed += response.headers.get("idempotent-replayed") == "true"
                    document: Json = response.json()
                    self.tally.confirmed[key] = document
                    return document
                if response.json()["code"] not in MAY_BE_REPEATED:
                    raise BrokenPromiseError(f"the sale {key} was answered {response.status_code}: {response.text}")
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))

    async def sell_once(self, body: Json, name: str) -> None:
        """A sale without a key, which nobody repeats: it happened, it did not, or nobody knows."""
        response = await self.ask("POST", "/v1/sales", json=body)
        if response is None or (response.status_code == 503 and response.json()["code"] == "outcome_unknown"):
            self.tally.uncertain.add(name)
        elif response.status_code == 201:
            self.tally.confirmed[name] = response.json()
        elif response.json()["code"] not in MAY_BE_REPEATED:
            raise BrokenPromiseError(f"the sale {name} was answered {response.status_code}: {response.text}")


def check_promises(response: httpx.Response, code: str) -> None:
    """Raises BrokenPromiseError for an answer that no fault excuses."""
    request = f"{response.request.method} {response.request.url.path}"
    if response.status_code == 503:
        if "retry-after" not in response.headers:
            raise BrokenPromiseError(f"{request}: 503 without Retry-After")
        effect = response.json().get("details", {}).get("effect")
        expected = {"outcome_unknown": {"unknown", None}, "temporarily_unavailable": {"none", None}}.get(code, {None})
        if effect not in expected:
            raise BrokenPromiseError(f"{request}: {code} with effect {effect}")
    elif response.status_code >= 500:
        raise BrokenPromiseError(f"{request}: {response.status_code} {response.text}")
