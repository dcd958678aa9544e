"""Webhooks, their queue and their receivers, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ibex.domain.events.model import NewSecret, Webhook, WebhookSecret, WebhookStatus
from ibex.domain.events.ports import Answered, AttemptRecord, DueDelivery, Lag, NotSent
from ibex.domain.events.signing import SigningKey
from ibex.domain.events.webhooks import seen
from ibex.domain.shared.ids import StoreId, WebhookId
from tests.fakes.books import Books


class FakeWebhooks:
    """Implements WebhookRepository on Books."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.logged: set[int] = set()

    async def get(self, store_id: StoreId, webhook_id: WebhookId) -> Webhook | None:
        """See the port."""
        return self._books.of(Webhook).get((store_id, webhook_id))

    async def count(self, store_id: StoreId) -> int:
        """See the port."""
        hooks = [hook for (owner, _), hook in self._books.of(Webhook).items() if owner == store_id]
        return sum(hook.status is not WebhookStatus.ARCHIVED for hook in hooks)

    async def secrets(self, store_id: StoreId, webhook_id: WebhookId) -> Sequence[WebhookSecret]:
        """See the port."""
        for key, made in self._books.of(NewSecret).items():
            # In the database the two are one row.
            self._books.of(WebhookSecret).setdefault(key, seen(made))
        found = self._books.of(WebhookSecret).items()
        return [s for (owner, _), s in found if owner == store_id and s.webhook_id == webhook_id]

    async def has_delivery(self, store_id: StoreId, webhook_id: WebhookId, event_seq: int) -> bool:
        """See the port."""
        del store_id, webhook_id
        return event_seq in self.logged


class FakeKeys:
    """Keys and dice without chance."""

    def __init__(self, share: int = 50) -> None:
        self.share = share
        """In per cent: 0 throws the lowest, 100 the highest."""
        self._made = 0

    def new_signing_key(self) -> SigningKey:
        """The next one."""
        self._made += 1
        return SigningKey(self._made.to_bytes(32, "big"))

    def below(self, bound: int) -> int:
        """As ``share`` says."""
        return (bound - 1) * self.share // 100


class FakeSender:
    """Answers in turn; the last answer stays."""

    def __init__(self, *answers: Answered | NotSent) -> None:
        self.answers = list(answers) or [Answered(status=200)]
        self.sent: list[tuple[str, dict[str, str], bytes]] = []

    async def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answered:
        """See the port."""
        self.sent.append((url, dict(headers), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NotSent):
            raise answer
        return answer


class FakeQueue:
    """Keeps what was finished; ``failing_for`` is what it says of the webhook."""

    def __init__(self) -> None:
        self.finished: list[tuple[DueDelivery, AttemptRecord, bool, timedelta | None]] = []
        self.failing_for: timedelta | None = None

    async def fan_out(self) -> int:
        """Nothing."""
        return 0

    async def replay(self) -> int:
        """Nothing."""
        return 0

    async def claim(self, limit: int, busy: Sequence[WebhookId]) -> Sequence[DueDelivery]:
        """Nothing."""
        del limit, busy
        return []

    async def finish(
        self, due: DueDelivery, attempt: AttemptRecord, *, delivered: bool, again_in: timedelta | None
    ) -> timedelta | None:
        """See the port."""
        self.finished.append((due, attempt, delivered, again_in))
        return None if delivered else self.failing_for

    async def give_back(self, due: Sequence[DueDelivery]) -> None:
        """Nothing."""

    async def seconds_to_next(self) -> int | None:
        """Never."""
        return None

    async def lag(self) -> Lag:
        """None."""
        return Lag(events=0, due=0, waiting=0, overdue=timedelta(0))

    async def prune(self, older_than: timedelta, limit: int) -> int:
        """Nothing."""
        del older_than, limit
        return 0
