"""Keeping webhooks and their secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ibex.domain.events.destinations import DestinationRules
from ibex.domain.events.model import (
    MAX_SECRETS,
    MAX_WEBHOOKS,
    DisabledBecause,
    NewSecret,
    Replay,
    Webhook,
    WebhookStatus,
)
from ibex.domain.events.webhooks import (
    AddWebhook,
    AddWebhookSecret,
    ArchiveWebhook,
    ChangeWebhook,
    ExpireWebhookSecret,
    ReplayEvents,
    WebhookChange,
    WebhookRequest,
)
from ibex.domain.identity.model import Role
from ibex.domain.shared.errors import (
    InvalidTransition,
    InvalidValue,
    LimitExceeded,
    NotFound,
    PermissionRefused,
    PreconditionFailed,
)
from ibex.domain.shared.ids import SecretId, WebhookId
from tests.fakes.books import Books
from tests.fakes.journal import FakeJournal
from tests.fakes.people import STORE_ID, make_actor
from tests.fakes.replies import reply
from tests.fakes.system import NOON, FakeClock, FakeIds
from tests.fakes.webhooks import FakeKeys, FakeWebhooks

URL = "https://hooks.shop.com/in?token=hush"


class Desk:
    """The use cases on fakes."""

    def __init__(self) -> None:
        self.actor = make_actor()
        self.books, self.clock, self.ids, self.keys = Books(), FakeClock(), FakeIds(), FakeKeys()
        self.journal, self.webhooks, rules = FakeJournal(self.books), FakeWebhooks(self.books), DestinationRules()
        parts = (self.journal, self.clock, self.ids)
        self.add = AddWebhook(self.webhooks, self.keys, *parts, rules)
        self.change = ChangeWebhook(self.webhooks, *parts, rules)
        self.archive = ArchiveWebhook(self.webhooks, *parts)
        self.add_secret = AddWebhookSecret(self.webhooks, self.keys, *parts)
        self.expire = ExpireWebhookSecret(self.webhooks, self.journal, self.clock)
        self.replay = ReplayEvents(self.webhooks, *parts)

    async def make(self, **fields: Any) -> Webhook:
        """A webhook."""
        await self.add(self.actor, WebhookRequest(**({"url": URL} | fields)), reply())
        return list(self.books.of(Webhook).values())[-1]

    def now(self, webhook: Webhook) -> Webhook:
        """As it is now."""
        return self.books.of(Webhook)[STORE_ID, webhook.id]

    async def alter(self, webhook: Webhook, *, version: int | None = None, **fields: Any) -> Webhook:
        """Changes it."""
        await self.change(self.actor, webhook.id, WebhookChange(**fields), reply(), expected_version=version)
        return self.now(webhook)

    def secret_ids(self) -> list[SecretId]:
        """Of all that were made."""
        return [secret.id for secret in self.books.of(NewSecret).values()]


@pytest.fixture
def desk() -> Desk:
    """A fresh one."""
    return Desk()


async def test_a_new_webhook_has_a_secret_that_is_told_once(desk: Desk) -> None:
    made = await desk.add(desk.actor, WebhookRequest(url=URL, event_types=("invoice.*",)), reply(key="a"))
    assert made.key is not None
    again = await desk.add(desk.actor, WebhookRequest(url=URL, event_types=("invoice.*",)), reply(key="a"))
    assert again.posted.replayed
    assert again.key is None
    [webhook] = desk.books.of(Webhook).values()
    assert webhook.status is WebhookStatus.ENABLED
    assert webhook.created_by == desk.actor.operator_id
    [secret] = desk.books.of(NewSecret).values()
    assert secret.key == made.key


async def test_neither_audit_nor_events_tell_the_key_and_events_not_the_url(desk: Desk) -> None:
    webhook = await desk.make()
    await desk.alter(webhook, description="x")
    await desk.add_secret(desk.actor, webhook.id, reply())
    told = repr(desk.books.audit) + repr(desk.books.events)
    for secret in desk.books.of(NewSecret).values():
        assert secret.key.reveal() not in told
        assert secret.key.value.hex() not in told
    assert "hush" not in repr(desk.books.events)
    assert [entry.action for entry in desk.books.audit] == ["webhook.added", "webhook.changed", "webhook.secret_added"]


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "https://10.0.0.1/"},
        {"url": "http://hooks.shop.com/"},
        {"event_types": ()},
        {"event_types": ("invoice.issued", "invoice.issued")},
        {"event_types": ("*",)},
        {"event_types": ("Invoice.Issued",)},
        {"event_types": ("a.b.c",)},
        {"event_types": tuple(f"a.{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(101))},
        {"description": "bell\a"},
    ],
)
async def test_what_cannot_be_a_webhook(desk: Desk, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        await desk.make(**fields)
    webhook = await desk.make()
    with pytest.raises(InvalidValue):
        await desk.alter(webhook, **fields)


async def test_only_so_many(desk: Desk) -> None:
    hooks = [await desk.make() for _ in range(MAX_WEBHOOKS)]
    with pytest.raises(LimitExceeded):
        await desk.make()
    await desk.archive(desk.actor, hooks[0].id, reply())
    await desk.make()


async def test_disable_and_enable(desk: Desk) -> None:
    webhook = await desk.make()
    off = await desk.alter(webhook, enabled=False)
    assert (off.status, off.disabled_because) == (WebhookStatus.DISABLED, DisabledBecause.OPERATOR)
    assert (await desk.alter(webhook, enabled=False, description="x")).disabled_because is DisabledBecause.OPERATOR
    on = await desk.alter(webhook, enabled=True)
    assert (on.status, on.disabled_because) == (WebhookStatus.ENABLED, None)
    assert on.version == 4


async def test_a_version_that_is_gone_is_refused(desk: Desk) -> None:
    webhook = await desk.make()
    await desk.alter(webhook, version=1, description="first")
    with pytest.raises(PreconditionFailed):
        await desk.alter(webhook, version=1, description="second")


async def test_an_archived_webhook_is_at_its_end(desk: Desk) -> None:
    webhook = await desk.make()
    await desk.archive(desk.actor, webhook.id, reply())
    await desk.archive(desk.actor, webhook.id, reply())
    assert [entry.action for entry in desk.books.audit].count("webhook.archived") == 1
    with pytest.raises(InvalidTransition):
        await desk.alter(webhook, enabled=True)
    with pytest.raises(InvalidTransition):
        await desk.add_secret(desk.actor, webhook.id, reply())
    with pytest.raises(InvalidTransition):
        await desk.replay(desk.actor, webhook.id, reply(), from_seq=1, to_seq=None)


async def test_rotation(desk: Desk) -> None:
    webhook = await desk.make()
    made = await desk.add_secret(desk.actor, webhook.id, reply())
    assert made.key is not None
    old, new = desk.secret_ids()
    until = NOON + timedelta(days=1)
    await desk.expire(desk.actor, webhook.id, old, reply(), at=until)
    secrets = {secret.id: secret for secret in await desk.webhooks.secrets(STORE_ID, webhook.id)}
    assert secrets[old].expires_at == until
    assert secrets[old].is_live(NOON)
    assert not secrets[old].is_live(until)
    with pytest.raises(InvalidTransition):
        await desk.expire(desk.actor, webhook.id, new, reply(), at=None)
    desk.clock.advance(days=2)
    await desk.expire(desk.actor, webhook.id, old, reply(), at=None)
    assert [entry.action for entry in desk.books.audit].count("webhook.secret_expired") == 1


async def test_the_last_secret_without_an_end_stays_even_when_two_ask_at_once(desk: Desk) -> None:
    webhook = await desk.make()
    first = desk.secret_ids()[0]
    with pytest.raises(InvalidTransition):
        await desk.expire(desk.actor, webhook.id, first, reply(), at=None)
    await desk.add_secret(desk.actor, webhook.id, reply())
    before = desk.now(webhook)
    await desk.expire(desk.actor, webhook.id, first, reply(), at=None)
    # The webhook is written with its secret, so that two who have read the same version meet there.
    assert desk.now(webhook).version == before.version + 1


async def test_secrets_have_limits(desk: Desk) -> None:
    webhook = await desk.make()
    for _ in range(MAX_SECRETS - 1):
        await desk.add_secret(desk.actor, webhook.id, reply())
    with pytest.raises(LimitExceeded):
        await desk.add_secret(desk.actor, webhook.id, reply())
    with pytest.raises(NotFound):
        await desk.expire(desk.actor, webhook.id, SecretId(UUID(int=1)), reply(), at=None)
    with pytest.raises(InvalidValue):
        await desk.expire(desk.actor, webhook.id, desk.secret_ids()[0], reply(), at=NOON - timedelta(seconds=1))


async def test_enabling_needs_a_secret(desk: Desk) -> None:
    webhook = await desk.make()
    await desk.alter(webhook, enabled=False)
    desk.books.things.pop(NewSecret)
    with pytest.raises(InvalidTransition):
        await desk.alter(webhook, enabled=True)


async def test_replays(desk: Desk) -> None:
    webhook = await desk.make()
    await desk.replay(desk.actor, webhook.id, reply(), from_seq=3, to_seq=7)
    [asked] = desk.books.of(Replay).values()
    assert (asked.from_seq, asked.to_seq, asked.webhook_id) == (3, 7, webhook.id)
    for first, last in ((0, None), (5, 4)):
        with pytest.raises(InvalidValue):
            await desk.replay(desk.actor, webhook.id, reply(), from_seq=first, to_seq=last)
    with pytest.raises(NotFound):
        await desk.replay(desk.actor, webhook.id, reply(), from_seq=3, to_seq=3, must_be_logged=True)
    desk.webhooks.logged = {3}
    await desk.replay(desk.actor, webhook.id, reply(), from_seq=3, to_seq=3, must_be_logged=True)
    await desk.alter(webhook, enabled=False)
    with pytest.raises(InvalidTransition):
        await desk.replay(desk.actor, webhook.id, reply(), from_seq=3, to_seq=7)


async def test_only_owners_keep_webhooks_and_nobody_anothers(desk: Desk) -> None:
    webhook = await desk.make()
    for role in (Role.MANAGER, Role.CASHIER, Role.AUDITOR):
        desk.actor = make_actor(role)
        with pytest.raises(PermissionRefused):
            await desk.make()
        with pytest.raises(PermissionRefused):
            await desk.alter(webhook, enabled=False)
        with pytest.raises(PermissionRefused):
            await desk.add_secret(desk.actor, webhook.id, reply())
    desk.actor = make_actor(id=UUID(int=99))
    for attempt in (
        desk.alter(webhook, enabled=False),
        desk.archive(desk.actor, webhook.id, reply()),
        desk.add_secret(desk.actor, webhook.id, reply()),
        desk.replay(desk.actor, WebhookId(webhook.id), reply(), from_seq=1, to_seq=None),
    ):
        with pytest.raises(NotFound):
            await attempt
