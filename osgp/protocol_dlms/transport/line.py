"""The line to one meter, which another thread may hang up while its user waits."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.consumption import Consumption

MOST_NOTIFICATIONS = 16
"""Notifications of one connection that ``Line.on_notification`` is told of."""
LONGEST_NOTIFICATION = 0xFFFF
"""Octets of each: what a wrapper frame holds. An APDU from HDLC frames may have a few more."""


@dataclass(slots=True)
class Traffic:
    """What went over a line so far, in all its connections. Octets include framing."""

    round_trips: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Line:
    """Holds one socket at a time, from before it is connected until it is closed.

    Subclasses may forbid its use for further reasons, see :meth:`check`.
    """

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.consumption = Consumption()
        self.peer_address = ""
        """The IP address of the meter that was called last, without a zone; empty before the first call."""
        self.on_notification: Callable[[bytes], None] | None = None
        """Called with each APDU that a meter sent without being asked, as it was received, at most
        MOST_NOTIFICATIONS times in a connection. Must not raise: that would end the association."""
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_down = False

    @property
    def is_down(self) -> bool:
        """Whether the line was hung up, which is final."""
        return self._is_down

    def check(self) -> None:
        """Raise, here :class:`errors.MeterClosed`, if the line must no longer be used.

        Called before octets are sent, after every wait, and before a fault of the connection is raised.
        """
        if self._is_down:
            raise errors.MeterClosed("the line was hung up")

    def hang_up(self) -> None:
        """End the connection for good; may be called from any thread (or greenlet) and more than once.

        Wakes a thread that waits in the socket, for a connection or an answer. Closing the socket would not,
        and the meter would keep its association meanwhile.
        """
        with self._lock:
            self._is_down = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def attach(self, connection: socket.socket) -> None:
        """Hold this socket from now on. Raises as :meth:`check` does."""
        with self._lock:
            self._socket = connection
        self.check()

    def close(self, connection: socket.socket) -> None:
        """Close a socket and no longer hold it: the system may reuse its number at once."""
        with self._lock:
            if self._socket is connection:
                self._socket = None
            connection.close()
