"""The line to one meter, which another thread may hang up while its user waits."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

from osgp.protocol_dlms import errors


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
