"""Keeping a store's people and their tokens, and the store's own settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time
from decimal import Decimal

from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, ApiToken, Operator, Permission, Role, Store
from ibex.domain.identity.opening import Secret, SecretSource, make_token
from ibex.domain.identity.ports import PeopleRepository
from ibex.domain.shared.change import UNSET, Unset, given, must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidTransition, InvalidValue, NotFound
from ibex.domain.shared.ids import IdSource, OperatorId, TokenId
from ibex.domain.shared.journal import Added, AuditEntry, Changed, Changes, Event, Journal, Posted, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequest:
    """A new operator."""

    name: str
    role: Role
    id: OperatorId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorChange:
    """What to change of an operator; UNSET leaves a field as it is."""

    name: str | Unset = UNSET
    role: Role | Unset = UNSET
    active: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChange:
    """What to change of the store; its currency never changes."""

    name: str | Unset = UNSET
    time_zone: str | Unset = UNSET
    day_starts_at: time | Unset = UNSET
    prices_include_tax: bool | Unset = UNSET
    cash_rounding: Decimal | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A new token; without scopes it may do what the operator's role may."""

    label: str
    scopes: frozenset[Permission] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedToken:
    """The answer, and the secret to show in it: once, and only to the one who asked for it first."""

    posted: Posted
    secret: Secret | None


class AddOperator:
    """Adds an operator."""

    def __init__(self, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, request: OperatorRequest, reply: Reply) -> Posted:
        """Adds the operator. Raises InvalidValue, AlreadyExists."""
        actor.require(Permission.PEOPLE_WRITE)
        now = self._clock.now()
        operator = Operator(
            id=request.id or OperatorId(self._ids.new()),
            store_id=actor.store_id,
            name=request.name,
            role=request.role,
            created_at=now,
            updated_at=now,
        )
        changes = changes_of(actor, now)
        changes.add(Added(thing=operator))
        tell_operator(changes, self._ids, "operator.added", operator)
        return await self._journal.post(changes, reply, operator)


class ChangeOperator:
    """Changes an operator's name or role, or lets one go. Effective within 10 seconds."""

    def __init__(self, people: PeopleRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._people = people
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        operator_id: OperatorId,
        change: OperatorChange,
        reply: Reply,
        *,
        expected_version: int | None,
    ) -> Posted:
        """Writes the change. Raises NotFound, PreconditionFailed, LastOwner, ConcurrentChange."""
        actor.require(Permission.PEOPLE_WRITE)
        before = await read_operator(self._people, actor, operator_id)
        must_have_version("operator", before.version, expected_version)
        now = self._clock.now()
        after = replace(before, **given(change))
        changes = changes_of(actor, now)
        changes.add(Changed(thing=after))
        written = replace(after, version=before.version + 1, updated_at=now)
        tell_operator(changes, self._ids, "operator.changed", written, before=before)
        return await self._journal.post(changes, reply, written)


class IssueOperatorToken:
    """Gives an operator a token."""

    def __init__(
        self, people: PeopleRepository, secrets: SecretSource, journal: Journal, clock: Clock, ids: IdSource
    ) -> None:
        self._people = people
        self._secrets = secrets
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, operator_id: OperatorId, request: TokenRequest, reply: Reply) -> PostedToken:
        """Issues the token. Raises NotFound, InvalidValue."""
        actor.require(Permission.PEOPLE_WRITE)
        operator = await read_operator(self._people, actor, operator_id)
        now = self._clock.now()
        must_be_ahead(request.expires_at, now)
        token, secret = make_token(
            self._secrets,
            self._ids,
            operator,
            label=request.label,
            at=now,
            scopes=request.scopes,
            expires_at=request.expires_at,
        )
        changes = changes_of(actor, now)
        changes.add(Added(thing=token))
        tell_token(changes, self._ids, "token.issued", token)
        posted = await self._journal.post(changes, reply, token)
        return PostedToken(posted=posted, secret=None if posted.replayed else secret)


class RotateToken:
    """Puts a new token in an old one's place: the old one ends now, or lives on for a while beside it."""

    def __init__(
        self, people: PeopleRepository, secrets: SecretSource, journal: Journal, clock: Clock, ids: IdSource
    ) -> None:
        self._people = people
        self._secrets = secrets
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self, actor: Actor, token_id: TokenId, reply: Reply, *, old_expires_at: datetime | None
    ) -> PostedToken:
        """Issues the successor. Raises NotFound, InvalidTransition (a revoked token), InvalidValue."""
        actor.require(Permission.PEOPLE_WRITE)
        old = await read_token(self._people, actor, token_id)
        now = self._clock.now()
        must_be_ahead(old_expires_at, now)
        if old.revoked_at is not None:
            raise InvalidTransition("A revoked token has no successor; issue a new one.")
        operator = await read_operator(self._people, actor, old.operator_id)
        token, secret = make_token(
            self._secrets,
            self._ids,
            operator,
            label=old.label,
            at=now,
            scopes=old.scopes,
            expires_at=old.expires_at if old.expires_at is not None and old.expires_at > now else None,
        )
        ended = replace(old, revoked_at=now) if old_expires_at is None else replace(old, expires_at=old_expires_at)
        changes = changes_of(actor, now)
        changes.add(Added(thing=token), Changed(thing=ended))
        tell_token(changes, self._ids, "token.rotated", token, replaced=old.id)
        posted = await self._journal.post(changes, reply, token)
        return PostedToken(posted=posted, secret=None if posted.replayed else secret)


class RevokeToken:
    """Ends a token. Refused everywhere within 10 seconds."""

    def __init__(self, people: PeopleRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._people = people
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, token_id: TokenId, reply: Reply) -> Posted:
        """Revokes the token; revoking it again changes nothing. Raises NotFound."""
        actor.require(Permission.PEOPLE_WRITE)
        token = await read_token(self._people, actor, token_id)
        now = self._clock.now()
        changes = changes_of(actor, now)
        after = token if token.revoked_at is not None else replace(token, revoked_at=now)
        if after is not token:
            changes.add(Changed(thing=after))
            tell_token(changes, self._ids, "token.revoked", after)
        return await self._journal.post(changes, reply, after)


class ChangeStore:
    """Changes the store's settings, for documents from now on. Effective within 10 seconds."""

    def __init__(self, people: PeopleRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._people = people
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self, actor: Actor, change: StoreChange, reply: Reply, *, expected_version: int | None
    ) -> Posted:
        """Writes the change. Raises PreconditionFailed, InvalidValue, ConcurrentChange."""
        actor.require(Permission.STORE_WRITE)
        before = await self._people.store(actor.store_id)
        if before is None:
            raise NotFound("There is no such store.", field="store")
        must_have_version("store", before.version, expected_version)
        after = replace(before, **given(change))
        changes = changes_of(actor, self._clock.now())
        changes.add(
            Changed(thing=after),
            AuditEntry(
                action="store.changed",
                entity="store",
                entity_id=str(after.id),
                before=facts_of_store(before),
                after=facts_of_store(after),
            ),
            Event(id=self._ids.new(), type="store.changed", data=facts_of_store(after)),
        )
        return await self._journal.post(changes, reply, replace(after, version=before.version + 1))


async def read_operator(people: PeopleRepository, actor: Actor, operator_id: OperatorId) -> Operator:
    """The operator, or NotFound: the same for one that is another store's."""
    operator = await people.operator(actor.store_id, operator_id)
    if operator is None:
        raise NotFound("There is no such operator in this store.", field="operator_id")
    return operator


async def read_token(people: PeopleRepository, actor: Actor, token_id: TokenId) -> ApiToken:
    """The token, or NotFound: the same for one that is another store's."""
    token = await people.token(actor.store_id, token_id)
    if token is None:
        raise NotFound("There is no such token in this store.", field="token_id")
    return token


def must_be_ahead(moment: datetime | None, now: datetime) -> None:
    """Raises InvalidValue for an expiry in the past."""
    if moment is not None and moment <= now:
        raise InvalidValue("The expiry lies in the past.", field="expires_at")


def tell_operator(
    changes: Changes, ids: IdSource, action: str, operator: Operator, *, before: Operator | None = None
) -> None:
    """The audit entry and the event of something that happened to an operator."""
    changes.add(
        AuditEntry(
            action=action,
            entity="operator",
            entity_id=str(operator.id),
            before=None if before is None else facts_of_operator(before),
            after=facts_of_operator(operator),
        ),
        Event(id=ids.new(), type=action, data={"operator_id": str(operator.id), **facts_of_operator(operator)}),
    )


def tell_token(
    changes: Changes, ids: IdSource, action: str, token: ApiToken, *, replaced: TokenId | None = None
) -> None:
    """The audit entry and the event of something that happened to a token: by its id and prefix, never its secret."""
    facts: dict[str, object] = {
        "operator_id": str(token.operator_id),
        "label": token.label,
        "prefix": token.prefix,
        "scopes": None if token.scopes is None else sorted(scope.value for scope in token.scopes),
    }
    if replaced is not None:
        facts["replaced"] = str(replaced)
    changes.add(
        AuditEntry(action=action, entity="token", entity_id=str(token.id), after=facts),
        Event(id=ids.new(), type=action, data={"token_id": str(token.id), "operator_id": str(token.operator_id)}),
    )


def facts_of_operator(operator: Operator) -> dict[str, object]:
    """What audit and events tell of an operator."""
    return {"name": operator.name, "role": operator.role.value, "active": operator.active}


def facts_of_store(store: Store) -> dict[str, object]:
    """What audit and events tell of the store's settings."""
    return {
        "name": store.name,
        "time_zone": store.time_zone,
        "day_starts_at": store.day_starts_at.isoformat(),
        "prices_include_tax": store.prices_include_tax,
        "cash_rounding": f"{store.cash_rounding:f}",
    }
