"""Limits on the addresses that are reached on behalf of a table of URLs: public ones alone.

A URL in somebody's data must not make this machine ask its own network. Names are checked when
they are resolved, and every address once more when the socket to it is made: what was checked is
what is connected to, however the host was spelt, and no second answer of a name server slips in.
"""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from ikusi.errors import InputError

Network = IPv4Network | IPv6Network
# All that IANA has given out for hosts of the public internet (RFC 4291, 2.4).
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """A host that is not on the public internet."""


def check(address: str, allowed: Sequence[Network] = ()) -> None:
    """Refuse an address that is private, of this machine, reserved, or stands for such a one.

    Raises:
        PrivateAddressError: it is one of these.
    """
    # An address of one link carries the link's name: fe80::1%eth0.
    parsed = ip_address(address.partition("%")[0])
    if any(parsed in network for network in allowed if network.version == parsed.version):
        return
    if not _is_public(parsed):
        raise PrivateAddressError(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if address.ipv4_mapped:
        return _is_public(address.ipv4_mapped)
    if address in NAT64:
        return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    inner = [address.sixtofour, *(address.teredo or ())]
    return (
        address in GLOBAL_UNICAST
        and address.is_global
        and all(_is_public(one) for one in inner if one is not None)
    )


def is_literal(host: str) -> bool:
    """Whether a host is an address already; such hosts never come before a resolver."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def parse_networks(names: Sequence[str]) -> list[Network]:
    """Networks by their names.

    Raises:
        InputError: one is no network.
    """
    try:
        return [ip_network(name) for name in names]
    except ValueError as error:
        raise InputError(f"allow: expected networks such as 10.0.0.0/8, found: {error}") from None


def list_proxies() -> list[Network]:
    """The addresses of the proxies that the environment names, which may well be private.

    Raises:
        InputError: one has no address.
    """
    networks: list[Network] = []
    for kind, url in urllib.request.getproxies().items():
        if kind not in ("http", "https"):
            continue
        host = urlsplit(url).hostname or ""
        try:
            known = socket.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:
            raise InputError(f"{kind}_proxy: expected a proxy, found {host}: {error}") from None
        networks += [ip_network(str(address[0]).partition("%")[0]) for *_, address in known]
    return networks


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses, and to those of networks that are allowed."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed, self._resolver = allowed, ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            PrivateAddressError: one of them is not public.
        """
        results = await self._resolver.resolve(host, port, family)
        for result in results:
            check(result["host"], self._allowed)
        return results

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def guard_sockets(allowed: Sequence[Network]) -> Callable[[Any], socket.socket]:
    """Makes sockets as aiohttp's connector wants them, for addresses that pass `check`."""

    def socket_to(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        check(address[0], allowed)
        return socket.socket(family, kind, protocol)

    return socket_to
