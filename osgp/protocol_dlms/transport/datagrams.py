"""UDP as the carrier: each datagram holds wrapper frames, as a rule one (Green Book 7.3).

The socket is connected, so that it gets the datagrams of the meter only, and hears of a port where nobody
listens. Datagrams get lost: :class:`Session` sends again what may be sent again.
"""

import math
import socket
from contextlib import suppress
from typing import ClassVar

from osgp.faults import Fault
from osgp.protocol_dlms import errors
from osgp.protocol_dlms.transport.stream import Stream

WRAPPER_HEADER_SIZE = 8
UNFRAGMENTED_SIZE = 1400
"""Octets of a datagram that mobile networks carry in one piece."""
LARGEST_DATAGRAM = 65507
SECONDS_TO_SEND = 1.0
"""A datagram leaves at once, or is dropped."""


class Datagrams(Stream):
    """Datagrams to and from one meter.

    ``farewell`` is a datagram that is sent when this is closed, unless it is empty: the meter does not notice
    otherwise, and would refuse others for as long as it believes to have an association.
    """

    socket_type: ClassVar[int] = socket.SOCK_DGRAM
    may_lose: ClassVar[bool] = True
    apdu_size: ClassVar[int] = UNFRAGMENTED_SIZE - WRAPPER_HEADER_SIZE
    apdu_limit: ClassVar[int] = LARGEST_DATAGRAM - WRAPPER_HEADER_SIZE

    def send(self, octets: bytes) -> None:
        """Send one datagram."""
        self.clock.get_seconds_left()
        self._send(octets)

    def receive_exactly(self, size: int) -> bytes:
        """Receive ``size`` octets, which have to be in one datagram: the next, if nothing is left of one."""
        if not self._buffer:
            self._receive_some()
        return self.receive_rest(size)

    def receive_rest(self, size: int) -> bytes:
        """Take ``size`` octets of the datagram of which octets were taken last."""
        buffer = self._buffer
        if len(buffer) < size:
            buffer.clear()
            raise errors.IllegalResponse("a datagram ends before the frame in it does")
        octets = bytes(buffer[:size])
        del buffer[:size]
        return octets

    def close(self) -> None:
        """Take leave, and close the socket. May be called more than once."""
        farewell, self.farewell = self.farewell, b""
        if farewell:
            with suppress(Fault):
                self._send(farewell)
        super().close()

    def _send(self, octets: bytes) -> None:
        self._line.check()
        try:
            self._socket.settimeout(SECONDS_TO_SEND)
            self._socket.send(octets)
        except OSError as error:
            raise self._make_fault(error) from error
        self.bytes_sent += len(octets)
        self.traffic.bytes_sent += len(octets)

    def _receive_some(self, seconds: float = math.inf) -> None:
        """Receive one datagram. Empty ones are skipped."""
        while not self._buffer:
            try:
                self._socket.settimeout(min(self.clock.get_seconds_left(), seconds))
                received = self._socket.recv(LARGEST_DATAGRAM)
            except OSError as error:
                raise self._make_fault(error) from error
            self._line.check()
            self.bytes_received += len(received)
            self.traffic.bytes_received += len(received)
            self._buffer += received
            if not received:
                self.strays.skip(0, "an empty datagram")

    def _make_fault(self, error: OSError) -> errors.DlmsError:
        if isinstance(error, ConnectionRefusedError):
            self._line.check()
            return errors.ConnectionRefused("nothing listens for datagrams there")
        return super()._make_fault(error)
