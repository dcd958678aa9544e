"""What exporting and importing need from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ibex.domain.identity.model import ApiToken
from ibex.domain.leaving.model import Manifest
from ibex.domain.shared.ids import OperatorId, StoreId


@dataclass(frozen=True, slots=True, kw_only=True)
class TableData:
    """A table of a store, to be read once: portions of lines, each with how many lines they are."""

    name: str
    columns: Sequence[str]
    portions: AsyncIterator[tuple[bytes, int]]


class StoreSnapshot(Protocol):
    """A store as it was in one moment, however long it takes to read it."""

    @property
    def schema_revision(self) -> str:
        """The revision of the schema."""
        ...

    @property
    def store_name(self) -> str:
        """The store's name."""
        ...

    @property
    def currency(self) -> str:
        """The store's currency."""
        ...

    @property
    def left_out(self) -> Mapping[str, str]:
        """Tables that are not exported, with the reasons."""
        ...

    def tables(self) -> Iterator[TableData]:
        """The tables, those first that others refer to. Read each to its end before the next."""
        ...

    async def totals(self) -> Mapping[str, str]:
        """Sums and counts by which the whole is known."""
        ...


class Snapshots(Protocol):
    """Opens snapshots."""

    def open(self, store_id: StoreId) -> AbstractAsyncContextManager[StoreSnapshot]:
        """Raises NotFound, TemporarilyUnavailable."""
        ...


class ArchiveWriter(Protocol):
    """Packs files one after the other. What was packed so far is taken out with ``drain``."""

    def begin(self, name: str) -> None:
        """A new file."""
        ...

    def write(self, data: bytes) -> None:
        """More of it."""
        ...

    def end(self) -> None:
        """The file is whole."""
        ...

    def drain(self) -> bytes:
        """What was packed since the last time; it may be nothing yet."""
        ...

    def finish(self, manifest: Manifest) -> bytes:
        """The manifest, and the end of the archive."""
        ...


class ArchiveReader(Protocol):
    """An archive that somebody brings."""

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        ...

    def portions(self, file: str) -> Iterator[tuple[bytes, int]]:
        """The file's lines in portions, each with how many lines they are. Raises InvalidValue for what is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of an import. ``token`` is the new one of the store's first owner."""

    store_id: StoreId
    owner_id: OperatorId
    totals: Mapping[str, str]


class Restorer(Protocol):
    """Writes a store that is not there yet."""

    async def restore(
        self,
        archive: ArchiveReader,
        store_id: StoreId,
        at: datetime,
        make_token: Callable[[OperatorId], ApiToken],
        checked: Callable[[str, Iterator[tuple[bytes, int]]], Iterator[bytes]],
    ) -> Restored:
        """All of it or nothing, in one transaction; ``checked`` lets a file's lines through and raises at its end if
        they are not what the manifest says. Counted again before it is committed.

        Raises AlreadyExists for a store that is there, InvalidValue for an archive that does not hold together.
        """
        ...
