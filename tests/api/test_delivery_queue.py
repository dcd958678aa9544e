"""The queue on PostgreSQL: none missed, none doubled, whatever workers do to each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibex.adapters.postgres import deliveries as adapter
from ibex.adapters.postgres.deliveries import EACH, PostgresDeliveryQueue
from ibex.adapters.postgres.housekeeping import PostgresHousekeeping
from ibex.domain.events.ports import AttemptRecord, DueDelivery
from ibex.domain.shared.ids import WebhookId
from ibex_devtools.sandbox import Cluster
from tests.api.client import Json, Service, Shop, problem
from tests.fixtures.hooked import hook_of, hooked_service, shop_with_hook

URL = "https://hooks.shop.com/"
LEASE = timedelta(seconds=60)
REFUSED = AttemptRecord(
    started_at=datetime(2026, 3, 2, tzinfo=UTC), duration=timedelta(milliseconds=12), status=500, error="refused"
)


@pytest.fixture
async def alone(cluster: Cluster, template_database: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose database nobody else uses."""
    async with hooked_service(cluster, template_database, tmp_path) as (service, _):
        yield service


def queue_of(service: Service, lease: timedelta = LEASE) -> PostgresDeliveryQueue:
    return PostgresDeliveryQueue(service.database, lease=lease)


async def fan_out(queue: PostgresDeliveryQueue) -> None:
    while await queue.fan_out() + await queue.replay():
        pass


async def claim_all(queue: PostgresDeliveryQueue) -> list[DueDelivery]:
    found: list[DueDelivery] = []
    while taken := await queue.claim(100, []):
        found += taken
    return found


async def make_events(shop: Shop, count: int) -> None:
    """Customers, each with an event of its own."""
    await asyncio.gather(*(shop.make_customer() for _ in range(count)))


async def deliveries(shop: Shop, hook: Json) -> list[Json]:
    return list(reversed(await shop.api.all(f"/v1/webhooks/{hook['id']}/deliveries")))


async def test_a_webhook_hears_of_what_comes_after_it(alone: Service) -> None:
    shop, first = await shop_with_hook(alone, URL)
    await make_events(shop, 3)
    second = await hook_of(shop, URL, event_types=["customer.*"])
    await make_events(shop, 2)
    await fan_out(queue_of(alone))
    heard = await deliveries(shop, first)
    feed = (await shop.api.get("/v1/events"))["items"]
    # Its own making is the first event of the store, and before it.
    assert [each["event_seq"] for each in heard] == [event["seq"] for event in feed[1:]]
    assert [each["event_id"] for each in heard] == [event["id"] for event in feed[1:]]
    assert [each["event_type"] for each in await deliveries(shop, second)] == ["customer.created"] * 2
    assert {each["status"] for each in heard} == {"PENDING"}


async def test_many_who_fan_out_at_once_neither_miss_nor_double(
    alone: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "PORTION", 7)
    shops = [await shop_with_hook(alone, URL) for _ in range(3)]
    queues = [queue_of(alone) for _ in range(4)]
    done = asyncio.Event()

    async def worker(queue: PostgresDeliveryQueue) -> None:
        while not done.is_set():
            await fan_out(queue)
            await asyncio.sleep(0)

    workers = [asyncio.create_task(worker(queue)) for queue in queues]
    await asyncio.gather(*(make_events(shop, 30) for shop, _ in shops))
    done.set()
    await asyncio.gather(*workers)
    await fan_out(queues[0])
    for shop, hook in shops:
        assert [each["event_seq"] for each in await deliveries(shop, hook)] == list(range(2, 32))


async def test_each_delivery_is_taken_once_and_of_a_webhook_only_a_few(alone: Service) -> None:
    shop, hook = await shop_with_hook(alone, URL)
    other, other_hook = await shop_with_hook(alone, URL)
    await make_events(shop, 3 * EACH)
    await make_events(other, 2)
    await fan_out(queue_of(alone))
    taken = await queue_of(alone).claim(100, [])
    by_hook = [str(due.webhook_id) for due in taken]
    assert by_hook.count(hook["id"]) == EACH
    assert by_hook.count(other_hook["id"]) == 2
    assert await queue_of(alone).claim(100, [WebhookId(taken[0].webhook_id), WebhookId(taken[-1].webhook_id)]) == []
    at_once = await asyncio.gather(*(queue_of(alone).claim(5, []) for _ in range(8)))
    seqs = [due.event_seq for portion in (taken, *at_once) for due in portion if str(due.webhook_id) == hook["id"]]
    assert len(seqs) == len(set(seqs))
    assert sorted(seqs) == list(range(2, 2 + len(seqs)))
    assert taken[0].url == URL
    assert len(taken[0].keys[0].value) == 32


async def test_a_lease_that_ran_out_is_taken_over_and_the_loser_writes_nothing(alone: Service) -> None:
    shop, hook = await shop_with_hook(alone, URL)
    await make_events(shop, 1)
    slow = queue_of(alone, timedelta(milliseconds=200))
    await fan_out(slow)
    [lost] = await claim_all(slow)
    await asyncio.sleep(0.3)
    [taken] = await claim_all(queue_of(alone))
    assert (taken.event_seq, taken.tries) == (lost.event_seq, 2)
    await slow.finish(lost, REFUSED, delivered=False, again_in=None)
    [delivery] = await deliveries(shop, hook)
    assert delivery["status"] == "PENDING"
    await queue_of(alone).finish(taken, REFUSED, delivered=True, again_in=None)
    [delivery] = await deliveries(shop, hook)
    assert (delivery["status"], delivery["next_attempt_at"]) == ("DELIVERED", None)
    details = await shop.api.get(f"/v1/webhooks/{hook['id']}/deliveries/{delivery['event_seq']}")
    assert [(entry["number"], entry["status"], entry["duration_ms"]) for entry in details["log"]] == [(2, 500, 12)]


async def test_what_is_given_back_counts_as_not_tried(alone: Service) -> None:
    shop, _ = await shop_with_hook(alone, URL)
    await make_events(shop, 3)
    queue = queue_of(alone)
    await fan_out(queue)
    taken = await claim_all(queue)
    await queue.give_back(taken)
    again = await claim_all(queue)
    assert {due.event_seq for due in again} == {due.event_seq for due in taken}
    assert {due.tries for due in again} == {1}


async def test_failing_is_counted_from_the_first_failure_to_the_next_success(alone: Service) -> None:
    shop, hook = await shop_with_hook(alone, URL)
    await make_events(shop, 3)
    queue = queue_of(alone)
    await fan_out(queue)
    one, two, three = await claim_all(queue)
    path = f"/v1/webhooks/{hook['id']}"
    assert await queue.finish(one, REFUSED, delivered=False, again_in=timedelta(hours=1)) is None
    since = (await shop.api.get(path))["failing_since"]
    assert since is not None
    failing_for = await queue.finish(two, REFUSED, delivered=False, again_in=timedelta(hours=1))
    assert failing_for is not None
    assert timedelta(0) < failing_for < timedelta(minutes=1)
    assert (await shop.api.get(path))["failing_since"] == since
    assert 50 <= (await queue.seconds_to_next() or 0) <= 60  # the third one's lease
    lag = await queue.lag()
    assert (lag.events, lag.due, lag.waiting) == (0, 0, 3)
    await queue.finish(three, REFUSED, delivered=True, again_in=None)
    assert 3590 <= (await queue.seconds_to_next() or 0) <= 3600
    after = await shop.api.get(path)
    assert (after["failing_since"], after["version"]) == (None, 1)


async def test_a_disabled_webhook_waits_and_goes_on_where_it_stopped(alone: Service) -> None:
    shop, hook = await shop_with_hook(alone, URL)
    path = f"/v1/webhooks/{hook['id']}"
    await make_events(shop, 2)
    queue = queue_of(alone)
    await fan_out(queue)
    await shop.api.patch(path, {"enabled": False})
    await make_events(shop, 2)
    await fan_out(queue)
    assert await claim_all(queue) == []
    assert (await queue.lag()).due == 0
    await shop.api.patch(path, {"enabled": True})
    await fan_out(queue)
    types = [due.event_type for due in sorted(await claim_all(queue), key=lambda due: due.event_seq)]
    assert types == ["customer.created"] * 2 + ["webhook.changed"] + ["customer.created"] * 2 + ["webhook.changed"]


async def test_replays_of_a_stretch_and_of_one(alone: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "PORTION", 2)
    shop, hook = await shop_with_hook(alone, URL, event_types=["customer.*"])
    await make_events(shop, 5)
    await shop.make_product()
    path = f"/v1/webhooks/{hook['id']}"
    queue = queue_of(alone)
    await fan_out(queue)
    for due in await claim_all(queue):
        await queue.finish(due, REFUSED, delivered=due.event_seq != 3, again_in=None)
    assert [each["event_seq"] for each in await shop.api.all(f"{path}/deliveries", status="FAILED")] == [3]
    await shop.api.post(f"{path}/deliveries/3/replay", expect=202)
    await fan_out(queue)
    [again] = await claim_all(queue)
    assert (again.event_seq, again.tries) == (3, 1)
    await queue.finish(again, REFUSED, delivered=True, again_in=None)
    assert (await shop.api.get(f"{path}/deliveries/3"))["attempts"] == 2
    asked = await shop.api.post(f"{path}/replay", {"from_seq": 1}, expect=202)
    await fan_out(queue)
    assert sorted(due.event_seq for due in await claim_all(queue)) == [2, 3, 4, 5, 6]
    done = await shop.api.get(f"{path}/replays/{asked['id']}")
    assert done["finished_at"] is not None
    assert done["done_seq"] == (await shop.api.get("/v1/events"))["next_after"]
    bounded = await shop.api.post(f"{path}/replay", {"from_seq": 4, "to_seq": 5}, expect=202)
    await fan_out(queue)
    assert sorted(due.event_seq for due in await claim_all(queue)) == [4, 5]
    assert (await shop.api.get(f"{path}/replays/{bounded['id']}"))["done_seq"] == 5
    problem(await shop.api.request("POST", f"{path}/deliveries/7/replay"), 404, "not_found")


async def test_an_expired_secret_does_not_sign(alone: Service) -> None:
    shop, hook = await shop_with_hook(alone, URL)
    path = f"/v1/webhooks/{hook['id']}/secrets"
    [first] = (await shop.api.get(path))["items"]
    new = await shop.api.post(path)
    await make_events(shop, 1)
    queue = queue_of(alone)
    await fan_out(queue)
    [due] = await claim_all(queue)
    assert [key.reveal() for key in due.keys] == [hook["secret"], new["secret"]]
    await queue.give_back([due])
    await shop.api.post(f"{path}/{first['id']}/expire", {}, expect=200)
    [due] = await claim_all(queue)
    assert [key.reveal() for key in due.keys] == [new["secret"]]


async def test_the_log_is_pruned_and_what_an_archived_webhook_left_is_cancelled(alone: Service) -> None:
    shop, hook = await shop_with_hook(alone, URL)
    await make_events(shop, 4)
    queue = queue_of(alone)
    await fan_out(queue)
    taken = await claim_all(queue)
    for due in taken[:2]:
        await queue.finish(due, REFUSED, delivered=True, again_in=None)
    assert await queue.prune(timedelta(days=30), 100) == 0
    await shop.api.post(f"/v1/webhooks/{hook['id']}/archive", expect=200)
    assert await queue.prune(timedelta(days=30), 100) == 0
    states = [each["status"] for each in await deliveries(shop, hook)]
    assert (states.count("DELIVERED"), states.count("CANCELLED")) == (2, 2)
    await alone.database.write(
        "UPDATE ibex.webhook_deliveries SET finished_at = now() - interval '31 days' "
        "WHERE store_id = $1 AND status = 'DELIVERED'",
        shop.store_id,
        repeatable=True,
    )
    assert await queue.prune(timedelta(days=30), 1) == 1
    assert await queue.prune(timedelta(days=30), 100) == 1
    assert [each["status"] for each in await deliveries(shop, hook)] == ["CANCELLED", "CANCELLED"]


async def test_old_keys_are_purged_and_unsealed_stores_are_found(alone: Service) -> None:
    shop, _ = await shop_with_hook(alone, URL)
    for n in range(3):
        await shop.api.post("/v1/customers", {"name": f"C{n}"}, key=f"key-{n}")
    await alone.database.write(
        "UPDATE ibex.idempotency_keys SET created_at = now() - interval '26 hours' "
        "WHERE store_id = $1 AND key <> 'key-0'",
        shop.store_id,
        repeatable=True,
    )
    house = PostgresHousekeeping(alone.database)
    assert [await house.purge_idempotency_keys(1) for _ in range(3)] == [1, 1, 0]
    kept = await shop.rows("SELECT key FROM ibex.idempotency_keys WHERE store_id = $1")
    assert [row["key"] for row in kept] == ["key-0"]
    assert await house.stores_to_seal() == [shop.store_id]
