"""`ibex worker` as processes: real requests to real receivers, and workers that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from ibex_devtools.sandbox import Cluster
from tests.api.client import Json, Service, Shop
from tests.fixtures.hooked import hooked_service, shop_with_hook
from tests.fixtures.receiver import OK, Receiver, receiving, status

# Leases last 2 x 1 + 5 seconds with this timeout.
OPTIONS = ("--timeout-seconds", "1", "--poll-seconds", "1")


class Workers:
    """Processes that are gone after the test."""

    def __init__(self, environment: dict[str, str], cwd: Path) -> None:
        self._environment = os.environ | environment | {"IBEX_LOG_LEVEL": "debug"}
        self._cwd = cwd
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """One more."""
        log = self._cwd / f"worker-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("ibex"), "worker", *(options or OPTIONS)],
                env=self._environment,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def log(self, number: int = 0) -> str:
        """What it wrote."""
        return (self._cwd / f"worker-{number}.log").read_text(errors="replace")

    async def until_started(self, number: int = 0) -> None:
        """Until it says so."""
        await self.until_said("worker_started", number)

    async def until_said(self, words: str, number: int = 0) -> None:
        """Until its log holds the words."""

        async def said() -> bool:
            assert self.processes[number].poll() is None, self.log(number)
            return words in self.log(number)

        await until(said, 30)

    def close(self) -> None:
        """Kills those that are left."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


@pytest.fixture
async def hooked(cluster: Cluster, template_database: str, tmp_path: Path) -> AsyncIterator[tuple[Service, Workers]]:
    """A service of its own, and workers of its database."""
    async with hooked_service(cluster, template_database, tmp_path) as (service, environment):
        workers = Workers(environment, tmp_path)
        try:
            yield service, workers
        finally:
            workers.close()


@contextlib.contextmanager
def log_on_failure(workers: Workers) -> Iterator[None]:
    """Shows what the workers wrote when the test fails."""
    try:
        yield
    except BaseException:
        for number in range(len(workers.processes)):
            print(workers.log(number)[-6000:])  # noqa: T201 - for whoever reads the failure
        raise


async def states(shop: Shop, hook: Json) -> list[str]:
    return [each["status"] for each in await shop.api.all(f"/v1/webhooks/{hook['id']}/deliveries")]


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - other processes cannot set an event of this one
            await asyncio.sleep(0.05)


async def until_delivered(shop: Shop, hook: Json, seconds: float = 20) -> None:
    async def all_are() -> bool:
        return set(await states(shop, hook)) == {"DELIVERED"}

    await until(all_are, seconds)


async def until_asked(receiver: Receiver) -> None:
    async def was() -> bool:
        return receiver.connections > 0

    await until(was)


async def test_a_sale_arrives_signed_within_a_moment(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    async with receiving() as receiver:
        shop, hook = await shop_with_hook(service, receiver, event_types=["invoice.issued"])
        # Long enough that only being woken explains a quick arrival.
        workers.start("--timeout-seconds", "1", "--poll-seconds", "60")
        await workers.until_started()
        product = await shop.make_product()
        await asyncio.sleep(1.5)
        with log_on_failure(workers):
            began = time.monotonic()
            sale = await shop.sell(product)
            await receiver.wait_for(lambda: len(receiver.got) == 1, 5)
            assert time.monotonic() - began < 5
        [got] = receiver.got
        assert got.line == "POST /hook HTTP/1.1"
        body = Webhook(hook["secret"]).verify(got.body, got.headers)
        assert body["type"] == "invoice.issued"
        assert body["data"]["invoice_id"] == sale["id"]
        [event] = (await shop.api.get("/v1/events", params={"types": "invoice.issued"}))["items"]
        assert got.event == event
        assert got.headers["webhook-id"] == event["id"]
        await until_delivered(shop, hook)
        assert hook["secret"] not in workers.log()
        assert hook["secret"].removeprefix("whsec_") not in workers.log()


async def test_a_refused_delivery_is_tried_again_and_keeps_its_id(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    async with receiving() as receiver:
        receiver.answer = lambda got: OK if receiver.got else status(500)(got)
        shop, hook = await shop_with_hook(service, receiver, event_types=["customer.created"])
        workers.start()
        await workers.until_started()
        await shop.make_customer()
        with log_on_failure(workers):
            await receiver.wait_for(lambda: len(receiver.got) == 2, 20)
            await until_delivered(shop, hook)
        first, second = receiver.got
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
        assert 3 <= int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) <= 9
        Webhook(hook["secret"]).verify(second.body, second.headers)
        seq = second.event["seq"]
        details = await shop.api.get(f"/v1/webhooks/{hook['id']}/deliveries/{seq}")
        assert [(a["number"], a["status"], a["error"]) for a in details["log"]] == [
            (1, 500, "the receiver did not accept it"),
            (2, 204, None),
        ]


async def test_a_killed_worker_loses_nothing(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    async with receiving() as receiver:
        receiver.delay_seconds = 0.2
        shop, hook = await shop_with_hook(service, receiver, event_types=["customer.created"])
        for number in range(2):
            workers.start()
            await workers.until_started(number)
        with log_on_failure(workers):
            made = [asyncio.create_task(shop.make_customer()) for _ in range(60)]
            await receiver.wait_for(lambda: len(receiver.got) >= 10, 20)
            workers.processes[0].send_signal(signal.SIGKILL)
            await asyncio.gather(*made)
            await until_delivered(shop, hook, 60)
        feed = await shop.api.get("/v1/events", params={"types": "customer.created", "limit": 200})
        wanted = [event["seq"] for event in feed["items"]]
        assert len(wanted) == 60
        assert set(receiver.seqs()) == set(wanted)
        # At least once: only what the killed one had in hand may have come twice.
        assert len(receiver.got) <= 60 + 16
        assert len(await states(shop, hook)) == 60


async def test_one_told_to_stop_finishes_what_is_in_flight(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    async with receiving() as receiver:
        receiver.delay_seconds = 0.8
        shop, hook = await shop_with_hook(service, receiver, event_types=["customer.created"])
        process = workers.start("--timeout-seconds", "5")
        await workers.until_started()
        await asyncio.gather(*(shop.make_customer() for _ in range(5)))
        with log_on_failure(workers):
            await receiver.wait_for(lambda: len(receiver.got) >= 1, 20)
            process.terminate()
            assert await asyncio.to_thread(process.wait, 20) == 0
        assert "worker_stopped" in workers.log()
        found = await states(shop, hook)
        assert found.count("DELIVERED") == len(receiver.got)
        leased = await shop.rows("SELECT 1 FROM ibex.webhook_deliveries WHERE store_id = $1 AND lease IS NOT NULL")
        assert leased == []


async def test_what_cannot_be_finished_in_time_is_given_back(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    workers._environment["IBEX_SHUTDOWN_GRACE_SECONDS"] = "1"
    async with receiving() as receiver:
        receiver.delay_seconds = 30
        shop, _ = await shop_with_hook(service, receiver, event_types=["customer.created"])
        process = workers.start("--timeout-seconds", "60")
        await workers.until_started()
        await shop.make_customer()
        await until_asked(receiver)
        with log_on_failure(workers):
            process.terminate()
            assert await asyncio.to_thread(process.wait, 15) == 0
        assert "deliveries_given_back" in workers.log()
        [row] = await shop.rows(
            "SELECT status, tries, lease, next_attempt_at <= now() AS due FROM ibex.webhook_deliveries "
            "WHERE store_id = $1"
        )
        assert row == {"status": "PENDING", "tries": 0, "lease": None, "due": True}


async def test_410_disables_and_enabling_goes_on(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    async with receiving() as receiver:
        receiver.answer = status(410)
        shop, hook = await shop_with_hook(service, receiver, event_types=["customer.created"])
        workers.start()
        await workers.until_started()
        await shop.make_customer()
        path = f"/v1/webhooks/{hook['id']}"
        with log_on_failure(workers):

            async def disabled() -> bool:
                return bool((await shop.api.get(path))["status"] == "DISABLED")

            await until(disabled)
            assert (await shop.api.get(path))["disabled_because"] == "GONE"
            await shop.make_customer()
            await asyncio.sleep(1.5)
            assert len(receiver.got) == 1
            receiver.answer = status(200)
            await shop.api.patch(path, {"enabled": True})
            await receiver.wait_for(lambda: len(receiver.got) == 2, 20)
        events = (await shop.api.get("/v1/events", params={"types": "webhook.disabled"}))["items"]
        assert [event["data"]["disabled_because"] for event in events] == ["GONE"]


async def test_a_slow_receiver_does_not_hold_up_the_others(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    async with receiving() as slow, receiving() as quick:
        slow.delay_seconds = 10
        shop, _ = await shop_with_hook(service, slow, event_types=["customer.created"])
        other, hook = await shop_with_hook(service, quick, event_types=["customer.created"])
        await asyncio.gather(*(shop.make_customer() for _ in range(80)))
        workers.start("--timeout-seconds", "8", "--concurrency", "32")
        await workers.until_started()
        with log_on_failure(workers):
            await until_asked(slow)
            began = time.monotonic()
            await other.make_customer()
            await quick.wait_for(lambda: len(quick.got) == 1, 6)
            assert time.monotonic() - began < 6
            await until_delivered(other, hook)


async def test_the_chores_are_done(hooked: tuple[Service, Workers]) -> None:
    service, workers = hooked
    shop, _ = await shop_with_hook(service, "https://hooks.shop.com/")
    await shop.api.post("/v1/customers", {"name": "C"}, key="old")
    await service.database.write(
        "UPDATE ibex.idempotency_keys SET created_at = now() - interval '2 days' WHERE store_id = $1",
        shop.store_id,
        repeatable=True,
    )
    workers.start()
    await workers.until_started()
    with log_on_failure(workers):
        await workers.until_said("worker_chores")
    assert await shop.rows("SELECT key FROM ibex.idempotency_keys WHERE store_id = $1") == []
    [row] = await shop.rows(
        "SELECT (SELECT max(seq) FROM ibex.audit_links WHERE store_id = $1) AS sealed, "
        "(SELECT audit_seq FROM ibex.store_counters WHERE store_id = $1) AS written"
    )
    assert row["sealed"] == row["written"] > 0
