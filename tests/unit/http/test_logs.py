"""Log lines: JSON, complete, and without secrets. In processes of their own, since logging is a process's."""

import json
import subprocess
import sys

SCRIPT = """
import logging, structlog
from ibex.entrypoints.logs import configure_logs
configure_logs("info", lambda text: text.replace("hunter2", "***"))
log = structlog.get_logger("test")
structlog.contextvars.bind_contextvars(request_id="r1")
log.info("hello", amount=3)
log.debug("unheard")
try:
    raise ValueError("password hunter2 refused")
except ValueError as error:
    log.error("failed", exc_info=error)
    logging.getLogger("some.library").exception("it failed with hunter2 and more words than forty characters hold")
logging.getLogger("uvicorn.error").info("started")
logging.getLogger("some.library").info("chatter")
"""


def test_lines_are_json_with_ids_and_without_secrets() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.stderr == ""
    assert "hunter2" not in run.stdout
    assert [line["event"][:9] for line in lines] == ["hello", "failed", "it failed", "started"]
    assert lines[0]["request_id"] == "r1"
    assert lines[0]["amount"] == 3
    assert lines[0]["level"] == "info"
    assert lines[0]["timestamp"].endswith("Z")
    assert "ValueError: password *** refused" in lines[1]["exception"]
    assert "Traceback" in lines[2]["exception"]
    assert lines[2]["logger"] == "some.library"
