"""Runs a command as a shell would: signals reach it, its exit code comes back."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType

from ibex_devtools.sandbox.keeper import die_with_parent

TERMINATION_GRACE_SECONDS = 10
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_command(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `arguments` and return the exit code: 128 + n after signal n, 126 or 127 when it cannot be run.

    SIGINT, SIGTERM and SIGHUP are passed on. After the last two the command has TERMINATION_GRACE_SECONDS to
    end before it is killed; after SIGINT it may go on, as an interactive program does.
    """
    early: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(signum: int, _: FrameType | None) -> None:
        if child is None:
            early.append(signum)
            return
        if signum == signal.SIGINT and _typed_at_the_terminal():
            return
        child.send_signal(signum)
        if signum != signal.SIGINT:
            signal.alarm(TERMINATION_GRACE_SECONDS)

    def give_up(_: int, __: FrameType | None) -> None:
        if child is not None:
            child.kill()

    signal.signal(signal.SIGALRM, give_up)
    for signum in _PASSED_ON:
        # What the caller ignores (nohup, a background job) stays ignored.
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, pass_on)
    try:
        child = subprocess.Popen(
            arguments,
            env=environment,
            # Should this process be killed, the command must not go on without its database.
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 (there is one thread)
        )
    except FileNotFoundError:
        return 127
    except OSError:
        return 126
    for missed in early:
        pass_on(missed, None)
    code = child.wait()
    signal.alarm(0)
    return code if code >= 0 else 128 - code


def _typed_at_the_terminal() -> bool:
    """Whether Ctrl-C reaches the command anyway: the terminal sends it to the whole foreground group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
