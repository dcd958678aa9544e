"""Taking a store's data out, and bringing it in."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, ApiToken, Operator, Permission, Role
from ibex.domain.identity.opening import Secret, SecretSource, make_token
from ibex.domain.leaving.model import FORMAT, FORMAT_VERSION, Manifest, TableFile
from ibex.domain.leaving.ports import ArchiveReader, ArchiveWriter, Restored, Restorer, Snapshots
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidValue, RequestInProgress
from ibex.domain.shared.ids import IdSource, OperatorId, StoreId
from ibex.domain.shared.journal import AuditEntry, Journal, Reply

AT_ONCE: Final = 2
"""Exports that one process does at once: each holds a connection for as long as it takes."""


async def write_archive(
    snapshots: Snapshots, archive: ArchiveWriter, store_id: StoreId, at: datetime
) -> AsyncGenerator[bytes, None]:
    """The store's archive, piece by piece, in constant memory. Raises NotFound, TemporarilyUnavailable."""
    files: list[TableFile] = []
    async with snapshots.open(store_id) as snapshot:
        for table in snapshot.tables():
            digest, rows, name = hashlib.sha256(), 0, f"{table.name}.jsonl"
            archive.begin(name)
            async for lines, count in table.portions:
                digest.update(lines)
                rows += count
                archive.write(lines)
                if piece := archive.drain():
                    yield piece
            archive.end()
            files.append(
                TableFile(name=table.name, file=name, rows=rows, sha256=digest.hexdigest(), columns=table.columns)
            )
        manifest = Manifest(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            schema_revision=snapshot.schema_revision,
            exported_at=at,
            store_id=store_id,
            store_name=snapshot.store_name,
            currency=snapshot.currency,
            tables=files,
            left_out=snapshot.left_out,
            totals=await snapshot.totals(),
        )
    yield archive.finish(manifest)


class ExportStore:
    """Takes a store's whole data out. The audit trail tells who did."""

    def __init__(
        self, snapshots: Snapshots, new_archive: Callable[[], ArchiveWriter], journal: Journal, clock: Clock
    ) -> None:
        self._snapshots = snapshots
        self._new_archive = new_archive
        self._journal = journal
        self._clock = clock
        self._running: set[StoreId] = set()

    async def __call__(self, actor: Actor) -> AsyncGenerator[bytes, None]:
        """The archive, to be read piece by piece. Raises RequestInProgress while this store, or enough others, are
        being exported."""
        actor.require(Permission.STORE_EXPORT)
        if actor.store_id in self._running or len(self._running) >= AT_ONCE:
            raise RequestInProgress("An export is running; wait until it has ended.")
        now = self._clock.now()
        changes = changes_of(actor, now)
        changes.add(AuditEntry(action="store.exported", entity="store", entity_id=str(actor.store_id)))
        self._running.add(actor.store_id)
        try:
            await self._journal.post(changes, Reply(present=lambda _: b"", status=200), None)
        except BaseException:
            self._running.discard(actor.store_id)
            raise
        return self._pieces(actor.store_id, now)

    async def _pieces(self, store_id: StoreId, at: datetime) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(write_archive(self._snapshots, self._new_archive(), store_id, at)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._running.discard(store_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The store as it is here, and its owner's new token."""

    restored: Restored
    token: ApiToken
    secret: Secret


class ImportStore:
    """Brings a store in. For the operator of the service only."""

    def __init__(self, restorer: Restorer, secrets: SecretSource, clock: Clock, ids: IdSource) -> None:
        self._restorer = restorer
        self._secrets = secrets
        self._clock = clock
        self._ids = ids

    async def __call__(self, archive: ArchiveReader, *, as_new_id: bool) -> Imported:
        """Writes the store with its ids, or under a new id of its own. Raises InvalidValue, AlreadyExists."""
        manifest = archive.manifest
        if manifest.format != FORMAT or manifest.format_version != FORMAT_VERSION:
            raise InvalidValue("This is no archive that this version can read.", field="manifest.json")
        store_id = StoreId(self._ids.new() if as_new_id else manifest.store_id)
        now = self._clock.now()
        made: list[tuple[ApiToken, Secret]] = []

        def token_for(owner: OperatorId) -> ApiToken:
            operator = Operator(id=owner, store_id=store_id, name="owner", role=Role.OWNER)
            made.append(make_token(self._secrets, self._ids, operator, label="import", at=now))
            return made[-1][0]

        files = {file.file: file for file in manifest.tables}

        def checked(name: str, portions: Iterator[tuple[bytes, int]]) -> Iterator[bytes]:
            return check_file(files[name], portions)

        restored = await self._restorer.restore(archive, store_id, now, token_for, checked)
        token, secret = made[-1]
        return Imported(restored=restored, token=token, secret=secret)


def check_file(file: TableFile, portions: Iterator[tuple[bytes, int]]) -> Iterator[bytes]:
    """Lets the lines through. Raises InvalidValue at the end if they are not those that the manifest tells of."""
    digest, rows = hashlib.sha256(), 0
    for lines, count in portions:
        digest.update(lines)
        rows += count
        yield lines
    if rows != file.rows:
        raise InvalidValue(f"{file.file} holds {rows} rows, and the manifest says {file.rows}.", field=file.file)
    if digest.hexdigest() != file.sha256:
        raise InvalidValue(f"{file.file} is not what the manifest says: its SHA-256 differs.", field=file.file)
