"""Where meters are dialled: in OSGP_METER_NETWORKS, not at special addresses or the platform's services.

Special addresses (osgp/ip_addresses.py) are dialled only if a network of the setting lies within theirs:
``0.0.0.0/0`` does not allow ``127.0.0.1``, ``127.0.0.0/8`` does. Addresses of the machine itself count as
loopback.
"""

import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from osgp.devices import never_dialled
from osgp.ip_addresses import (
    Address,
    Network,
    find_meant,
    is_inside_special,
    is_of_this_machine,
    is_special,
    parse_address,
)
from osgp.ip_networks import list_networks

NOT_DIALLED = "Meters are not dialled at this address."
LOCAL_NAMES = ("localhost", "localdomain")
_LOOPBACK: dict[int, Address] = {4: IPv4Address("127.0.0.1"), 6: IPv6Address("::1")}


def may_dial(address: Address, port: int) -> bool:
    """Whether a meter may be dialled at an address. IPv6 ones that stand for IPv4 ones are given as these."""
    networks = list_networks("METER_NETWORKS")
    if not _is_allowed(address, networks):
        return False
    if is_of_this_machine(address) and not _is_allowed(_LOOPBACK[address.version], networks):
        return False
    return not never_dialled.is_refused(address, port)


def is_dialled(host: str, port: int) -> bool:
    """Whether a host may be that of a meter, as far as can be said without looking a name up.

    What a name leads to is found out, and judged, each time that the meter is dialled.
    """
    address = parse_address(host) or _parse_short(host)
    if address is not None:
        return may_dial(find_meant(address), port)
    is_local = host.lower().removesuffix(".").rpartition(".")[2] in LOCAL_NAMES
    return not is_local or may_dial(_LOOPBACK[4], port)


def _parse_short(host: str) -> Address | None:
    """An IPv4 address in one of the forms that the C library takes for one, such as ``127.1``."""
    if not host[-1:].isalnum() or not host[:1].isdigit():
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _is_allowed(address: Address, networks: tuple[Network, ...]) -> bool:
    if is_special(address):
        networks = tuple(network for network in networks if is_inside_special(network))
    return any(address.version == network.version and address in network for network in networks)
