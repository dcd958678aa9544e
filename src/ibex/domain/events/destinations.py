"""Where a webhook may be sent: public addresses of the internet, and nothing that only this service can reach.

A name is judged twice: by its spelling when the webhook is written down, and by the addresses that it resolves to each
time that something is sent. Only the second protects, because whoever owns a name can change where it points; the first
tells people early.

Sources: IANA's special-purpose address registries (IPv4 and IPv6), RFC 6890, RFC 6761 for names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from ibex.domain.shared.errors import InvalidValue

MAX_URL_LENGTH: Final = 2000
FIELD: Final = "url"

Address = IPv4Address | IPv6Address

_CLOSED_4: Final = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' shared space; also clouds' own
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Of IPv6 only what is given out as global unicast, less the parts of it that are not, or that carry an IPv4 address
# inside. So neither loopback, mapped and compatible IPv4, NAT64, link-local, unique local nor multicast need a line.
_OPEN_6: Final = IPv6Network("2000::/3")
_CLOSED_6: Final = tuple(
    IPv6Network(net)
    for net in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_PRIVATE_NAMES: Final = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "localdomain",
    "home.arpa",
    "invalid",
    "test",
    "example",
    "onion",
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
# What resolvers read as a number, and so as an address: 127, 0x7f, 017700000001.
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationRules:
    """``allow_loopback`` is for tests in a sandbox: it lets loopback addresses through, and plain HTTP to them."""

    allow_loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A URL taken apart. ``host`` is a name in lower case or an address without brackets."""

    secure: bool
    host: str
    port: int
    target: str
    """Path and query, as they stand in the request line."""

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def parse_destination(url: str, rules: DestinationRules) -> Destination:
    """The parts of a URL to which webhooks may go, as far as its spelling tells. Raises InvalidValue."""
    if len(url) > MAX_URL_LENGTH:
        raise _refused(f"Give at most {MAX_URL_LENGTH} characters.")
    if not url.isascii() or not url.isprintable() or any(c in url for c in ' "<>\\^`{|}'):
        raise _refused("Give the URL in ASCII without spaces; encode other characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("This is no URL.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise _refused("Give a URL that begins with https://.")
    if parts.username is not None or parts.password is not None:
        raise _refused("Leave user and password out of the URL; check the signature instead.")
    if parts.fragment or "#" in url:
        raise _refused("A fragment is never sent; leave it out.")
    host = parts.hostname.rstrip(".")
    loopback = _check_host(host, rules)
    secure = parts.scheme == "https"
    if not secure and not loopback:
        raise _refused("Give a URL that begins with https://.")
    if port == 0:
        raise _refused("Give a port from 1 to 65535.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(secure=secure, host=host, port=port or (443 if secure else 80), target=target)


def may_connect(address: Address, rules: DestinationRules) -> bool:
    """Whether a request may go to this address."""
    if rules.allow_loopback and address.is_loopback:
        return True
    return is_public(address)


def is_public(address: Address) -> bool:
    """Whether the address is one of the public internet, for whoever asks."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_4)
    return address.scope_id is None and address in _OPEN_6 and not any(address in network for network in _CLOSED_6)


def _check_host(host: str, rules: DestinationRules) -> bool:
    """Whether it is this machine, where that is allowed. Raises InvalidValue for what is not public by its spelling."""
    private = "Give a host of the public internet; this one is private, local or reserved."
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        if not may_connect(address, rules):
            raise _refused(private)
        return address.is_loopback
    labels = host.split(".")
    if not all(_LABEL.match(label) for label in labels) or len(host) > 253:
        raise _refused("The host is no valid name; write one in other scripts in its xn-- form.")
    if _NUMBER.match(labels[-1]):
        raise _refused("Write an address as four decimal numbers.")
    if rules.allow_loopback and labels[-1] == "localhost":
        return True
    if len(labels) == 1 or any(host == name or host.endswith("." + name) for name in _PRIVATE_NAMES):
        raise _refused(private)
    return False


def _refused(message: str) -> InvalidValue:
    return InvalidValue(message, field=FIELD)
