"""Where may be dialled: each connection asks first, with the very address that it is about to use.

Callers of the platform choose the addresses of meters, and the platform dials them from inside of its own
network: without a guard they could reach what only the platform can. A process has one guard for all its
connections; until it is given another, special addresses and those of the machine itself are refused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from osgp.ip_addresses import Address, find_meant, is_of_this_machine, is_special, parse_address

Guard = Callable[[Address, int], bool]
"""Says whether an address may be dialled at a port. IPv6 addresses that stand for IPv4 ones come as these."""


def refuse_special(address: Address, port: int) -> bool:
    """The guard of a process that was given no other."""
    return not is_special(address) and not is_of_this_machine(address)


class _Gate:
    guard: Guard = staticmethod(refuse_special)


def use(guard: Guard) -> None:
    """Have all connections of this process ask ``guard`` from now on."""
    _Gate.guard = staticmethod(guard)


@contextmanager
def using(guard: Guard) -> Iterator[None]:
    """Have connections ask ``guard`` within the block."""
    former = _Gate.guard
    use(guard)
    try:
        yield
    finally:
        use(former)


def may_dial(host: str, port: int) -> bool:
    """Whether an IP address, as text, may be dialled."""
    address = parse_address(host)
    return address is not None and _Gate.guard(find_meant(address), port)
