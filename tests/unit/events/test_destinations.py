"""Where webhooks may go: names and addresses, in all the spellings that have been used to get in."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from ibex.domain.events.destinations import DestinationRules, is_public, may_connect, parse_destination
from ibex.domain.shared.errors import InvalidValue

PUBLIC = DestinationRules()
SANDBOX = DestinationRules(allow_loopback=True)

REFUSED_URLS = [
    "https://localhost/",
    "https://LOCALHOST./",
    "https://app.localhost/",
    "https://127.0.0.1/",
    "https://127.0.0.1:8443/admin",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.8/",
    "https://10.8/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a00:1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378::]/",
    "https://[2001:db8::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://postgres.railway.internal/",
    "https://printer.local/",
    "https://router.lan/",
    "https://db.home.arpa/",
    "https://intranet/",
    "https://host..example.com/",
    "https://exa mple.com/",
    "https://example.com\r\nX-Evil: 1/",
    "https://ex\u00e4mple.com/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://user@hooks.shop.com/",
    "https://user:PASSWORD@hooks.shop.com/",
    "https://hooks.shop.com/#part",
    "https://hooks.shop.com:0/",
    "https://hooks.shop.com:99999/",
    "https://-a.shop.com/",
    "https:///path",
    "https://",
    "//hooks.shop.com/",
    "hooks.shop.com",
    "http://hooks.shop.com/",
    "ftp://hooks.shop.com/",
    "file:///etc/passwd",
    "gopher://hooks.shop.com/",
    "https://hooks.shop.com\\@127.0.0.1/",
    "https://hooks.shop.com/" + "a" * 2000,
]
ACCEPTED_URLS = [
    ("https://hooks.shop.com", "hooks.shop.com", 443, "/", "hooks.shop.com"),
    ("https://Hooks.Shop.com:8443/a?b=c", "hooks.shop.com", 8443, "/a?b=c", "hooks.shop.com:8443"),
    ("https://hooks.shop.com./x", "hooks.shop.com", 443, "/x", "hooks.shop.com"),
    ("https://xn--exmple-cua.com/", "xn--exmple-cua.com", 443, "/", "xn--exmple-cua.com"),
    ("https://93.184.215.14/", "93.184.215.14", 443, "/", "93.184.215.14"),
    ("https://[2606:4700::6810:1]:444/", "2606:4700::6810:1", 444, "/", "[2606:4700::6810:1]:444"),
    ("https://hooks.shop.com?x=1", "hooks.shop.com", 443, "/?x=1", "hooks.shop.com"),
]
PRIVATE_ADDRESSES = [
    *("0.0.0.0", "10.255.255.255", "100.127.255.255", "127.255.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.8"),
    *("192.168.255.1", "192.88.99.1", "198.19.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.251", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "100::1", "fe80::1%eth0", "fd12::1"),
    *("2001:2::1", "2001:10::1", "2002:808:808::1", "3fff::1", "ff0e::1", "5f00::1", "4000::1", "fec0::1"),
]
PUBLIC_ADDRESSES = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.167.255.255", "2606:4700::1", "2a00::1"]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_refused(url: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        parse_destination(url, PUBLIC)
    assert refusal.value.details["field"] == "url"


@pytest.mark.parametrize(("url", "host", "port", "target", "authority"), ACCEPTED_URLS)
def test_accepted(url: str, host: str, port: int, target: str, authority: str) -> None:
    found = parse_destination(url, PUBLIC)
    assert (found.secure, found.host, found.port, found.target) == (True, host, port, target)
    assert found.authority == authority


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_a_name_that_leads_here_is_not_followed(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not may_connect(ip_address(address), PUBLIC)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses(address: str) -> None:
    assert may_connect(ip_address(address), PUBLIC)


def test_the_tables_are_as_long_as_promised() -> None:
    assert len(REFUSED_URLS) + len(PRIVATE_ADDRESSES) >= 90


def test_a_sandbox_may_allow_this_machine_and_nothing_else() -> None:
    assert not parse_destination("http://127.0.0.1:9000/hook", SANDBOX).secure
    assert parse_destination("https://localhost/", SANDBOX).secure
    assert may_connect(ip_address("127.0.0.1"), SANDBOX)
    assert may_connect(ip_address("::1"), SANDBOX)
    for url in ("http://hooks.shop.com/", "https://10.0.0.1/", "https://169.254.169.254/", "http://0.0.0.0/"):
        with pytest.raises(InvalidValue):
            parse_destination(url, SANDBOX)
    assert not may_connect(ip_address("10.0.0.1"), SANDBOX)
    assert not may_connect(ip_address("::ffff:127.0.0.1"), SANDBOX)
