"""IP addresses by what they lead to. Depends on nothing."""

import _socket
import errno
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
SPECIAL_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this machine
        "127.0.0.0/8",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, and broadcast
        # All IPv6 addresses but global (2000::/3) and private ones (fc00::/7).
        "::/3",
        "4000::/2",
        "8000::/2",
        "c000::/3",
        "e000::/4",
        "f000::/5",
        "f800::/6",
        "fe00::/7",
        "2001::/23",  # Teredo, ORCHID and other protocols: none of them leads to a device.
        # Where clouds tell a machine its secrets, as far as that is none of the networks above.
        "100.100.100.200/32",
        "168.63.129.16/32",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
    )
)
"""Loopback, link-local, multicast, reserved and unspecified addresses, and others that devices do not have.
Private networks (10.0.0.0/8 and so on) are not among them."""
_NEVER_OWN = IPv4Address("192.0.2.1")
"""For documentation (RFC 5737)."""


def parse_address(host: str) -> Address | None:
    """Return the address that a host is, None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def find_meant(address: Address) -> Address:
    """Return the IPv4 address that a mapped, translated (RFC 6052) or 6to4 (RFC 3056) address leads to; other
    addresses as they are."""
    if address.version == 4:
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    if address in _6TO4:
        return IPv4Address(address.packed[2:6])
    return address


def is_special(address: Address) -> bool:
    """Whether an address is in one of the SPECIAL_NETWORKS."""
    return any(address in network for network in SPECIAL_NETWORKS)


def is_inside_special(network: Network) -> bool:
    """Whether all addresses of a network are special ones of one kind."""
    return any(
        network.version == special.version and network.subnet_of(special)  # type: ignore[arg-type]
        for special in SPECIAL_NETWORKS
    )


def is_of_this_machine(address: Address) -> bool:
    """Whether an address is one of this machine's: the system lets a socket have these only."""
    return _can_be_had(address) and not _can_all_be_had()


@cache
def _can_all_be_had() -> bool:
    """Whether the system lets sockets have addresses that are not its own (net.ipv4.ip_nonlocal_bind)."""
    return _can_be_had(_NEVER_OWN)


def _can_be_had(address: Address) -> bool:
    # The plain class: it waits for nothing, and the one around it costs as much as the system does.
    family = _socket.AF_INET if address.version == 4 else _socket.AF_INET6
    try:
        probe = _socket.socket(family, _socket.SOCK_DGRAM)
        try:
            probe.bind((str(address), 0))
        finally:
            probe.close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return True
