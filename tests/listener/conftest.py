"""A listener in a thread of the test, and calls to it."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from osgp.listener.limits import Limits
from osgp.listener.service import Listener

PATIENCE = 30.0
"""Seconds until a test gives up."""
LOOPBACK = "127.0.0.1"


@contextmanager
def run_listener(directory: Path, host: str = LOOPBACK, **limits: float) -> Iterator[Listener]:
    """Run a listener with these limits while the block lasts."""
    chosen: dict[str, Any] = {"spool_size": 10_000_000, "quiet": 0.2, "patience": PATIENCE, **limits}
    listener = Listener(host, 0, 0, limits=Limits(spool_directory=directory / "push-spool", **chosen))
    thread = threading.Thread(target=listener.run, name="listener")
    thread.start()
    try:
        yield listener
    finally:
        listener.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture
def listener(transactional_db: None, tmp_path: Path) -> Iterator[Listener]:
    with run_listener(tmp_path) as running:
        yield running


class HasPort(Protocol):
    """A listener, or where one is called."""

    @property
    def tcp_port(self) -> int | None: ...


def dial(listener: HasPort, host: str = LOOPBACK, tries: int = 1000) -> socket.socket:
    """A connection to a listener, which may have to begin first. Raises ConnectionRefusedError."""
    assert listener.tcp_port is not None
    while True:
        try:
            return socket.create_connection((host, listener.tcp_port), timeout=PATIENCE)
        except ConnectionRefusedError:
            tries -= 1
            if tries <= 0:
                raise
            threading.Event().wait(0.02)


def hear_end(call: socket.socket) -> str:
    """How the listener ends a connection: "closed" in good order, or "reset"."""
    try:
        assert call.recv(1) == b""
    except ConnectionResetError:
        return "reset"
    finally:
        call.close()
    return "closed"


def push(listener: HasPort, octets: bytes, *, half_close: bool = True) -> str:
    """Push over a connection of its own; returns how that ended."""
    call = dial(listener)
    try:
        call.sendall(octets)
        if half_close:
            call.shutdown(socket.SHUT_WR)
    except OSError:  # A connection that was refused may be reset before all is said.
        call.close()
        return "reset"
    return hear_end(call)


def hang_up(call: socket.socket) -> None:
    """Reset a connection."""
    call.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.close()


def send_datagram(listener: Listener, *datagrams: bytes) -> None:
    """Push datagrams from one port."""
    assert listener.udp_port is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for datagram in datagrams:
            sending.sendto(datagram, (LOOPBACK, listener.udp_port))
