"""Meters over UDP, made of a few lines each, that lose and double datagrams as they are told."""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self

from osgp.catalogue.communication import Carrier
from osgp.protocol_dlms import Meter, MeterAddress
from tests.protocol_dlms.peers import WrapperMeter
from tests.protocol_dlms.sessions import connect

Deliver = Callable[[int, bytes], Sequence[bytes]]
"""From the number of a datagram and its octets to the datagrams that arrive in its place."""


def deliver(_: int, datagram: bytes) -> Sequence[bytes]:
    return [datagram]


def losing(*numbers: int) -> Deliver:
    """Loses the datagrams of these numbers."""
    return lambda number, datagram: [] if number in numbers else [datagram]


class DatagramMeter:
    """A :class:`WrapperMeter` for one peer, on a free port; lossy both ways.

    ``requests`` and ``answers`` deliver what goes to the meter and what comes from it. ``received`` are the
    datagrams that were sent to it, those that are lost too.
    """

    def __init__(
        self, meter: WrapperMeter, *, requests: Deliver = deliver, answers: Deliver = deliver
    ) -> None:
        self._meter = meter
        self._requests = requests
        self._answers = answers
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.received: list[bytes] = []
        self._waiting: list[bytes] = []
        self._buffer = b""
        self._peer: tuple[str, int] | None = None
        self._sent = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.failures: list[BaseException] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.settimeout(0.01)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._wake()
        self._thread.join(10)
        self._socket.close()
        assert not self.failures, self.failures

    def _wake(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))

    def _serve(self) -> None:
        try:
            self._meter(self)  # type: ignore[arg-type]
            # The release was answered; what comes now is only noted.
            while True:
                self._take()
        except (OSError, EOFError):
            pass
        except BaseException as failure:  # noqa: BLE001 - shown by the test that caused it
            self.failures.append(failure)

    def _take(self) -> None:
        datagram, self._peer = self._socket.recvfrom(65536)
        if not datagram:
            raise EOFError
        number = len(self.received)
        self.received.append(datagram)
        self._waiting += self._requests(number, datagram)

    # As the meter sees it: a connection.

    def recv(self, size: int) -> bytes:
        while not self._buffer:
            while not self._waiting:
                self._take()
            self._buffer = self._waiting.pop(0)
        octets, self._buffer = self._buffer[:size], self._buffer[size:]
        return octets

    def sendall(self, octets: bytes) -> None:
        assert self._peer is not None
        for datagram in self._answers(self._sent, octets):
            self._socket.sendto(datagram, self._peer)
        self._sent += 1


def connect_to(port: int, **settings: object) -> Meter:
    """A Meter over UDP."""
    return connect(port, address=MeterAddress("127.0.0.1", port, carrier=Carrier.UDP), **settings)
