"""One attempt to deliver one event, and what follows from how it went.

The promise: at least once, in no particular order, retried with growing pauses for about three days, never to an
address that is not public. A receiver knows a repeat by ``webhook-id``, which is the event's id each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from ibex.domain.events.model import DisabledBecause, Webhook, WebhookStatus
from ibex.domain.events.ports import (
    Answered,
    AttemptRecord,
    DeliveryQueue,
    Dice,
    DueDelivery,
    NotSent,
    Sender,
    WebhookRepository,
)
from ibex.domain.events.signing import signature_headers
from ibex.domain.events.webhooks import tell_webhook
from ibex.domain.shared.clock import Clock
from ibex.domain.shared.errors import ConcurrentChange
from ibex.domain.shared.ids import IdSource
from ibex.domain.shared.journal import Changed, Changes, Journal, Reply

PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After the first failure, the second, and so on; after the last there is no more attempt. The schedule is the example
of Standard Webhooks."""
JITTER_PERCENT: Final = 20
LONGEST_WISH: Final = timedelta(hours=24)
"""A Retry-After of the receiver's lengthens a pause up to this."""
DISABLED_AFTER: Final = timedelta(days=5)
"""So long without a single success, and the webhook is disabled."""

EncodeBody = Callable[[DueDelivery], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an attempt."""

    delivered: bool
    again_in: timedelta | None
    status: int | None
    error: str | None
    disabled: DisabledBecause | None = None


class DeliverEvent:
    """Sends a claimed delivery, writes down how it went, and disables a webhook that is gone or long dead."""

    def __init__(
        self,
        queue: DeliveryQueue,
        sender: Sender,
        webhooks: WebhookRepository,
        journal: Journal,
        clock: Clock,
        ids: IdSource,
        dice: Dice,
        encode: EncodeBody,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._webhooks = webhooks
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._dice = dice
        self._encode = encode

    async def __call__(self, due: DueDelivery) -> Outcome:
        """Raises TemporarilyUnavailable if the database is away: the lease then runs out, and it is done again."""
        started = self._clock.now()
        outcome = await self._attempt(due, started)
        attempt = AttemptRecord(
            started_at=started,
            duration=max(self._clock.now() - started, timedelta(0)),
            status=outcome.status,
            error=outcome.error,
        )
        failing_for = await self._queue.finish(due, attempt, delivered=outcome.delivered, again_in=outcome.again_in)
        if outcome.disabled is None and failing_for is not None and failing_for >= DISABLED_AFTER:
            outcome = replace(outcome, disabled=DisabledBecause.FAILING)
        if outcome.disabled is not None:
            await self._disable(due, outcome.disabled)
        return outcome

    async def _attempt(self, due: DueDelivery, now: datetime) -> Outcome:
        if not due.keys:
            return self._failed(due, None, "the webhook has no secret to sign with", None)
        body = self._encode(due)
        headers = (("content-type", "application/json"), *signature_headers(str(due.event_id), now, body, due.keys))
        try:
            answer = await self._sender.send(due.url, headers, body)
        except NotSent as failure:
            return self._failed(due, None, failure.reason, None)
        return self._judge(due, answer)

    def _judge(self, due: DueDelivery, answer: Answered) -> Outcome:
        if 200 <= answer.status < 300:
            return Outcome(delivered=True, again_in=None, status=answer.status, error=None)
        if answer.status == HTTPStatus.GONE:
            return Outcome(
                delivered=False,
                again_in=None,
                status=answer.status,
                error="the receiver says that it is gone",
                disabled=DisabledBecause.GONE,
            )
        why = "redirects are not followed" if 300 <= answer.status < 400 else "the receiver did not accept it"
        return self._failed(due, answer.status, why, answer.retry_after)

    def _failed(self, due: DueDelivery, status: int | None, why: str, wish: timedelta | None) -> Outcome:
        again_in = pause_after(due.tries, self._dice, wish)
        return Outcome(delivered=False, again_in=again_in, status=status, error=why)

    async def _disable(self, due: DueDelivery, because: DisabledBecause) -> None:
        before = await self._webhooks.get(due.store_id, due.webhook_id)
        if before is None or before.status is not WebhookStatus.ENABLED:
            return
        after = replace(before, status=WebhookStatus.DISABLED, disabled_because=because)
        reason = {
            DisabledBecause.GONE: "The receiver answered 410 Gone.",
            DisabledBecause.FAILING: f"Nothing was accepted for {DISABLED_AFTER.days} days.",
        }[because]
        changes = disabling_changes(after, self._clock.now())
        changes.add(Changed(thing=after))
        tell_webhook(changes, self._ids, "webhook.disabled", after, before=before, reason=reason)
        try:
            await self._journal.post(changes, Reply(present=lambda _: b"", status=200), after)
        except ConcurrentChange:
            # Somebody changed it in this moment; the next failure, or the next 410, looks at it again.
            return


def pause_after(tries: int, dice: Dice, wish: timedelta | None = None) -> timedelta | None:
    """How long to wait after that many failed attempts, give or take a fifth; None when there is no more attempt."""
    if tries > len(PAUSES):
        return None
    percent = 100 - JITTER_PERCENT + dice.below(2 * JITTER_PERCENT + 1)
    pause = PAUSES[max(tries, 1) - 1] * percent // 100
    return pause if wish is None else max(pause, min(wish, LONGEST_WISH))


def disabling_changes(webhook: Webhook, at: datetime) -> Changes:
    """Changes by the service itself: in the name of the webhook's maker, and without a token."""
    return Changes(
        store_id=webhook.store_id,
        operator_id=webhook.created_by,
        token_id=None,
        request_id="",
        address="worker",
        at=at,
    )
