"""One request to somebody else's host, on real sockets."""

from __future__ import annotations

import socket
import ssl
import time
from ipaddress import ip_address
from typing import Any

import pytest
import trustme

from ibex.adapters import webhook_sender
from ibex.adapters.webhook_sender import PinnedSender
from ibex.domain.events.destinations import DestinationRules
from ibex.domain.events.ports import Answered, NotSent
from tests.fixtures.receiver import receiving, status

SANDBOX = DestinationRules(allow_loopback=True)
HEADERS = (("content-type", "application/json"), ("webhook-id", "1"))
NAME = "hooks.shop.com"


def sender(**options: Any) -> PinnedSender:
    return PinnedSender(options.pop("rules", SANDBOX), timeout_seconds=options.pop("timeout_seconds", 5.0), **options)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name resolves to these; returns the names that were asked for."""
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(webhook_sender, "_lookup", lookup)
    return asked


async def test_a_request_is_what_was_given_and_nothing_more() -> None:
    async with receiving() as receiver:
        answer = await sender().send(receiver.url("/a?b=%20c"), HEADERS, b'{"a":1}')
    assert answer == Answered(status=204)
    [got] = receiver.got
    assert got.line == "POST /a?b=%20c HTTP/1.1"
    assert got.body == b'{"a":1}'
    assert got.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": "IBEX-Webhooks/1",
        "accept": "*/*",
        "connection": "close",
        "content-length": "7",
        "content-type": "application/json",
        "webhook-id": "1",
    }


async def test_redirects_are_answers_and_are_not_followed() -> None:
    async with receiving() as target, receiving() as receiver:
        receiver.answer = status(302, f"Location: {target.url()}")
        assert (await sender().send(receiver.url(), HEADERS, b"{}")).status == 302
        assert target.connections == 0


async def test_retry_after_and_interim_answers_are_read() -> None:
    async with receiving() as receiver:
        receiver.answer = lambda got: (
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + status(503, "Retry-After: 120")(got)
        )
        answer = await sender().send(receiver.url(), HEADERS, b"{}")
    assert answer.status == 503
    assert answer.retry_after is not None
    assert answer.retry_after.total_seconds() == 120


async def test_an_endless_answer_is_not_read() -> None:
    async with receiving() as receiver:
        receiver.answer = lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000_000
        began = time.monotonic()
        assert (await sender().send(receiver.url(), HEADERS, b"{}")).status == 200
        assert time.monotonic() - began < 4
        receiver.answer = lambda _: b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"
        with pytest.raises(NotSent, match="no answer in HTTP"):
            await sender().send(receiver.url(), HEADERS, b"{}")


async def test_what_is_no_http_a_closed_connection_and_silence_are_told_apart() -> None:
    async with receiving() as receiver:
        receiver.answer = lambda _: b"SSH-2.0-OpenSSH\r\n\r\n"
        with pytest.raises(NotSent, match="no answer in HTTP"):
            await sender().send(receiver.url(), HEADERS, b"{}")
        receiver.answer = lambda _: b""
        with pytest.raises(NotSent, match="closed before an answer"):
            await sender().send(receiver.url(), HEADERS, b"{}")
        receiver.delay_seconds = 5
        with pytest.raises(NotSent, match=r"no answer within 0\.3 seconds"):
            await sender(timeout_seconds=0.3).send(receiver.url(), HEADERS, b"{}")
        url = receiver.url()
    with pytest.raises(NotSent, match="connection was refused"):
        await sender().send(url, HEADERS, b"{}")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["0.0.0.0"],
        ["93.184.215.14", "10.0.0.1"],
        ["2606:4700::1", "::ffff:10.0.0.1"],
        [],
    ],
)
async def test_a_public_name_with_a_private_address_is_refused(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolve_to(monkeypatch, *addresses)
    with pytest.raises(NotSent, match="private, local or reserved"):
        await sender(rules=DestinationRules()).send(f"https://{NAME}/", HEADERS, b"{}")
    assert asked == [NAME]


async def test_production_refuses_a_url_that_was_written_down_before() -> None:
    async with receiving() as receiver:
        with pytest.raises(NotSent, match="the URL is refused"):
            await sender(rules=DestinationRules()).send(receiver.url(), HEADERS, b"{}")
        assert receiver.connections == 0


async def test_the_address_that_was_checked_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved once; whatever it would resolve to a moment later does not matter."""
    ca = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(NAME).configure_cert(server)
    client = webhook_sender.tls_context()
    ca.configure_trust(client)
    names: list[str | None] = []
    server.sni_callback = lambda _, name, __: names.append(name)
    asked = resolve_to(monkeypatch, "127.0.0.1")
    async with receiving(server) as receiver:
        answer = await sender(tls=client).send(f"https://{NAME}:{receiver.port}/x", HEADERS, b"{}")
        assert answer.status == 204
        assert asked == [NAME]
        assert names == [NAME]
        assert receiver.got[0].headers["host"] == f"{NAME}:{receiver.port}"
        with pytest.raises(NotSent, match="the certificate is refused"):
            await sender(tls=client).send(f"https://other.shop.com:{receiver.port}/", HEADERS, b"{}")
        with pytest.raises(NotSent, match="the certificate is refused"):
            await sender().send(f"https://{NAME}:{receiver.port}/", HEADERS, b"{}")
        assert len(receiver.got) == 1


async def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver:
        resolve_to(monkeypatch, "127.0.0.9", "127.0.0.1")
        assert (await sender().send(f"http://localhost:{receiver.port}/", HEADERS, b"{}")).status == 204


async def test_plain_http_never_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "93.184.215.14")
    with pytest.raises(NotSent, match="plain HTTP"):
        await sender().send("http://localhost/", HEADERS, b"{}")


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    monkeypatch.setattr(webhook_sender, "_lookup", lookup)
    with pytest.raises(NotSent, match="cannot be resolved"):
        await sender(rules=DestinationRules()).send(f"https://{NAME}/", HEADERS, b"{}")


def test_what_resolvers_make_of_odd_numbers_is_judged_as_an_address() -> None:
    for host in ("127.1", "0x7f.1", "2130706433"):
        found = webhook_sender._lookup(host, 443)
        assert ip_address(found[0][-1][0]).is_loopback
