"""Which database hosts are accepted: Neon's, those an operator named, and loopback in a sandbox only."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from ibex.environment.values import ConfigurationError

NEON_SUFFIXES: Final = (".neon.tech",)
_PRIVATE_NAMES: Final = (
    ".local",
    ".internal",
    ".lan",
    ".home",
    ".intranet",
    ".corp",
    ".localdomain",
    ".home.arpa",
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """Which hosts are accepted: Neon's and the suffixes an operator named; loopback in a sandbox only."""

    suffixes: tuple[str, ...] = ()
    allow_loopback: bool = False


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a literal host means, in the odd spellings too (127.1, 0x7f000001); None for a
    name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if not re.fullmatch(r"[0-9a-fx.]+", host) or not host[0].isdigit():
            return None
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def is_loopback(host: str) -> bool:
    """True for localhost by any of its names and for addresses that stay on this machine."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    return host in ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback") or host.endswith(
        ".localhost"
    )


def check_host(host: str, rules: HostRules) -> None:
    """Raise ConfigurationError IBEX-E109 (loopback), E110 (private) or E112 (not Neon's) for a refused
    host."""
    fix = "Use the connection string of the Neon project: its host ends in .neon.tech."
    if is_loopback(host):
        if rules.allow_loopback:
            return
        raise ConfigurationError("IBEX-E109", "DATABASE_URL points at this machine.", fix)
    address = address_of(host)
    if address is not None:
        if not address.is_global:
            raise ConfigurationError(
                "IBEX-E110", "DATABASE_URL points at a private, link-local or reserved address.", fix
            )
        raise ConfigurationError(
            "IBEX-E112", "DATABASE_URL points at a bare address, whose certificate proves no name.", fix
        )
    labels = host.split(".")
    if len(labels) == 1 or host.endswith(_PRIVATE_NAMES):
        raise ConfigurationError("IBEX-E110", "DATABASE_URL points at a name of a private network.", fix)
    suffixes = NEON_SUFFIXES + rules.suffixes
    if not all(_LABEL.match(label) for label in labels) or not any(_under(host, suffix) for suffix in suffixes):
        raise ConfigurationError(
            "IBEX-E112",
            "DATABASE_URL points at a host that is not one of Neon's.",
            fix + " To use another host on purpose, name it in IBEX_DATABASE_HOST_SUFFIXES.",
        )


def _under(host: str, suffix: str) -> bool:
    return host == suffix or (host.endswith("." + suffix.lstrip(".")) and len(host) > len(suffix))
