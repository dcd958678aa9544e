"""A stand-in's commands as lines of text, so that other processes and people at a terminal can give them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ibex_devtools.neon.conversation import Traffic
from ibex_devtools.neon.faults import Fault, Injection
from ibex_devtools.neon.stand_in import NeonStandIn, StandInError
from ibex_devtools.sandbox import Cluster, SandboxError

HELP: Final = f"""\
arm FAULT [times=N|null] [probability=P] [statement=REGEX] [delay_seconds=S] [reset=true] [sqlstate=S]
          [message=M] [answer_bytes=N]      FAULT is one of {", ".join(Fault)}
disarm N                                    N is the number that arm answered
counts                                      what has been injected, and all traffic so far
network [latency_seconds=S] [jitter_seconds=S] [bytes_per_second=N|null]
record                                      start counting; forgets an earlier record
recorded                                    what was counted since
suspend [delay_seconds=S] [refuses=true] [farewell=false] [linger_seconds=S]
cut [reset=true] [idle_only=true]
black-hole on|off
refuse on|off
restart [immediate=true] [down_seconds=S]
fail-over FILE                              FILE holds the other cluster's JSON
url [database=NAME] [pooled=true]
help"""


class Control:
    """Carries out commands. Close it to end what they began."""

    def __init__(self, neon: NeonStandIn) -> None:
        self._neon = neon
        self._injections: dict[int, Injection] = {}
        self._hole = contextlib.ExitStack()
        self._refusal = contextlib.AsyncExitStack()
        self._record = contextlib.ExitStack()
        self._recorded: Traffic | None = None
        self._commands: dict[str, Callable[[list[str], dict[str, Any]], Awaitable[Any]]] = {
            "arm": self._arm,
            "disarm": self._disarm,
            "counts": self._counts,
            "network": self._network,
            "record": self._start_record,
            "recorded": self._stop_record,
            "suspend": self._suspend,
            "cut": self._cut,
            "black-hole": self._black_hole,
            "refuse": self._refuse,
            "restart": self._restart,
            "fail-over": self._fail_over,
            "url": self._url,
            "help": self._help,
        }

    async def close(self) -> None:
        """Lift a black hole, listen again, stop counting."""
        self._hole.close()
        self._record.close()
        await self._refusal.aclose()

    async def answer(self, line: str) -> dict[str, Any]:
        """Carry out one line; `{"ok": ...}`, or `{"error": ...}` where it makes no sense or fails."""
        try:
            name, *words = shlex.split(line)
            arguments = [word for word in words if "=" not in word]
            options = dict(_option(word) for word in words if "=" in word)
            if name not in self._commands:
                return {"error": f"{name} is no command; help lists them"}
            return {"ok": await self._commands[name](arguments, options)}
        except (ValueError, TypeError, AttributeError, OSError, StandInError, SandboxError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    async def _arm(self, arguments: list[str], options: dict[str, Any]) -> int:
        (fault,) = arguments
        injection = self._neon.arm(Fault(fault), **options)
        self._injections[injection.number] = injection
        return injection.number

    async def _disarm(self, arguments: list[str], _: dict[str, Any]) -> int:
        (number,) = arguments
        injection = self._injections.get(int(number))
        if injection is None:
            raise StandInError(f"nothing was armed as {number}")
        injection.disarm()
        return injection.count

    async def _counts(self, _: list[str], __: dict[str, Any]) -> dict[str, Any]:
        injections = {
            number: {
                "fault": injection.fault,
                "injected": [asdict(injected) for injected in injection.injected],
            }
            for number, injection in self._injections.items()
        }
        faults = {fault: count for fault, count in self._neon.faults.counts.items() if count}
        return {"faults": faults, "injections": injections, "traffic": asdict(self._neon.traffic)}

    async def _network(self, _: list[str], options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            # It has slots: a name that it does not have is an AttributeError.
            setattr(self._neon.network, name, value)
        return asdict(self._neon.network)

    async def _start_record(self, _: list[str], __: dict[str, Any]) -> None:
        self._record.close()
        self._recorded = self._record.enter_context(self._neon.recording())

    async def _stop_record(self, _: list[str], __: dict[str, Any]) -> dict[str, Any]:
        self._record.close()
        traffic, self._recorded = self._recorded, None
        if traffic is None:
            raise StandInError("nothing is being recorded")
        return asdict(traffic)

    async def _suspend(self, _: list[str], options: dict[str, Any]) -> int:
        return self._neon.suspend(**options)

    async def _cut(self, _: list[str], options: dict[str, Any]) -> int:
        return self._neon.cut_all(**options)

    async def _black_hole(self, arguments: list[str], _: dict[str, Any]) -> None:
        self._hole.close()
        if _is_on(arguments):
            self._hole.enter_context(self._neon.black_hole())

    async def _refuse(self, arguments: list[str], _: dict[str, Any]) -> None:
        await self._refusal.aclose()
        if _is_on(arguments):
            await self._refusal.enter_async_context(self._neon.refusing())

    async def _restart(self, _: list[str], options: dict[str, Any]) -> None:
        await self._neon.restart_server(**options)

    async def _fail_over(self, arguments: list[str], options: dict[str, Any]) -> None:
        (path,) = arguments
        text = await asyncio.to_thread(Path(path).read_text)
        self._neon.fail_over(Cluster.from_json(text), **options)

    async def _url(self, _: list[str], options: dict[str, Any]) -> str:
        return self._neon.url(**options)

    async def _help(self, _: list[str], __: dict[str, Any]) -> list[str]:
        return HELP.splitlines()


def _option(word: str) -> tuple[str, Any]:
    """`name=value`, where the value is JSON or else text."""
    name, _, text = word.partition("=")
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        return name, text


def _is_on(arguments: list[str]) -> bool:
    if arguments not in (["on"], ["off"]):
        raise StandInError("say on or off")
    return arguments == ["on"]
