"""The socket on which a server listens, and the file descriptors for its connections."""

import resource
import socket

SPARE_DESCRIPTORS = 100
"""Beside connections of callers: files, database connections, the event loop."""


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """Return a listening socket. Raises OSError, also when the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def allow_descriptors(connections: int) -> int:
    """Let the process have as many connections, or as many as the system allows; return how many."""
    needed = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(connections, soft - SPARE_DESCRIPTORS)
