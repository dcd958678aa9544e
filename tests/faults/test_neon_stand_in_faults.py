"""The stand-in's faults of an open connection and of the whole database, each seen by a plain client."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from ibex_devtools.neon import Fault, NeonStandIn, PgBouncer
from ibex_devtools.sandbox import Cluster, Sandbox
from tests.faults.conftest import Connection

SOON = 0.3
INSERT = "INSERT INTO sales VALUES ($1)"
LOST = (asyncpg.ConnectionDoesNotExistError, asyncpg.InterfaceError, ConnectionResetError)


async def _numbers(onlooker: Connection) -> list[int]:
    return [row["number"] for row in await onlooker.fetch("SELECT number FROM sales ORDER BY 1")]


@pytest.mark.parametrize("reset", [False, True])
async def test_cut_before_a_commit_nothing_has_happened(
    neon: NeonStandIn, connection: Connection, onlooker: Connection, reset: bool
) -> None:
    injection = neon.arm(Fault.CUT_BEFORE_COMMIT, reset=reset)
    assert await connection.fetchval("SELECT 1") == 1
    with pytest.raises(LOST) as caught:
        await connection.execute(INSERT, 1)
    assert ("reset" in repr(caught.value.__cause__ or caught.value).lower()) is reset
    assert [injected.statement for injected in injection.injected] == [INSERT]
    assert await _numbers(onlooker) == []


async def test_cut_after_a_commit_it_has_happened(
    neon: NeonStandIn, connection: Connection, onlooker: Connection
) -> None:
    injection = neon.arm(Fault.CUT_AFTER_COMMIT)
    with pytest.raises(LOST):
        await connection.execute(INSERT, 1)
    assert injection.injected[0].finished
    assert injection.injected[0].sqlstate == ""
    assert await _numbers(onlooker) == [1]


async def test_a_commit_that_the_server_refused_is_told_apart(
    neon: NeonStandIn, connection: Connection, onlooker: Connection
) -> None:
    await connection.execute("CREATE UNIQUE INDEX ON sales (number)")
    await connection.execute(INSERT, 1)
    injection = neon.arm(Fault.CUT_AFTER_COMMIT)
    with pytest.raises(LOST):
        await connection.execute(INSERT, 1)
    assert injection.injected[0].sqlstate == "23505"
    assert await _numbers(onlooker) == [1]


@pytest.mark.parametrize(("fault", "expected"), [(Fault.CUT_BEFORE_COMMIT, []), (Fault.CUT_AFTER_COMMIT, [1, 2])])
async def test_in_a_transaction_it_is_commit_that_is_cut(
    neon: NeonStandIn, connection: Connection, onlooker: Connection, fault: Fault, expected: list[int]
) -> None:
    injection = neon.arm(fault, statement=r"into sales")

    async def sell() -> None:
        async with connection.transaction():
            await connection.execute(INSERT, 1)
            await connection.execute(INSERT, 2)
            assert injection.count == 0

    with pytest.raises(LOST):
        await sell()
    assert injection.injected[0].statement == "COMMIT;"
    assert await _numbers(onlooker) == expected


@pytest.mark.parametrize(("fault", "expected"), [(Fault.STALL_BEFORE_COMMIT, []), (Fault.STALL_AFTER_COMMIT, [1])])
async def test_stalled_at_a_commit_nobody_is_told_anything(
    neon: NeonStandIn, connection: Connection, onlooker: Connection, fault: Fault, expected: list[int]
) -> None:
    injection = neon.arm(fault)
    with pytest.raises(TimeoutError):
        await connection.execute(INSERT, 1, timeout=SOON)
    assert injection.count == 1
    assert await _numbers(onlooker) == expected
    # Behind the black hole the server does not learn that the client has left.
    connection.terminate()
    await asyncio.sleep(SOON)
    mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ibex_owner' AND datname = current_database()"
    assert await onlooker.fetchval(mine) == 1


async def test_a_read_is_cut_in_the_middle_of_its_answer(neon: NeonStandIn, connection: Connection) -> None:
    injection = neon.arm(Fault.CUT_ANSWER, statement="generate_series", answer_bytes=5000)
    with neon.recording() as traffic, pytest.raises(LOST):
        await connection.fetch("SELECT * FROM generate_series(1, 100000)")
    assert injection.count == 1
    assert traffic.bytes_down >= 5000


async def test_a_read_is_cut_delayed_or_stalled_when_its_statement_matches(
    neon: NeonStandIn, arguments: dict[str, Any]
) -> None:
    first, second = [await asyncpg.connect(**arguments) for _ in range(2)]
    neon.arm(Fault.DELAY_STATEMENT, statement=r"\b42\b", delay_seconds=SOON)
    began = time.monotonic()
    assert await first.fetchval("SELECT 41") == 41
    assert time.monotonic() - began < SOON
    assert await first.fetchval("SELECT 42") == 42
    assert time.monotonic() - began >= SOON
    neon.arm(Fault.CUT_STATEMENT)
    with pytest.raises(LOST):
        await first.fetchval("SELECT 42")
    neon.arm(Fault.STALL_STATEMENT)
    with pytest.raises(TimeoutError):
        await second.fetchval("SELECT 42", timeout=SOON)
    second.terminate()


async def test_suspended_idle_connections_are_closed_and_the_next_one_wakes_it(
    neon: NeonStandIn, arguments: dict[str, Any]
) -> None:
    idle, busy = [await asyncpg.connect(**arguments) for _ in range(2)]
    working = asyncio.create_task(busy.fetchval(f"SELECT 7 FROM pg_sleep({SOON})"))
    await asyncio.sleep(SOON / 3)
    assert neon.suspend(delay_seconds=SOON) == 1
    await asyncio.sleep(0.05)
    assert idle.is_closed()
    began = time.monotonic()
    await (await asyncpg.connect(**arguments)).close()
    assert time.monotonic() - began >= SOON
    assert neon.awake
    assert await working == 7
    await busy.close()


async def test_told_that_it_ends_asyncpg_refuses_a_connection_before_it_has_ended(
    neon: NeonStandIn, arguments: dict[str, Any]
) -> None:
    told = await asyncpg.connect(**arguments)
    await told.fetchval("SELECT 1")
    neon.suspend(linger_seconds=10 * SOON)
    await asyncio.sleep(0.05)
    assert not told.is_closed()
    # Nothing is sent. asyncpg takes it for a mistake of its caller, and no class of its own says what it is.
    with neon.recording() as traffic, pytest.raises(asyncpg.InternalClientError):
        await told.fetchval("SELECT 1")
    assert traffic.bytes_up == 0
    told.terminate()


async def test_suspended_it_may_refuse_until_it_has_woken(neon: NeonStandIn, arguments: dict[str, Any]) -> None:
    neon.suspend(delay_seconds=SOON, refuses=True)
    for _ in range(2):
        with pytest.raises(asyncpg.InternalServerError, match="compute node"):
            await asyncpg.connect(**arguments)
    await asyncio.sleep(SOON)
    await (await asyncpg.connect(**arguments)).close()


async def test_idle_connections_are_cut_without_a_word(neon: NeonStandIn, connection: Connection) -> None:
    assert neon.cut_all(idle_only=True, reset=True) == 1
    await asyncio.sleep(0.05)
    assert connection.is_closed()
    assert neon.connections == 0


async def test_in_a_black_hole_nothing_moves_and_afterwards_it_arrives(
    neon: NeonStandIn, arguments: dict[str, Any], connection: Connection
) -> None:
    with neon.black_hole():
        waiting = asyncio.create_task(connection.fetchval("SELECT 7"))
        with pytest.raises(TimeoutError):
            await asyncpg.connect(**arguments, timeout=SOON)
        assert not waiting.done()
    assert await waiting == 7


@pytest.mark.parametrize("immediate", [False, True])
async def test_the_server_is_restarted_under_its_clients(immediate: bool) -> None:
    with Sandbox() as sandbox:
        async with NeonStandIn(sandbox.cluster, sandbox=sandbox) as neon:
            arguments = neon.connect_arguments()
            connection = await asyncpg.connect(**arguments)
            restart = asyncio.create_task(neon.restart_server(immediate=immediate, down_seconds=SOON))
            with pytest.raises((*LOST, asyncpg.InternalClientError, asyncpg.OperatorInterventionError)):
                await connection.fetchval("SELECT pg_sleep(60)")
            with pytest.raises((asyncpg.InternalServerError, asyncpg.CannotConnectNowError)):
                await asyncpg.connect(**arguments)
            await restart
            await (await asyncpg.connect(**arguments)).close()


async def test_after_a_failover_another_server_answers(
    neon: NeonStandIn, connection: Connection, cluster: Cluster
) -> None:
    port = "SELECT setting::int FROM pg_settings WHERE name = 'port'"
    assert await connection.fetchval(port) == cluster.port
    with Sandbox() as other:
        neon.fail_over(other.cluster)
        await asyncio.sleep(0.05)
        assert connection.is_closed()
        promoted = neon.connect_arguments("ibex") | {"password": other.cluster.owner_password}
        second = await asyncpg.connect(**promoted)
        assert await second.fetchval(port) == other.cluster.port
        await second.close()


async def test_the_pooled_host_shares_backends_between_transactions(
    cluster: Cluster, database: str, pooler: PgBouncer
) -> None:
    async with NeonStandIn(cluster, pooler=pooler) as neon:
        pooled = [await asyncpg.connect(**neon.connect_arguments(database, pooled=True)) for _ in range(3)]
        direct = await asyncpg.connect(**neon.connect_arguments(database))
        backends = {await each.fetchval("SELECT pg_backend_pid()") for each in pooled}
        assert len(backends) == 1
        assert await direct.fetchval("SELECT pg_backend_pid()") not in backends
        # The backend is in TLS too, and the pooler refuses what it cannot keep for a client.
        assert await pooled[0].fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        with pytest.raises(asyncpg.ProtocolViolationError, match="unsupported startup parameter"):
            await asyncpg.connect(
                **neon.connect_arguments(database, pooled=True), server_settings={"statement_timeout": "1000"}
            )
        injection = neon.arm(Fault.CUT_AFTER_COMMIT, statement="create table")
        with pytest.raises(LOST):
            await pooled[0].execute("CREATE TABLE made (number int)")
        assert injection.injected[0].finished
        assert await direct.fetchval("SELECT count(*) FROM made") == 0
        for each in (*pooled, direct):
            each.terminate()
