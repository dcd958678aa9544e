"""The documentation page in a real browser, where there is one (Debian: apt-get install chromium)."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread
import pytest

from tests.fixtures.browser import ARGUMENTS, CHROMIUM
from tests.unit.http.support import Ports, build, served


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_the_page_renders_and_asks_nobody_else(tmp_path: Path) -> None:
    """The browser can resolve no name: what needs another host would be missing. Its own log names all requests."""
    async with served(build(Ports())) as port:
        page = f"http://127.0.0.1:{port}/docs"
        finished = await anyio.to_thread.run_sync(lambda: _render(page, tmp_path))
    assert finished.returncode == 0, finished.stderr[-2000:]
    for shown in ("/v1/things/{thing_id}", "Things", "Authorize", "opblock-post"):
        assert shown in finished.stdout, f"{shown} is not on the page"
    assert "Refused to" not in finished.stderr, "the page breaks its own content security policy"
    assert "violates the following Content Security Policy" not in finished.stderr
    requested = _requested(tmp_path / "net.json")
    assert f"127.0.0.1:{port}" in requested
    assert requested - {f"127.0.0.1:{port}"} == set()


def _render(page: str, directory: Path) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [
            CHROMIUM,
            *ARGUMENTS,
            f"--user-data-dir={directory / 'profile'}",
            f"--log-net-log={directory / 'net.json'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=15000",
            "--dump-dom",
            page,
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def _requested(net_log: Path) -> set[str]:
    """Hosts of what the page asked for; the browser's own services are told apart by their scheme or initiator."""
    text = net_log.read_text()
    if not text.rstrip().endswith("}"):  # a log that was cut off when the browser went
        text = text.rstrip().rstrip(",") + "]}"
    found = set()
    for event in json.loads(text)["events"]:
        parameters = event.get("params", {})
        url, initiator = parameters.get("url", ""), parameters.get("initiator", "")
        if re.match(r"https?:", url) and "127.0.0.1" in initiator + url:
            found.add(urlsplit(url).netloc)
    return found
