"""The stand-in: TLS, names, round trips, the network, and what goes wrong while connecting."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
from typing import Any

import asyncpg
import pytest

from ibex_devtools.neon import Fault, NeonStandIn, StandInError
from ibex_devtools.neon.address import ENDPOINT
from ibex_devtools.neon.names import DOMAIN
from ibex_devtools.neon.process import NeonProcess
from ibex_devtools.sandbox import Cluster
from tests.faults.conftest import Connection

SOON = 0.3


async def test_the_certificate_is_verified_and_the_direct_host_leads_to_the_server(
    connection: Connection,
) -> None:
    row = await connection.fetchrow("SELECT ssl, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert row is not None
    assert tuple(row) == (True, "ibex_owner")


async def test_without_its_authority_nobody_trusts_it(arguments: dict[str, Any]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        await asyncpg.connect(**arguments | {"ssl": ssl.create_default_context()})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.EXPIRED_CERTIFICATE, "certificate has expired"),
        (Fault.WRONG_NAME_CERTIFICATE, "Hostname mismatch"),
        (Fault.UNKNOWN_AUTHORITY, "unable to get local issuer certificate"),
    ],
)
async def test_a_bad_certificate_is_shown_once(
    neon: NeonStandIn, arguments: dict[str, Any], fault: Fault, reason: str
) -> None:
    injection = neon.arm(fault)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        await asyncpg.connect(**arguments)
    assert injection.count == 1
    await (await asyncpg.connect(**arguments)).close()


async def test_an_unknown_endpoint_and_a_missing_name_are_turned_away_as_neon_does(
    arguments: dict[str, Any],
) -> None:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    for host, reason in (
        (f"ep-nobody.{DOMAIN}", "could not be found"),
        (f"{ENDPOINT}-pooler.{DOMAIN}", "without a pooler"),
        ("127.0.0.1", "Endpoint ID is not specified"),
    ):
        with pytest.raises(asyncpg.InternalServerError, match=reason) as caught:
            await asyncpg.connect(**arguments | {"host": host, "ssl": unchecked})
        assert caught.value.sqlstate == "XX000"


async def test_without_tls_it_says_no(arguments: dict[str, Any]) -> None:
    with pytest.raises(asyncpg.InternalServerError, match="insecure"):
        await asyncpg.connect(**arguments | {"ssl": False})


async def test_a_prepared_statement_is_one_round_trip_and_a_transaction_three(
    neon: NeonStandIn, connection: Connection
) -> None:
    await connection.fetch("SELECT $1::int", 1)
    with neon.recording() as one:
        await connection.fetch("SELECT $1::int", 2)
    assert one.round_trips == 1
    assert one.texts == ["SELECT $1::int"]
    with neon.recording() as three:
        async with connection.transaction():
            await connection.fetch("SELECT $1::int", 3)
    assert three.round_trips == 3
    assert three.texts == ["BEGIN;", "SELECT $1::int", "COMMIT;"]
    assert all(statement.ended is not None for statement in three.statements)
    with neon.recording() as failed:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.execute("SELECT 1/0")
        await connection.fetchval("SELECT $1::int", 4)
    assert [statement.sqlstate for statement in failed.statements] == ["22012", ""]


async def test_connecting_takes_six_round_trips_and_they_count_apart(
    neon: NeonStandIn, arguments: dict[str, Any]
) -> None:
    with neon.recording() as traffic:
        await (await asyncpg.connect(**arguments)).close()
    # TCP, request for TLS, TLS 1.3, start-up, and two for the password.
    assert (traffic.connections, traffic.connect_round_trips, traffic.round_trips) == (1, 6, 0)


async def test_latency_is_added_each_way(neon: NeonStandIn, connection: Connection) -> None:
    await connection.fetchval("SELECT 1")
    neon.network.latency_seconds = 0.02
    seconds = await _shortest(connection, "SELECT 1")
    assert 0.04 <= seconds < 0.06
    neon.network.latency_seconds = 0.0
    assert await _shortest(connection, "SELECT 1") < 0.02


async def test_bandwidth_is_limited(neon: NeonStandIn, connection: Connection) -> None:
    question = "SELECT repeat('x', 100000)"
    assert await _shortest(connection, question) < 0.1
    neon.network.bytes_per_second = 500_000
    assert 0.2 <= await _shortest(connection, question, of=1) < 0.4


async def test_a_cold_start_delays_the_first_connection(neon: NeonStandIn, arguments: dict[str, Any]) -> None:
    injection = neon.arm(Fault.COLD_START, delay_seconds=SOON)
    began = time.monotonic()
    await (await asyncpg.connect(**arguments)).close()
    first = time.monotonic() - began
    await (await asyncpg.connect(**arguments)).close()
    second = time.monotonic() - began - first
    assert first >= SOON
    assert second < SOON
    assert injection.count == 1


async def test_connections_are_reset_stalled_or_rejected(neon: NeonStandIn, arguments: dict[str, Any]) -> None:
    neon.arm(Fault.RESET_CONNECT)
    with pytest.raises(ConnectionResetError):
        await asyncpg.connect(**arguments)
    neon.arm(Fault.STALL_CONNECT)
    with pytest.raises(TimeoutError):
        await asyncpg.connect(**arguments, timeout=SOON)
    neon.arm(Fault.REJECT)
    with pytest.raises(asyncpg.InternalServerError, match="compute node"):
        await asyncpg.connect(**arguments)
    neon.arm(Fault.REJECT, sqlstate="53300", message="too many connections")
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await asyncpg.connect(**arguments)
    await (await asyncpg.connect(**arguments)).close()


async def test_refusing_closes_the_port_and_opens_it_again(
    neon: NeonStandIn, arguments: dict[str, Any], connection: Connection
) -> None:
    async with neon.refusing():
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(**arguments)
        assert await connection.fetchval("SELECT 1") == 1
    await (await asyncpg.connect(**arguments)).close()


async def test_the_same_seed_takes_the_same_chances(cluster: Cluster) -> None:
    async def outcomes(seed: int) -> list[bool]:
        async with NeonStandIn(cluster, seed=seed) as neon:
            arguments = neon.connect_arguments()
            injection = neon.arm(Fault.REJECT, times=None, probability=0.5)
            seen = []
            for _ in range(12):
                try:
                    await (await asyncpg.connect(**arguments)).close()
                    seen.append(True)
                except asyncpg.InternalServerError:
                    seen.append(False)
            assert injection.count == seen.count(False) == neon.faults.counts[Fault.REJECT]
            return seen

    first = await outcomes(1)
    assert first == await outcomes(1)
    assert first != await outcomes(2)
    assert {True, False} == set(first)


async def test_a_fault_is_armed_for_a_number_of_times_or_for_a_block(
    neon: NeonStandIn, arguments: dict[str, Any]
) -> None:
    async def rejected() -> bool:
        try:
            await (await asyncpg.connect(**arguments)).close()
        except asyncpg.InternalServerError:
            return True
        return False

    twice = neon.arm(Fault.REJECT, times=2)
    assert [await rejected() for _ in range(3)] == [True, True, False]
    assert twice.count == 2
    with neon.arm(Fault.REJECT, times=None) as block:
        assert [await rejected() for _ in range(3)] == [True, True, True]
    assert not await rejected()
    assert block.count == 3


_CHILD = """\
import asyncio, json, os, ssl, sys, urllib.parse, asyncpg, uvloop
async def main():
    url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
    connection = await asyncpg.connect(host=url.hostname, port=url.port, user=url.username,
        password=url.password, database=url.path[1:], ssl=ssl.create_default_context())
    print(type(asyncio.get_running_loop()).__module__, await connection.fetchval("SELECT 7"))
    await connection.close()
(uvloop.run if sys.argv[1] == "uvloop" else asyncio.run)(main())
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_another_process_uses_it_by_its_environment_alone(cluster: Cluster, database: str, loop: str) -> None:
    with NeonProcess(cluster) as neon:
        command = [sys.executable, "-c", _CHILD, loop]
        environment = neon.environment(database, base={"PATH": "/usr/bin:/bin"})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        assert loop in done.stdout
        assert done.stdout.endswith(" 7\n")
        assert neon.command("counts")["traffic"]["connections"] == 1


async def test_its_own_process_takes_commands(cluster: Cluster, database: str) -> None:
    with NeonProcess(cluster) as neon:
        number = neon.arm(Fault.REJECT, times=2, sqlstate="57P03")
        arguments = neon.connect_arguments(database)
        with pytest.raises(asyncpg.CannotConnectNowError):
            await asyncpg.connect(**arguments)
        assert neon.command("disarm", str(number)) == 1
        neon.command("network", latency_seconds=0.01)
        connection = await asyncpg.connect(**arguments)
        neon.command("record")
        began = time.monotonic()
        await connection.execute("SELECT 1")
        assert time.monotonic() - began >= 0.02
        assert neon.command("recorded")["round_trips"] == 1
        assert neon.command("suspend") == 1
        assert json.dumps(neon.command("counts")["faults"]) == '{"reject": 1}'
        with pytest.raises(StandInError, match="no command"):
            neon.command("nonsense")
        connection.terminate()


async def _shortest(connection: Connection, question: str, of: int = 5) -> float:
    """The shortest time in seconds of some: the others waited for this machine, not for the network."""
    seconds = []
    for _ in range(of):
        began = asyncio.get_running_loop().time()
        await connection.fetchval(question)
        seconds.append(asyncio.get_running_loop().time() - began)
    return min(seconds)
