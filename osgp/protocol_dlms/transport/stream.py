"""A TCP connection with deadlines, a bounded buffer and typed errors.

Plain blocking sockets work with one thread per meter, and with gevent, which replaces the socket module.
"""

import errno
import math
import socket
import time
from collections.abc import Sequence
from typing import ClassVar

from osgp.ip_addresses import parse_address
from osgp.protocol_dlms import errors
from osgp.protocol_dlms.consumption import Consumption
from osgp.protocol_dlms.deadlines import SessionClock
from osgp.protocol_dlms.transport import destinations
from osgp.protocol_dlms.transport.line import LONGEST_NOTIFICATION, MOST_NOTIFICATIONS, Line, Traffic
from osgp.protocol_dlms.transport.names import find_addresses
from osgp.protocol_dlms.transport.strays import Strays

_RECEIVE_SIZE = 16 * 1024


class Stream:
    """Octets to and from one meter. ``clock`` limits each wait; ``line`` may forbid further use.

    ``may_lose``: the carrier may lose what is sent, both ways, and change its order. ``apdu_limit`` is the
    octets of the longest APDU that it carries, ``apdu_size`` of the longest that it carries well.
    ``farewell`` is for carriers without connections, see :class:`datagrams.Datagrams`.
    """

    socket_type: ClassVar[int] = socket.SOCK_STREAM
    may_lose: ClassVar[bool] = False
    apdu_size: ClassVar[int] = 0xFFFF
    apdu_limit: ClassVar[int] = 0xFFFF

    def __init__(self, host: str, port: int, clock: SessionClock, line: Line | None = None) -> None:
        self.clock = clock
        self.strays = Strays()
        self.farewell = b""
        self._notifications = 0
        self._line = line or Line()
        self.bytes_sent = 0
        self.bytes_received = 0
        self._buffer = bytearray()
        begun = time.monotonic()
        self._socket = _dial(host, port, clock, self._line, self.socket_type)
        self.connect_seconds = time.monotonic() - begun

    @property
    def traffic(self) -> Traffic:
        """What went over the line, in this connection and in former ones."""
        return self._line.traffic

    @property
    def consumption(self) -> Consumption:
        """What the visit has consumed, in this connection and in former ones."""
        return self._line.consumption

    def send(self, octets: bytes) -> None:
        """Send all of ``octets`` within the time left."""
        self._line.check()
        try:
            self._socket.settimeout(self.clock.get_seconds_left())
            self._socket.sendall(octets)
        except OSError as error:
            raise self._make_fault(error) from error
        self.bytes_sent += len(octets)
        self.traffic.bytes_sent += len(octets)

    def receive_exactly(self, size: int) -> bytes:
        """Receive ``size`` octets. Callers limit ``size``; the buffer holds at most one read beyond it."""
        buffer = self._buffer
        while len(buffer) < size:
            self._receive_some()
        octets = bytes(buffer[:size])
        del buffer[:size]
        return octets

    def receive_rest(self, size: int) -> bytes:
        """Receive ``size`` octets of a frame whose beginning was received."""
        return self.receive_exactly(size)

    def receive_within(self, seconds: float) -> bytes:
        """Return the octets that come next, at most one read; none if none come within ``seconds``.

        Raises as the others do, also when the time for the exchange ends before.
        """
        if not self._buffer:
            try:
                self._receive_some(seconds)
            except errors.ResponseTimeout:
                self.clock.get_seconds_left()
        octets = bytes(self._buffer)
        self._buffer.clear()
        return octets

    def tell_notification(self, apdu: bytes) -> None:
        """Tell whom the line belongs to of a notification, unless there were too many in this connection."""
        observer = self._line.on_notification
        if observer is None or self._notifications >= MOST_NOTIFICATIONS or len(apdu) > LONGEST_NOTIFICATION:
            return
        self._notifications += 1
        observer(apdu)

    def close(self) -> None:
        """Close the connection. May be called more than once."""
        self._line.close(self._socket)

    def _receive_some(self, seconds: float = math.inf) -> None:
        try:
            self._socket.settimeout(min(self.clock.get_seconds_left(), seconds))
            received = self._socket.recv(_RECEIVE_SIZE)
        except OSError as error:
            raise self._make_fault(error) from error
        self._line.check()
        if not received:
            raise errors.SocketClosedByRemote("the meter closed the connection")
        self.bytes_received += len(received)
        self.traffic.bytes_received += len(received)
        self._buffer += received

    def _make_fault(self, error: OSError) -> errors.DlmsError:
        self._line.check()
        if isinstance(error, TimeoutError) and error.errno != errno.ETIMEDOUT:
            try:
                self.clock.get_seconds_left()
            except errors.DlmsError as too_late:
                return too_late
            return errors.ResponseTimeout("no answer from the meter in time")
        return _make_connection_fault(error)


def _dial(host: str, port: int, clock: SessionClock, line: Line, kind: int) -> socket.socket:
    """Return a connected socket; tries each address of the host in turn within the time for connecting.

    Addresses where no meter is dialled are left out: nothing is sent there, and the fault does not tell them.
    """
    host = host.strip()
    failure: errors.DlmsError | None = None
    for address in _find_addresses(host, clock, line):
        if not destinations.may_dial(address, port):
            continue
        try:
            return _connect(address, port, clock, line, kind)
        except OSError as error:
            line.check()
            failure = _make_dialling_fault(error, f"{host} port {port}")
            failure.__cause__ = error
    raise failure or errors.AddressNotAllowed(f"no meter is dialled at {host} port {port}: it is not allowed")


def _connect(address: str, port: int, clock: SessionClock, line: Line, kind: int) -> socket.socket:
    """Connect to an IP address: there is nothing left to be looked up."""
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    try:
        line.attach(connection)
        connection.settimeout(clock.get_seconds_to_connect())
        connection.connect((address, port))
        line.check()
        line.peer_address = address.partition("%")[0]
        if kind == socket.SOCK_STREAM:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        line.close(connection)
        raise
    return connection


def _find_addresses(host: str, clock: SessionClock, line: Line) -> Sequence[str]:
    """Return the addresses to try. Names are looked up; addresses are not, and wait for nobody."""
    if parse_address(host) is not None:
        return (host,)
    found = find_addresses(host, clock.get_seconds_to_resolve())
    line.check()
    return found


def _make_dialling_fault(error: OSError, where: str) -> errors.DlmsError:
    """Return the typed error for an operating system error while connecting."""
    if isinstance(error, ConnectionRefusedError):
        return errors.ConnectionRefused(f"{where} refused the connection")
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return errors.ConnectionReset(f"{where} reset the connection")
    if isinstance(error, TimeoutError):
        return errors.ConnectionTimedOut(f"{where} did not answer the call")
    return errors.ConnectionEstablishError(f"cannot call {where}: {error.strerror or type(error).__name__}")


def _make_connection_fault(error: OSError) -> errors.DlmsError:
    """Return the typed error for an operating system error of a connection in use."""
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return errors.ConnectionReset("the connection was reset")
    if isinstance(error, TimeoutError):
        return errors.ConnectionTimedOut("the connection timed out")
    return errors.ConnectionError_(f"the connection failed: {error.strerror or type(error).__name__}")
