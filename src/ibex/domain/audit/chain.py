"""The seal on the audit trail: a chain of hashes, built apart from the write path.

Each link is the SHA-256 of the link before it and of one entry. Whoever changes, removes or inserts an entry breaks the
chain from there on; whoever rewrites the chain as well changes its head, which operators keep elsewhere (``verify
--expect``). The design is Blnk's rather than Formance's: sealing later costs no sale anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ibex.domain.shared.ids import StoreId

PORTION: Final = 1000
FIRST: Final = b"\0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The chain at one entry."""

    seq: int
    link: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealable:
    """An entry as the seal sees it, and its link, if it is sealed."""

    seq: int
    content: str
    link: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verification found. ``broken_at`` is the first entry that does not hold, and ``why`` says how."""

    sealed: int
    unsealed: int
    head: Link | None
    broken_at: int | None = None
    why: str = ""

    @property
    def intact(self) -> bool:
        """Whether the trail is as it was sealed."""
        return self.broken_at is None


class AuditChain(Protocol):
    """Keeps the links."""

    async def head(self, store_id: StoreId) -> Link | None:
        """The last link, or None before the first."""
        ...

    async def entries(self, store_id: StoreId, after: int, limit: int) -> Sequence[Sealable]:
        """Entries after that sequence, in order, with their links."""
        ...

    async def append(self, store_id: StoreId, links: Sequence[Link]) -> None:
        """Adds links; one that exists stays as it is, so that several may seal at once."""
        ...


def link_of(before: bytes, entry: Sealable) -> bytes:
    """The link that follows ``before``."""
    return hashlib.sha256(before + entry.content.encode()).digest()


class SealAudit:
    """Seals what was recorded since the last time."""

    def __init__(self, chain: AuditChain) -> None:
        self._chain = chain

    async def __call__(self, store_id: StoreId) -> int:
        """How many entries were sealed. Stops at a gap: it is for verification to tell."""
        head = await self._chain.head(store_id) or Link(seq=0, link=FIRST)
        sealed = 0
        while entries := await self._chain.entries(store_id, head.seq, PORTION):
            links: list[Link] = []
            for entry in entries:
                if entry.seq != head.seq + 1:
                    break
                head = Link(seq=entry.seq, link=link_of(head.link, entry))
                links.append(head)
            if not links:
                break
            await self._chain.append(store_id, links)
            sealed += len(links)
        return sealed


class VerifyAudit:
    """Goes over the whole chain and names the first break."""

    def __init__(self, chain: AuditChain) -> None:
        self._chain = chain

    async def __call__(self, store_id: StoreId, *, expect: Link | None = None) -> Verdict:
        """``expect`` is a head that was noted earlier: the chain must still go through it."""
        head = await self._chain.head(store_id)
        last = Link(seq=0, link=FIRST)
        sealed = unsealed = 0
        while entries := await self._chain.entries(store_id, sealed + unsealed, PORTION):
            for entry in entries:
                expected_seq = sealed + unsealed + 1
                if entry.seq != expected_seq:
                    return _broken(sealed, unsealed, head, expected_seq, "the entry is missing")
                if entry.link is None:
                    if head is not None and entry.seq <= head.seq:
                        return _broken(sealed, unsealed, head, entry.seq, "the entry's link is missing")
                    unsealed += 1
                    continue
                last = Link(seq=entry.seq, link=link_of(last.link, entry))
                if last.link != entry.link:
                    return _broken(sealed, unsealed, head, entry.seq, "the entry is not what was sealed")
                if expect is not None and expect.seq == last.seq and expect.link != last.link:
                    return _broken(sealed, unsealed, head, entry.seq, "the chain is not the one that was noted")
                sealed += 1
        if head is not None and head.seq > sealed:
            return _broken(sealed, unsealed, head, sealed + 1, "the entry is missing")
        if expect is not None and expect.seq > sealed:
            return _broken(sealed, unsealed, head, sealed + 1, "the chain is shorter than the one that was noted")
        return Verdict(sealed=sealed, unsealed=unsealed, head=head)


def _broken(sealed: int, unsealed: int, head: Link | None, at: int, why: str) -> Verdict:
    return Verdict(sealed=sealed, unsealed=unsealed, head=head, broken_at=at, why=why)
