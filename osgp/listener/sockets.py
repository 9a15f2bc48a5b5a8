"""The sockets of a listener, for IPv4 and IPv6."""

import errno
import ipaddress
import socket
import struct
from contextlib import ExitStack, suppress

SO_RCVBUFFORCE = 33
"""Linux: as SO_RCVBUF, but beyond net.core.rmem_max; for CAP_NET_ADMIN."""
SO_MEMINFO = 55
"""Linux: what a socket holds, nine numbers, of which the last one is how many datagrams were dropped."""
BACKLOG = 4096
"""Connections that wait to be accepted; no more than net.core.somaxconn."""
ACCEPTED_AT_ONCE = 100
"""Connections accepted before others have their turn: until then those without room keep a file open."""


LINGER_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: a connection that is closed is reset."""
LINGER_OFF = struct.pack("ii", 0, 0)
"""SO_LINGER: a connection that is closed ends in good order, unless there are octets that were not read."""


class AddressInUse(Exception):
    """Somebody else has the port."""


def open_sockets(kind: socket.SocketKind, host: str, port: int) -> list[socket.socket]:
    """Return bound sockets of one kind: for the addresses of ``host``, or all of this machine if it is empty.

    Port 0 is any free one, the same for all. Raises AddressInUse, or OSError if ``host`` is no address here.
    """
    flags = socket.AI_PASSIVE
    found = socket.getaddrinfo(host or None, port, type=kind, flags=flags)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    opened: list[socket.socket] = []
    with ExitStack() as stack:
        for family, (name, _, *scope) in sorted(addresses, key=lambda item: item[0]):
            try:
                bound = socket.socket(family, kind)
            except OSError:
                continue  # no IPv6 on this machine
            stack.callback(bound.close)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_STREAM:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                # For all that is accepted: how the kernel closes them if this process dies.
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            try:
                bound.bind((name, port, *scope))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and not host:
                    continue
                if error.errno == errno.EADDRINUSE:
                    raise AddressInUse(f"port {port} of {host or 'this machine'} is in use") from error
                raise
            port = bound.getsockname()[1]
            bound.setblocking(False)
            opened.append(bound)
        if not opened:
            raise OSError(f"there is no address {host!r} here")
        stack.pop_all()
    return opened


def raise_receive_buffer(bound: socket.socket, octets: int) -> int:
    """Ask the kernel to hold so many octets of datagrams; return how many it will.

    The kernel counts what it needs for each besides: small datagrams fill three to five times their size.
    """
    for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):
        with suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, option, octets)
            break
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # it doubles what it was asked for


_MEMORY = struct.Struct("=9I")


def read_dropped(bound: socket.socket) -> int:
    """Return how many datagrams the kernel dropped since the socket was made, modulo 2³²."""
    told = bound.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMORY.size)
    return int(_MEMORY.unpack(told)[-1])


def normalise_address(host: str) -> str:
    """Return a source address without a zone, and an IPv4 one in its own form."""
    host = host.partition("%")[0]
    if host.startswith("::ffff:"):
        mapped = ipaddress.IPv6Address(host).ipv4_mapped
        return str(mapped) if mapped else host
    return host
