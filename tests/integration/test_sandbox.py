"""The disposable database, as its users see it: real processes, real signals."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ibex_devtools.sandbox import Cluster, Sandbox, SandboxError

IBEX_SANDBOX = Path(sys.executable).with_name("ibex-sandbox")
DEADLINE_SECONDS = 30.0
# Says where everything is, then waits to be ended.
WAITING = 'echo "$$"; echo "$DATABASE_URL"; echo "$SSL_CERT_FILE"; exec sleep 300'


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox with a command in it."""

    process: subprocess.Popen[str]
    command_pid: int
    port: int
    directory: Path


def eventually(fact: Callable[[], bool]) -> bool:
    """Whether `fact` becomes true in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that its new parent has yet to collect does not."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return not Path("/proc/self").exists()
    return False


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IBEX_SANDBOX, "run", *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    process = subprocess.Popen(
        [IBEX_SANDBOX, "run", "--", "sh", "-c", WAITING],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # A background job may have SIGINT ignored, and hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (it takes no lock)
        start_new_session=True,
    )
    assert process.stdout is not None
    pid, url, trust = (process.stdout.readline().strip() for _ in range(3))
    port = urlsplit(url).port
    assert port is not None
    assert listening(port)
    yield Running(process, int(pid), port, Path(trust).parent)
    process.kill()
    process.wait()
    process.stdout.close()


def assert_nothing_is_left(sandbox: Running) -> None:
    assert eventually(lambda: not alive(sandbox.command_pid))
    assert eventually(lambda: not listening(sandbox.port))
    assert eventually(lambda: not sandbox.directory.exists())


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_commands(code: int) -> None:
    assert run("--", "sh", "-c", f"exit {code}").returncode == code


def test_a_command_ended_by_a_signal_gives_the_shells_code() -> None:
    assert run("--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL


def test_a_command_that_does_not_exist_is_127() -> None:
    done = run("--", "no-such-command-here")
    assert done.returncode == 127
    assert "no-such-command-here" in done.stderr


def test_options_of_the_command_are_the_commands() -> None:
    done = run("--", "sh", "-c", 'echo "$@"', "sh", "--port", "1", "--help")
    assert done.stdout == "--port 1 --help\n"


@pytest.mark.parametrize("code", [0, 3])
def test_nothing_is_left_after_the_command_ended(code: int) -> None:
    done = run("--", "sh", "-c", f'echo "$DATABASE_URL"; echo "$SSL_CERT_FILE"; exit {code}')
    url, trust = done.stdout.split()
    assert done.returncode == code
    assert not Path(trust).parent.exists()
    assert not listening(urlsplit(url).port or 0)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_a_signal_which_the_command_gets_too(running: Running, signum: signal.Signals) -> None:
    running.process.send_signal(signum)
    assert running.process.wait(DEADLINE_SECONDS) == 128 + signum
    # The sandbox does not return before all is gone.
    assert not alive(running.command_pid)
    assert not listening(running.port)
    assert not running.directory.exists()


# Python warns of a fork beside threads; this one does nothing but become the sandbox.
@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
def test_ctrl_c_at_the_terminal_reaches_the_command_once() -> None:
    counting = (
        "import signal, time; seen = []; signal.signal(signal.SIGINT, lambda *_: seen.append(1)); "
        "print('counting', flush=True); end = time.monotonic() + 1\n"
        "while time.monotonic() < end: time.sleep(0.05)\n"
        "print('seen', len(seen))"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = ["ibex-sandbox", "run", "--", sys.executable, "-c", counting]
        os.execv(IBEX_SANDBOX, arguments)  # noqa: S606 (there is nothing for a shell to do)
    shown = b""
    with contextlib.suppress(OSError):  # how the end of a terminal reads
        while part := os.read(terminal, 1000):
            if b"counting" in part:
                os.write(terminal, b"\x03")
            shown += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"seen 1\r\n" in shown


def test_nothing_is_left_after_the_sandbox_was_killed(running: Running) -> None:
    running.process.kill()
    running.process.wait(DEADLINE_SECONDS)
    assert_nothing_is_left(running)


def test_nothing_is_left_after_the_keeper_was_killed() -> None:
    with Sandbox() as sandbox:
        cluster, directory = sandbox.cluster, sandbox.directory
        assert sandbox._keeper is not None
        sandbox._keeper.kill()
    assert eventually(lambda: not listening(cluster.port))
    assert eventually(lambda: not directory.exists())


def test_a_signal_before_the_server_is_ready_leaves_nothing(open_directory: Path) -> None:
    process = subprocess.Popen(
        [IBEX_SANDBOX, "run", "--", "true"],
        env=os.environ | {"TMPDIR": str(open_directory)},
        start_new_session=True,
    )
    assert eventually(lambda: any(temporary_directories(open_directory)))
    process.terminate()
    assert process.wait(DEADLINE_SECONDS) == 128 + signal.SIGTERM
    assert not any(temporary_directories(open_directory))


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Unlike pytest's, open to the account that the server of a root runs as."""
    with tempfile.TemporaryDirectory(prefix="ibex-test-") as path:
        Path(path).chmod(0o711)
        yield Path(path)


def temporary_directories(path: Path) -> Iterator[Path]:
    return path.glob("ibex-sandbox-*")


def test_the_command_is_told_what_production_is_told() -> None:
    done = run("--", "env", DATABASE_URL="postgresql://elsewhere/db")
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    url = urlsplit(told["DATABASE_URL"])
    assert (url.scheme, url.hostname, url.username, url.path) == (
        "postgresql",
        "localhost",
        "ibex_owner",
        "/ibex",
    )
    assert url.query == "sslmode=require&channel_binding=require"
    assert told["IBEX_ENVIRONMENT"] == "sandbox"


def test_the_port_can_be_chosen() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run("--port", str(port), "--", "sh", "-c", 'echo "$DATABASE_URL"')
    assert urlsplit(done.stdout.strip()).port == port


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--port", str(taken.getsockname()[1]), "--", "true")
    assert done.returncode == 125
    assert "Address already in use" in done.stderr


def test_keep_keeps_the_data_for_the_next_run(open_directory: Path) -> None:
    kept = open_directory / "kept"
    with Sandbox(keep=kept) as sandbox:
        first = sandbox.cluster.owner_password
        sandbox.cluster.execute("CREATE TABLE t AS SELECT 42 AS answer;", database="ibex")
    assert not listening(sandbox.cluster.port)
    assert not (kept / "server.key").exists()
    done = run("--keep", kept, "--", "sh", "-c", 'echo "$DATABASE_URL"')
    assert done.returncode == 0, done.stderr
    assert urlsplit(done.stdout.strip()).password == first
    with Sandbox(keep=kept) as sandbox:
        assert sandbox.cluster.execute("SELECT answer FROM t;", database="ibex") == "42\n"


def test_keep_does_not_touch_a_directory_of_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SandboxError, match="neither empty nor kept"), Sandbox(keep=tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_killed_server_recovers_what_was_committed() -> None:
    with Sandbox() as sandbox:
        sandbox.cluster.execute("CREATE TABLE t AS SELECT 42 AS answer;")
        sandbox.kill()
        assert not listening(sandbox.cluster.port)
        sandbox.start()
        assert sandbox.cluster.execute("SELECT answer FROM t;") == "42\n"
        port = sandbox.cluster.port
        sandbox.restart()
        assert sandbox.cluster.port == port
        assert sandbox.cluster.execute("SELECT answer FROM t;") == "42\n"
        sandbox.stop()
        assert not listening(port)


def test_databases_are_made_copied_and_dropped(cluster: Cluster) -> None:
    cluster.create_database("copied_from")
    cluster.execute("CREATE TABLE t AS SELECT 42 AS answer;", database="copied_from")
    cluster.create_database("copied \"to\" 'this'", "copied_from")
    cluster.drop_database("copied_from")
    assert cluster.execute("SELECT datname FROM pg_database WHERE datname LIKE 'copied%';") == "copied \"to\" 'this'\n"
    for name in ("copied \"to\" 'this'", "never_was"):
        cluster.drop_database(name)
    assert cluster.execute("SELECT datname FROM pg_database WHERE datname LIKE 'copied%';") == ""


def test_a_copy_has_what_its_template_has(cluster: Cluster) -> None:
    cluster.create_database("original")
    cluster.execute("CREATE TABLE t AS SELECT 42 AS answer;", database="original")
    cluster.create_database("duplicate", "original")
    assert cluster.execute("SELECT answer FROM t;", database="duplicate") == "42\n"
    for name in ("original", "duplicate"):
        cluster.drop_database(name)
