"""An archive as a ZIP file: written to a stream that cannot go back, read from a file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec

from ibex.domain.leaving.model import MANIFEST, Manifest
from ibex.domain.shared.errors import InvalidValue

PIECE_BYTES: Final = 256 * 1024
LINE_BYTES: Final = 16 * 1024 * 1024
MANIFEST_BYTES: Final = 4 * 1024 * 1024
PORTION_BYTES: Final = 4 * 1024 * 1024
PORTION_LINES: Final = 1000
# The usual level costs three times the time for a few per cent.
_LEVEL: Final = 4
_NO_ARCHIVE: Final = "This is no whole archive of a store."


class _Outlet:
    """A file that can only be written: with neither tell nor seek, zipfile writes sizes behind the data."""

    def __init__(self) -> None:
        self.pending = bytearray()

    def write(self, data: bytes, /) -> int:
        self.pending += data
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def close(self) -> None:
        """What is pending stays."""

    def take(self) -> bytes:
        """All that was written since the last time."""
        data = bytes(self.pending)
        self.pending.clear()
        return data


class ZipArchive:
    """Implements ArchiveWriter."""

    def __init__(self) -> None:
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(
            self._outlet,
            "w",
            zipfile.ZIP_DEFLATED,
            compresslevel=_LEVEL,
        )
        self._file: IO[bytes] | None = None

    def begin(self, name: str) -> None:
        """See the port."""
        # How long it will be is not known: so always as if it were longer than 4 GiB.
        self._file = self._zip.open(name, "w", force_zip64=True)

    def write(self, data: bytes) -> None:
        """See the port."""
        assert self._file is not None, "a file was begun"
        self._file.write(data)

    def end(self) -> None:
        """See the port."""
        assert self._file is not None, "a file was begun"
        self._file.close()
        self._file = None

    def drain(self) -> bytes:
        """See the port."""
        return self._outlet.take() if len(self._outlet.pending) >= PIECE_BYTES else b""

    def finish(self, manifest: Manifest) -> bytes:
        """See the port."""
        self._zip.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        self._zip.close()
        return self._outlet.take()


class ZipReader:
    """Implements ArchiveReader; use it as a context manager. Raises InvalidValue for what is no archive."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise InvalidValue(_NO_ARCHIVE, field=path.name) from error
        try:
            info = self._zip.getinfo(MANIFEST)
            if info.file_size > MANIFEST_BYTES:
                raise InvalidValue(_NO_ARCHIVE, field=MANIFEST)
            self._manifest = msgspec.json.decode(self._zip.read(info), type=Manifest)
        except (KeyError, zipfile.BadZipFile, zlib.error, msgspec.MsgspecError, NotImplementedError) as error:
            self._zip.close()
            raise InvalidValue(_NO_ARCHIVE, field=MANIFEST) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._zip.close()

    @property
    def manifest(self) -> Manifest:
        """See the port."""
        return self._manifest

    def portions(self, file: str) -> Iterator[tuple[bytes, int]]:
        """See the port."""
        try:
            with self._zip.open(file) as stream:
                lines: list[bytes] = []
                size = 0
                while line := stream.readline(LINE_BYTES):
                    if not line.endswith(b"\n"):
                        raise InvalidValue(f"{file} holds a line that does not end.", field=file)
                    lines.append(line)
                    size += len(line)
                    if size >= PORTION_BYTES or len(lines) >= PORTION_LINES:
                        yield b"".join(lines), len(lines)
                        lines, size = [], 0
                if lines:
                    yield b"".join(lines), len(lines)
        except (KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            raise InvalidValue(f"{file} is missing, or it is broken.", field=file) from error
