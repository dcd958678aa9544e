"""Through the pooler as it really is: deploys go round it, and where they cannot, they say so."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from ibex_devtools.neon import NeonStandIn, PgBouncer
from ibex_devtools.neon.pgbouncer import HOW_TO_INSTALL, find
from ibex_devtools.sandbox import Cluster
from tests.fixtures.revisions import Done, environment_of, ibex


@pytest.fixture(params=[1, 3])
def pooler(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[PgBouncer]:
    """PgBouncer in transaction mode, sharing one backend or several."""
    if find() is None:
        pytest.skip(HOW_TO_INSTALL)
    with PgBouncer(cluster, pool_size=request.param) as running:
        yield running


async def run(stand_in: NeonStandIn, name: str, *arguments: str, **environ: str) -> Done:
    """Run `ibex` against the -pooler host of the stand-in, which lives in this event loop."""
    environment = os.environ | stand_in.environment(name, pooled=True) | environ
    environment.pop("PGHOSTADDR", None)  # for psql; the service refuses it
    return await asyncio.to_thread(ibex, environment, *arguments)


async def test_a_pooled_url_deploys_over_the_direct_host(
    cluster: Cluster, pooler: PgBouncer, empty_database_url: str
) -> None:
    name = empty_database_url.rsplit("/", 1)[1].partition("?")[0]
    async with NeonStandIn(cluster, pooler=pooler) as stand_in:
        deployed = await run(stand_in, name, "migrate", "deploy")
        assert deployed.code == 0, deployed.output
        checked = await run(stand_in, name, "check")
        assert checked.code == 0, checked.output
        assert "The host given is pooled" in checked.output


@asynccontextmanager
async def tls_before(port: int, certificate: trustme.LeafCert) -> AsyncIterator[int]:
    """Ends TLS as a PostgreSQL server does and passes the rest on to `port`: a pooler without a telling name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await reader.read(8):  # the check of the port alone
            writer.close()
            return
        writer.write(b"S")
        try:
            await writer.start_tls(context)
        except OSError:
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_pooler_that_hides_behind_a_plain_name_is_found_out(
    cluster: Cluster, pooler: PgBouncer, empty_database_url: str, tmp_path: Path
) -> None:
    name = empty_database_url.rsplit("/", 1)[1].partition("?")[0]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with tls_before(pooler.port, authority.issue_cert("localhost")) as port:
        environment = environment_of(empty_database_url.replace(f":{cluster.port}/", f":{port}/")) | {
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
            "IBEX_DATABASE_ENDPOINT": "pooled",
        }
        for command in (("migrate", "deploy"), ("check",)):
            done = await asyncio.to_thread(ibex, environment, *command)
            assert (done.code, "IBEX-E208" in done.output) == (78, True), done.output
    assert cluster.execute("SELECT to_regnamespace('ibex') IS NULL;", database=name).strip() == "t"
