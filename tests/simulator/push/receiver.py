"""A small head-end for pushes: it keeps what arrives, and closes TCP connections as it is told."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

WAIT_SECONDS = 60
"""How long a test waits for what has to come."""

Ending = Callable[[socket.socket, bytes], bool]
"""Whether a connection is to be closed, by what has come over it."""


def at_end(connection: socket.socket, octets: bytes) -> bool:
    """Only when the meter has closed its side."""
    return False


def of_wrapper(connection: socket.socket, octets: bytes) -> bool:
    """Once a wrapper frame is complete."""
    return len(octets) >= 8 and len(octets) >= 8 + int.from_bytes(octets[6:8], "big")


def of_whatever(connection: socket.socket, octets: bytes) -> bool:
    """Once a wrapper frame is complete; text ends with the connection."""
    return octets[:2] == b"\x00\x01" and of_wrapper(connection, octets)


class Receiver:
    """Listens on TCP and UDP at the same port; ``pushes`` are messages in the order of their ends,
    ``datagrams`` single datagrams."""

    def __init__(self, ending: Ending = of_whatever) -> None:
        self.ending = ending
        self.pushes: list[bytes] = []
        self.datagrams: list[bytes] = []
        self._tcp = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._arrived = threading.Condition()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._accept, self._take)]
        for thread in self._threads:
            thread.start()

    @property
    def address(self) -> str:
        """As meters are told it."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Listen no more."""
        for listening in (self._tcp, self._udp):
            # Wakes the thread that waits.
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def wait(self, count: int = 1) -> list[bytes]:
        """The first pushes over TCP, once so many have come."""
        return self._wait_for(self.pushes, count)

    def wait_for_datagrams(self, count: int = 1) -> list[bytes]:
        """The first datagrams, once so many have come."""
        return self._wait_for(self.datagrams, count)

    def _wait_for(self, kept: list[bytes], count: int) -> list[bytes]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(kept) >= count, WAIT_SECONDS), kept
            return kept[:count]

    def _keep(self, kept: list[bytes], octets: bytes) -> None:
        with self._arrived:
            kept.append(octets)
            self._arrived.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        octets = b""
        with connection:
            connection.settimeout(WAIT_SECONDS)
            with suppress(OSError):
                while not self.ending(connection, octets) and (chunk := connection.recv(4_096)):
                    octets += chunk
            self._keep(self.pushes, octets)

    def _take(self) -> None:
        while True:
            try:
                octets, _ = self._udp.recvfrom(65_536)
            except OSError:
                return
            if not octets:
                return
            self._keep(self.datagrams, octets)


@contextmanager
def receiving(ending: Ending = of_whatever) -> Iterator[Receiver]:
    """A receiver for as long as the block lasts."""
    receiver = Receiver(ending)
    try:
        yield receiver
    finally:
        receiver.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; it has to within a minute."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
