"""Which addresses a program may reach on behalf of a table of URLs: public ones alone.

A URL in somebody's data must not make this machine ask its own network. Every address is checked
where it is connected to, after its name was resolved, so that no second answer of a name server
can slip in another.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

Network = IPv4Network | IPv6Network
NAT64 = IPv6Network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """A host that is not on the public internet."""


def check(address: str, allowed: Sequence[Network] = ()) -> None:
    """Refuse an address that is private, of this machine, reserved, or stands for such a one.

    Raises:
        PrivateAddressError: so it is.
    """
    # An address of one link carries the link's name: fe80::1%eth0.
    found = ip_address(address.partition("%")[0])
    if any(found in network for network in allowed if network.version == found.version):
        return
    for inner in (found, *_embedded(found)):
        if not inner.is_global or inner.is_multicast:
            raise PrivateAddressError(address)


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def is_literal(host: str) -> bool:
    """Whether a host is an address already; such hosts never come before a resolver."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def networks(names: Sequence[str]) -> list[Network]:
    """Networks by their names, such as `10.0.0.0/8`."""
    return [ip_network(name) for name in names]


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
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            check(result["host"], self._allowed)
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()
