"""Keeping the categories."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ibex.domain.catalog.model import Category
from ibex.domain.catalog.ports import CatalogueRepository
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.change import UNSET, Unset, given, must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import NotFound
from ibex.domain.shared.ids import CategoryId, IdSource
from ibex.domain.shared.journal import Added, AuditEntry, Changed, Changes, Event, Journal, Posted, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRequest:
    """A new category."""

    name: str
    id: CategoryId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryChange:
    """What to change of a category; UNSET leaves a field as it is. ``active=False`` archives it."""

    name: str | Unset = UNSET
    active: bool | Unset = UNSET


class CreateCategory:
    """Adds a category."""

    def __init__(self, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: CategoryRequest, reply: Reply) -> Posted:
        """Adds it. Raises InvalidValue, AlreadyExists."""
        actor.require(Permission.CATALOG_WRITE)
        now = self._clock.now()
        category = Category(
            id=request.id or CategoryId(self._ids.new()),
            store_id=actor.store_id,
            name=request.name,
            created_at=now,
            updated_at=now,
        )
        changes = changes_of(actor, now)
        changes.add(Added(thing=category))
        _tell(changes, self._ids, "category.created", category)
        return await self._journal.post(changes, reply, category)


class ChangeCategory:
    """Renames a category, archives it, or takes it back."""

    def __init__(self, catalogue: CatalogueRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._catalogue = catalogue
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        category_id: CategoryId,
        change: CategoryChange,
        reply: Reply,
        *,
        expected_version: int | None,
    ) -> Posted:
        """Writes the change. Raises NotFound, PreconditionFailed, InvalidValue, AlreadyExists, ConcurrentChange."""
        actor.require(Permission.CATALOG_WRITE)
        before = await self._catalogue.category(actor.store_id, category_id)
        if before is None:
            raise NotFound("There is no such category in this store.", field="category_id")
        must_have_version("category", before.version, expected_version)
        after = replace(before, **given(change))
        now = self._clock.now()
        changes = changes_of(actor, now)
        changes.add(Changed(thing=after))
        _tell(changes, self._ids, "category.changed", after, before=before)
        written = replace(after, version=before.version + 1, updated_at=now)
        return await self._journal.post(changes, reply, written)


def _tell(changes: Changes, ids: IdSource, action: str, category: Category, *, before: Category | None = None) -> None:
    after = _facts(category)
    changes.add(
        AuditEntry(
            action=action,
            entity="category",
            entity_id=str(category.id),
            before=None if before is None else _facts(before),
            after=after,
        ),
        Event(id=ids.new(), type=action, data={"category_id": str(category.id), **after}),
    )


def _facts(category: Category) -> dict[str, object]:
    return {"name": category.name, "active": category.active}
