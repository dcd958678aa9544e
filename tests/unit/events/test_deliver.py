"""What follows from how an attempt went."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from standardwebhooks import Webhook as Reference

from ibex.adapters.webhook_body import event_body
from ibex.domain.events.deliver import DISABLED_AFTER, PAUSES, DeliverEvent, pause_after
from ibex.domain.events.model import DisabledBecause, Webhook, WebhookStatus
from ibex.domain.events.ports import Answered, DueDelivery, NotSent
from ibex.domain.events.signing import SigningKey
from ibex.domain.shared.errors import ConcurrentChange
from ibex.domain.shared.ids import OperatorId, WebhookId
from tests.fakes.books import Books
from tests.fakes.journal import FakeJournal
from tests.fakes.people import STORE_ID
from tests.fakes.system import NOON, FakeClock, FakeIds
from tests.fakes.webhooks import FakeKeys, FakeQueue, FakeSender, FakeWebhooks

HOOK = WebhookId(UUID(int=77))
WEBHOOK = Webhook(
    id=HOOK,
    store_id=STORE_ID,
    url="https://hooks.shop.com/",
    description="",
    event_types=None,
    status=WebhookStatus.ENABLED,
    created_by=OperatorId(UUID(int=2)),
)
DUE = DueDelivery(
    store_id=STORE_ID,
    webhook_id=HOOK,
    event_seq=9,
    lease=UUID(int=5),
    tries=1,
    url=WEBHOOK.url,
    event_id=UUID(int=6),
    event_type="invoice.issued",
    recorded_at=NOON,
    data='{"total": "12.50"}',
    keys=(SigningKey(b"k" * 32), SigningKey(b"o" * 32)),
)


class Post:
    """The use case on fakes."""

    def __init__(self, *answers: Answered | NotSent) -> None:
        self.books, self.queue, self.sender, self.clock = Books(), FakeQueue(), FakeSender(*answers), FakeClock()
        self.books.put(WEBHOOK)
        self.journal = FakeJournal(self.books)
        self.deliver = DeliverEvent(
            self.queue,
            self.sender,
            FakeWebhooks(self.books),
            self.journal,
            self.clock,
            FakeIds(),
            FakeKeys(),
            event_body,
        )

    @property
    def webhook(self) -> Webhook:
        """As it is now."""
        return self.books.of(Webhook)[STORE_ID, HOOK]


async def test_a_delivery_is_signed_and_ends() -> None:
    post = Post(Answered(status=204))
    outcome = await post.deliver(DUE)
    assert outcome.delivered
    [(url, headers, body)] = post.sender.sent
    assert url == WEBHOOK.url
    assert headers["webhook-id"] == str(DUE.event_id)
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert len(headers["webhook-signature"].split()) == 2
    assert (
        Reference(DUE.keys[0].reveal()).sign(headers["webhook-id"], NOON, body.decode()) in headers["webhook-signature"]
    )
    assert body == (
        b'{"id":"00000000-0000-0000-0000-000000000006","seq":9,"type":"invoice.issued",'
        b'"timestamp":"2026-03-02T12:00:00Z","store_id":"00000000-0000-0000-0000-000000000001",'
        b'"data":{"total": "12.50"}}'
    )
    [(_, attempt, delivered, again_in)] = post.queue.finished
    assert (attempt.status, attempt.error, delivered, again_in) == (204, None, True, None)


@pytest.mark.parametrize("code", [301, 307, 400, 401, 404, 429, 500, 503])
async def test_every_other_answer_is_tried_again(code: int) -> None:
    post = Post(Answered(status=code))
    outcome = await post.deliver(DUE)
    assert not outcome.delivered
    assert outcome.again_in == PAUSES[0]
    assert post.webhook.status is WebhookStatus.ENABLED
    if code < 400:
        assert outcome.error == "redirects are not followed"


async def test_no_answer_is_tried_again_and_told() -> None:
    post = Post(NotSent("the connection was refused"))
    outcome = await post.deliver(replace(DUE, tries=3))
    assert (outcome.status, outcome.error, outcome.again_in) == (None, "the connection was refused", PAUSES[2])


async def test_nothing_is_sent_without_a_secret() -> None:
    post = Post()
    outcome = await post.deliver(replace(DUE, keys=()))
    assert post.sender.sent == []
    assert outcome.error == "the webhook has no secret to sign with"
    assert outcome.again_in == PAUSES[0]


async def test_the_last_attempt_is_the_last() -> None:
    post = Post(Answered(status=500))
    assert (await post.deliver(replace(DUE, tries=len(PAUSES)))).again_in == PAUSES[-1]
    assert (await post.deliver(replace(DUE, tries=len(PAUSES) + 1))).again_in is None


async def test_a_receiver_that_is_gone_disables_the_webhook() -> None:
    post = Post(Answered(status=410))
    outcome = await post.deliver(DUE)
    assert outcome.again_in is None
    assert post.webhook.status is WebhookStatus.DISABLED
    assert post.webhook.disabled_because is DisabledBecause.GONE
    [entry] = post.books.audit
    assert (entry.action, entry.reason) == ("webhook.disabled", "The receiver answered 410 Gone.")
    [event] = post.books.events
    assert event.type == "webhook.disabled"
    assert "url" not in event.data
    assert post.journal.posted[0].operator_id == WEBHOOK.created_by
    assert post.journal.posted[0].token_id is None


async def test_days_of_failure_disable_it_and_less_does_not() -> None:
    post = Post(Answered(status=500))
    post.queue.failing_for = DISABLED_AFTER - timedelta(seconds=1)
    await post.deliver(DUE)
    assert post.webhook.status is WebhookStatus.ENABLED
    post.queue.failing_for = DISABLED_AFTER
    await post.deliver(DUE)
    assert post.webhook.disabled_because is DisabledBecause.FAILING
    await post.deliver(DUE)
    assert len(post.books.audit) == 1


async def test_a_change_in_the_same_moment_leaves_it_for_the_next_time() -> None:
    post = Post(Answered(status=410))
    post.journal.fail_with = [ConcurrentChange("Somebody else changed it.")]
    assert (await post.deliver(DUE)).disabled is DisabledBecause.GONE
    assert post.webhook.status is WebhookStatus.ENABLED


def test_pauses_grow_vary_by_a_fifth_and_heed_the_receiver() -> None:
    low, high = FakeKeys(share=0), FakeKeys(share=100)
    for tries, pause in enumerate(PAUSES, 1):
        assert pause_after(tries, low) == pause * 80 // 100
        assert pause_after(tries, high) == pause * 120 // 100
    assert pause_after(len(PAUSES) + 1, low, timedelta(hours=1)) is None
    assert pause_after(1, low, timedelta(minutes=10)) == timedelta(minutes=10)
    assert pause_after(2, low, timedelta(seconds=1)) == PAUSES[1] * 80 // 100
    assert pause_after(1, low, timedelta(days=400)) == timedelta(hours=24)
    assert list(PAUSES) == sorted(PAUSES)
    assert timedelta(days=3) < sum(PAUSES, timedelta(0)) < timedelta(days=4)
