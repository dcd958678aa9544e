"""As much of the PostgreSQL protocol, version 3, as a proxy must read: headers, and the text of statements.

Chunks are forwarded as they are; a scanner only says what has gone past in them. Message formats:
https://www.postgresql.org/docs/17/protocol-message-formats.html
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

SSL_REQUEST: Final = 80877103
GSS_REQUEST: Final = 80877104
CANCEL_REQUEST: Final = 80877102
PROTOCOL_3: Final = 196608
# proxy/src/stream.rs of neondatabase/neon: throw_error gives every error of the proxy's own this code.
PROXY_ERROR: Final = "XX000"
MAX_STARTUP_BYTES: Final = 10_000
# Of a longer message only so much is kept to look at; all of it is forwarded.
KEPT_BYTES: Final = 65536

_HEADER: Final = struct.Struct("!BI")
_HEADER_BYTES: Final = 5
_OVERHEAD: Final = 4  # a message's length counts itself

# What a client waits for an answer to: Query, Sync, Flush, function call, end of COPY, password or SASL.
_ENDS_A_FLIGHT: Final = frozenset(b"QSHFcfp")
_CLIENT_READ: Final = frozenset(b"PBCQE")
_CLIENT_REPORTED: Final = frozenset(b"QE") | _ENDS_A_FLIGHT
# ReadyForQuery, ErrorResponse, authentication, COPY in.
_SERVER_READ: Final = frozenset(b"ZE")
_SERVER_REPORTED: Final = frozenset(b"ZERGW")
# Notices, parameters and notifications come unasked: they answer nothing.
_UNASKED: Final = frozenset(b"NSA")


class Mark(NamedTuple):
    """One message that ended in the scanned chunk.

    `kind` is its type byte, `text` what Query or Execute runs, or the body of what a server sent.
    """

    kind: str
    text: str


class Scanner:
    """Finds messages in a stream of chunks that may split them anywhere."""

    def __init__(self, read: frozenset[int], reported: frozenset[int]) -> None:
        self._read = read
        self._reported = reported
        self._noticed = read | reported
        self.answering = False  # whether the last chunk began a message that nobody sends unasked
        self._header = b""
        self._kind = 0
        self._left = 0  # bytes of the current message that are still to come
        self._body: bytearray | None = None

    def feed(self, data: bytes) -> list[Mark]:
        """The reported messages that end in this chunk, in order."""
        marks: list[Mark] = []
        self.answering = False
        size = len(data)
        position = self._go_on(data, marks) if self._header or self._left else 0
        # An answer may have thousands of rows: this loop is all that the proxy does for each.
        unpack, noticed, answering = _HEADER.unpack_from, self._noticed, self.answering
        while size - position >= _HEADER_BYTES:
            kind, length = unpack(data, position)
            end = position + 1 + length
            answering = answering or kind not in _UNASKED
            if end > size:
                body = data[position + _HEADER_BYTES :] if kind in self._read else None
                self._begin(kind, end - size, body)
                position = size
                break
            if kind in noticed:
                wanted = kind in self._read
                body = data[position + _HEADER_BYTES : min(end, position + KEPT_BYTES)] if wanted else b""
                self._finish(kind, body, marks)
            position = end
        self.answering = answering
        self._header += data[position:]
        return marks

    def _go_on(self, data: bytes, marks: list[Mark]) -> int:
        """Deal with what an earlier chunk left unfinished; returns the position after it."""
        position = 0
        if self._header:
            position = _HEADER_BYTES - len(self._header)
            self._header += data[:position]
            if len(self._header) < _HEADER_BYTES:
                return len(data)
            kind, length = _HEADER.unpack(self._header)
            self._header = b""
            self.answering = kind not in _UNASKED
            self._begin(kind, length - _OVERHEAD, b"" if kind in self._read else None)
        taken = min(self._left, len(data) - position)
        if self._body is not None and len(self._body) < KEPT_BYTES:
            self._body += data[position : position + taken]
        self._left -= taken
        if self._left == 0:
            body, self._body = bytes(self._body or b""), None
            if self._kind in self._read or self._kind in self._reported:
                self._finish(self._kind, body, marks)
        return position + taken

    def _begin(self, kind: int, left: int, body: bytes | None) -> None:
        self._kind = kind
        self._left = left
        self._body = None if body is None else bytearray(body)

    def _finish(self, kind: int, body: bytes, marks: list[Mark]) -> None:
        marks.append(Mark(chr(kind), body.decode("utf-8", "replace")))


class ClientScanner(Scanner):
    """What the client says. Reports what it runs (Q, E) and the ends of its flights (Q, S, H, F, c, f, p)."""

    def __init__(self) -> None:
        super().__init__(_CLIENT_READ, _CLIENT_REPORTED)
        self._statements: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}

    def _finish(self, kind: int, body: bytes, marks: list[Mark]) -> None:
        if kind == ord("P"):
            name, query = (*body.split(b"\0", 2), b"")[:2]
            self._statements[name] = query.decode("utf-8", "replace")
        elif kind == ord("B"):
            portal, name = (*body.split(b"\0", 2), b"")[:2]
            self._portals[portal] = self._statements.get(name, "")
        elif kind == ord("C"):
            closed = self._statements if body[:1] == b"S" else self._portals
            closed.pop(body[1:].rstrip(b"\0"), None)
        elif kind == ord("E"):
            marks.append(Mark("E", self._portals.get(body.split(b"\0", 1)[0], "")))
        elif kind == ord("Q"):
            marks.append(Mark("Q", body.rstrip(b"\0").decode("utf-8", "replace")))
        else:
            marks.append(Mark(chr(kind), ""))


class ServerScanner(Scanner):
    """What the server says. Reports ReadyForQuery (Z, with its status), errors (E), R, G and W."""

    def __init__(self) -> None:
        super().__init__(_SERVER_READ, _SERVER_REPORTED)


def sqlstate_of(error_body: str) -> str:
    """The code in the body of an ErrorResponse, e.g. 40001; empty when there is none."""
    return next((field[1:] for field in error_body.split("\0") if field[:1] == "C"), "")


def error_response(message: str, *, sqlstate: str = PROXY_ERROR, severity: str = "ERROR") -> bytes:
    """An ErrorResponse. By default as Neon's proxy words its own: severity ERROR, whatever happened XX000."""
    fields = f"S{severity}\0V{severity}\0C{sqlstate}\0M{message}\0\0".encode()
    return _HEADER.pack(ord("E"), len(fields) + _OVERHEAD) + fields
