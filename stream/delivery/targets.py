"""Which addresses a webhook may go to: public ones.

Whoever writes a URL must not reach what only this machine can: metadata services,
databases, ourselves.  A name is not enough to know: it may resolve to anything,
and to something else a moment later.  So each address is looked at where the
socket to it is made, after the last time it was resolved.
"""

import socket
from errno import EACCES
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

_NAT64 = IPv6Network("64:ff9b::/96")


class PrivateTargetError(OSError):
    """The address is not a public one."""


def public(address: str) -> bool:
    """Say whether an address is one of the internet, in every form that hides another."""
    found = ip_address(address.partition("%")[0])
    return all(one.is_global and not one.is_multicast for one in _meant(found))


def guarded_socket(target: tuple[Any, ...]) -> socket.socket:
    """Make the socket to an address (as `getaddrinfo` gives it) that is public; raise if not."""
    family, kind, protocol, _, place = target
    if not public(place[0]):
        raise PrivateTargetError(EACCES, f"{place[0]} is no public address; see `private`")
    return socket.socket(family=family, type=kind, proto=protocol)


def _meant(found: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Give an address, or those that it stands for."""
    if isinstance(found, IPv4Address):
        return [found]
    if found.ipv4_mapped is not None:
        return [found.ipv4_mapped]
    hidden = [found.sixtofour, *(found.teredo or ())]
    if found in _NAT64:
        hidden.append(IPv4Address(int(found) & 0xFFFF_FFFF))
    return [found, *(one for one in hidden if one is not None)]
