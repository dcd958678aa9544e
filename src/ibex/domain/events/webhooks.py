"""Keeping a store's webhooks and their secrets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ibex.domain.events.destinations import DestinationRules, parse_destination
from ibex.domain.events.model import (
    MAX_SECRETS,
    MAX_WEBHOOKS,
    DisabledBecause,
    NewSecret,
    Replay,
    Webhook,
    WebhookSecret,
    WebhookStatus,
)
from ibex.domain.events.ports import KeySource, WebhookRepository
from ibex.domain.events.signing import SigningKey
from ibex.domain.identity.acting import changes_of
from ibex.domain.identity.model import Actor, Permission
from ibex.domain.shared.change import UNSET, Unset, given, must_have_version
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import InvalidTransition, InvalidValue, LimitExceeded, NotFound
from ibex.domain.shared.ids import IdSource, ReplayId, SecretId, WebhookId
from ibex.domain.shared.journal import Added, AuditEntry, Changed, Changes, Event, Journal, Posted, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A new webhook. Without ``event_types`` it hears of everything."""

    url: str
    description: str = ""
    event_types: tuple[str, ...] | None = None
    id: WebhookId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChange:
    """What to change of a webhook; UNSET leaves a field as it is."""

    url: str | Unset = UNSET
    description: str | Unset = UNSET
    event_types: tuple[str, ...] | Unset | None = UNSET
    enabled: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedKey:
    """The answer, and the key to show in it: once, and only to the one who asked for it first."""

    posted: Posted
    key: SigningKey | None


class AddWebhook:
    """Adds a webhook with its first secret. It hears of what happens from now on."""

    def __init__(
        self,
        webhooks: WebhookRepository,
        keys: KeySource,
        journal: Journal,
        clock: Clock,
        ids: IdSource,
        rules: DestinationRules,
    ) -> None:
        self._webhooks = webhooks
        self._keys = keys
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._rules = rules

    async def __call__(self, actor: Actor, request: WebhookRequest, reply: Reply) -> PostedKey:
        """Adds the webhook. Raises InvalidValue, LimitExceeded, AlreadyExists."""
        actor.require(Permission.WEBHOOKS_WRITE)
        parse_destination(request.url, self._rules)
        now = self._clock.now()
        webhook = Webhook(
            id=request.id or WebhookId(self._ids.new()),
            store_id=actor.store_id,
            url=request.url,
            description=request.description,
            event_types=request.event_types,
            status=WebhookStatus.ENABLED,
            created_by=actor.operator_id,
            created_at=now,
            updated_at=now,
        )
        if await self._webhooks.count(actor.store_id) >= MAX_WEBHOOKS:
            raise LimitExceeded(f"A store has at most {MAX_WEBHOOKS} webhooks; archive one first.", field="webhooks")
        secret = new_secret(webhook, self._keys, self._ids, now)
        changes = changes_of(actor, now)
        changes.add(Added(thing=webhook), Added(thing=secret))
        tell_webhook(changes, self._ids, "webhook.added", webhook)
        posted = await self._journal.post(changes, reply, webhook)
        return PostedKey(posted=posted, key=None if posted.replayed else secret.key)


class ChangeWebhook:
    """Changes a webhook, disables it, or enables it again: then it goes on where it stopped."""

    def __init__(
        self, webhooks: WebhookRepository, journal: Journal, clock: Clock, ids: IdSource, rules: DestinationRules
    ) -> None:
        self._webhooks = webhooks
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._rules = rules

    async def __call__(
        self,
        actor: Actor,
        webhook_id: WebhookId,
        change: WebhookChange,
        reply: Reply,
        *,
        expected_version: int | None,
    ) -> Posted:
        """Writes the change. Raises NotFound, InvalidValue, InvalidTransition, PreconditionFailed, ConcurrentChange."""
        actor.require(Permission.WEBHOOKS_WRITE)
        before = await read_webhook(self._webhooks, actor, webhook_id)
        must_have_version("webhook", before.version, expected_version)
        must_not_be_archived(before)
        if isinstance(change.url, str):
            parse_destination(change.url, self._rules)
        now = self._clock.now()
        fields: dict[str, Any] = given(change)
        enabled = fields.pop("enabled", before.status is WebhookStatus.ENABLED)
        if enabled and before.status is WebhookStatus.DISABLED:
            await self._must_have_a_secret(before, now)
            fields |= {"status": WebhookStatus.ENABLED, "disabled_because": None, "failing_since": None}
        elif not enabled and before.status is WebhookStatus.ENABLED:
            fields |= {"status": WebhookStatus.DISABLED, "disabled_because": DisabledBecause.OPERATOR}
        after = replace(before, **fields)
        changes = changes_of(actor, now)
        changes.add(Changed(thing=after))
        tell_webhook(changes, self._ids, "webhook.changed", after, before=before)
        return await self._journal.post(changes, reply, replace(after, version=before.version + 1, updated_at=now))

    async def _must_have_a_secret(self, webhook: Webhook, now: datetime) -> None:
        secrets = await self._webhooks.secrets(webhook.store_id, webhook.id)
        if not any(secret.is_live(now) for secret in secrets):
            raise InvalidTransition("Add a secret first: nothing is sent unsigned.")


class ArchiveWebhook:
    """Ends a webhook. Its log stays for a while; it cannot be enabled again."""

    def __init__(self, webhooks: WebhookRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._webhooks = webhooks
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, webhook_id: WebhookId, reply: Reply) -> Posted:
        """Archives it; doing so again changes nothing. Raises NotFound, ConcurrentChange."""
        actor.require(Permission.WEBHOOKS_WRITE)
        before = await read_webhook(self._webhooks, actor, webhook_id)
        now = self._clock.now()
        changes = changes_of(actor, now)
        if before.status is WebhookStatus.ARCHIVED:
            return await self._journal.post(changes, reply, before)
        after = replace(before, status=WebhookStatus.ARCHIVED, disabled_because=None)
        changes.add(Changed(thing=after))
        tell_webhook(changes, self._ids, "webhook.archived", after, before=before)
        return await self._journal.post(changes, reply, replace(after, version=before.version + 1, updated_at=now))


class AddWebhookSecret:
    """Adds a secret beside the others, so that a receiver can change over without missing anything."""

    def __init__(
        self, webhooks: WebhookRepository, keys: KeySource, journal: Journal, clock: Clock, ids: IdSource
    ) -> None:
        self._webhooks = webhooks
        self._keys = keys
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(self, actor: Actor, webhook_id: WebhookId, reply: Reply) -> PostedKey:
        """Adds a secret. Raises NotFound, InvalidTransition, LimitExceeded."""
        actor.require(Permission.WEBHOOKS_WRITE)
        webhook = await read_webhook(self._webhooks, actor, webhook_id)
        must_not_be_archived(webhook)
        now = self._clock.now()
        secrets = await self._webhooks.secrets(actor.store_id, webhook_id)
        if sum(secret.is_live(now) for secret in secrets) >= MAX_SECRETS:
            raise LimitExceeded(f"A webhook has at most {MAX_SECRETS} secrets at once; expire one.", field="secrets")
        secret = new_secret(webhook, self._keys, self._ids, now)
        changes = changes_of(actor, now)
        # The webhook is written too, though nothing of it changes: its version is what two such changes meet at.
        changes.add(Added(thing=secret), Changed(thing=webhook))
        tell_secret(changes, "webhook.secret_added", webhook, secret.id)
        posted = await self._journal.post(changes, reply, seen(secret))
        return PostedKey(posted=posted, key=None if posted.replayed else secret.key)


class ExpireWebhookSecret:
    """Ends a secret now or at a given moment; the last one that signs cannot be ended."""

    def __init__(self, webhooks: WebhookRepository, journal: Journal, clock: Clock) -> None:
        self._webhooks = webhooks
        self._journal = journal
        self._clock = clock

    async def __call__(
        self, actor: Actor, webhook_id: WebhookId, secret_id: SecretId, reply: Reply, *, at: datetime | None
    ) -> Posted:
        """Sets the end. Raises NotFound, InvalidValue, InvalidTransition, ConcurrentChange."""
        actor.require(Permission.WEBHOOKS_WRITE)
        webhook = await read_webhook(self._webhooks, actor, webhook_id)
        now = self._clock.now()
        if at is not None and at < now:
            raise InvalidValue("The end lies in the past; leave it out to end the secret now.", field="expires_at")
        secrets = await self._webhooks.secrets(actor.store_id, webhook_id)
        secret = next((each for each in secrets if each.id == secret_id), None)
        if secret is None:
            raise NotFound("The webhook has no such secret.", field="secret_id")
        changes = changes_of(actor, now)
        if not secret.is_live(now):
            return await self._journal.post(changes, reply, secret)
        if not any(each.expires_at is None for each in secrets if each.id != secret_id):
            raise InvalidTransition("Add another secret first: one that signs without an end must be left.")
        after = replace(secret, expires_at=at or now)
        changes.add(Changed(thing=after), Changed(thing=webhook))
        tell_secret(changes, "webhook.secret_expired", webhook, secret_id, expires_at=after.expires_at)
        return await self._journal.post(changes, reply, replace(after, version=secret.version + 1))


class ReplayEvents:
    """Has events delivered again: a stretch of them, or a single one out of the log."""

    def __init__(self, webhooks: WebhookRepository, journal: Journal, clock: Clock, ids: IdSource) -> None:
        self._webhooks = webhooks
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def __call__(
        self,
        actor: Actor,
        webhook_id: WebhookId,
        reply: Reply,
        *,
        from_seq: int,
        to_seq: int | None,
        must_be_logged: bool = False,
    ) -> Posted:
        """Notes it down; a worker does it soon. Raises NotFound, InvalidValue, InvalidTransition."""
        actor.require(Permission.WEBHOOKS_WRITE)
        webhook = await read_webhook(self._webhooks, actor, webhook_id)
        if webhook.status is not WebhookStatus.ENABLED:
            raise InvalidTransition("Enable the webhook first; nothing is sent to one that is disabled or archived.")
        if must_be_logged and not await self._webhooks.has_delivery(actor.store_id, webhook_id, from_seq):
            raise NotFound("The log holds no delivery of that event.", field="event_seq")
        now = self._clock.now()
        asked = Replay(
            id=ReplayId(self._ids.new()),
            store_id=actor.store_id,
            webhook_id=webhook_id,
            from_seq=from_seq,
            to_seq=to_seq,
            created_at=now,
        )
        changes = changes_of(actor, now)
        changes.add(
            Added(thing=asked),
            AuditEntry(
                action="webhook.replayed",
                entity="webhook",
                entity_id=str(webhook_id),
                after={"replay_id": str(asked.id), "from_seq": from_seq, "to_seq": to_seq},
            ),
        )
        return await self._journal.post(changes, reply, asked)


async def read_webhook(webhooks: WebhookRepository, actor: Actor, webhook_id: WebhookId) -> Webhook:
    """The webhook, or NotFound: the same for one that is another store's."""
    webhook = await webhooks.get(actor.store_id, webhook_id)
    if webhook is None:
        raise NotFound("There is no such webhook in this store.", field="webhook_id")
    return webhook


def must_not_be_archived(webhook: Webhook) -> None:
    """Raises InvalidTransition for a webhook at its end."""
    if webhook.status is WebhookStatus.ARCHIVED:
        raise InvalidTransition("The webhook is archived; add a new one.")


def new_secret(webhook: Webhook, keys: KeySource, ids: IdSource, now: datetime) -> NewSecret:
    """A secret of the webhook with a new key."""
    return NewSecret(
        id=SecretId(ids.new()),
        store_id=webhook.store_id,
        webhook_id=webhook.id,
        key=keys.new_signing_key(),
        created_at=now,
    )


def seen(secret: NewSecret) -> WebhookSecret:
    """The secret without its key."""
    return WebhookSecret(
        id=secret.id, store_id=secret.store_id, webhook_id=secret.webhook_id, created_at=secret.created_at
    )


def tell_webhook(
    changes: Changes,
    ids: IdSource,
    action: str,
    webhook: Webhook,
    *,
    before: Webhook | None = None,
    reason: str = "",
) -> None:
    """The audit entry and the event of something that happened to a webhook."""
    changes.add(
        AuditEntry(
            action=action,
            entity="webhook",
            entity_id=str(webhook.id),
            before=None if before is None else facts_of(before),
            after=facts_of(webhook),
            reason=reason,
        ),
        # Without the URL: other receivers hear of this, and a URL may be a secret of its own.
        Event(
            id=ids.new(),
            type=action,
            data={
                "webhook_id": str(webhook.id),
                "status": webhook.status.value,
                "disabled_because": None if webhook.disabled_because is None else webhook.disabled_because.value,
            },
        ),
    )


def tell_secret(
    changes: Changes, action: str, webhook: Webhook, secret_id: SecretId, *, expires_at: datetime | None = None
) -> None:
    """The audit entry of something that happened to a secret: by its id, never its key."""
    facts: dict[str, object] = {"webhook_id": str(webhook.id)}
    if expires_at is not None:
        facts["expires_at"] = expires_at.isoformat()
    changes.add(AuditEntry(action=action, entity="webhook_secret", entity_id=str(secret_id), after=facts))


def facts_of(webhook: Webhook) -> dict[str, object]:
    """What the audit trail tells of a webhook."""
    return {
        "url": webhook.url,
        "description": webhook.description,
        "event_types": None if webhook.event_types is None else list(webhook.event_types),
        "status": webhook.status.value,
        "disabled_because": None if webhook.disabled_because is None else webhook.disabled_because.value,
    }
