"""The line to one meter, which somebody else may hang up while its user waits."""

import socket
import threading
from contextlib import suppress

from osgp.protocol_dlms import errors


class Line:
    """Has one socket at a time, from before it is dialled until it is closed.

    Subclasses may know more reasons why it must not be used any more, see :meth:`check`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_down = False

    @property
    def is_down(self) -> bool:
        """Whether somebody hung up; there is no way back."""
        return self._is_down

    def check(self) -> None:
        """Raises, here :class:`errors.MeterClosed`, when the line must not be used any more.

        Asked before octets are sent, after every wait, and instead of any fault of the connection.
        """
        if self._is_down:
            raise errors.MeterClosed("somebody hung up")

    def hang_up(self) -> None:
        """End the connection for good; may be called from any thread (or greenlet) and more than once.

        Whoever waits in the socket, for a connection as well as for an answer, is woken. A mere close would
        not do that, and the meter would keep its association meanwhile.
        """
        with self._lock:
            self._is_down = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def attach(self, connection: socket.socket) -> None:
        """From now on this socket is the line's; raises as :meth:`check` does."""
        with self._lock:
            self._socket = connection
        self.check()

    def close(self, connection: socket.socket) -> None:
        """Close a socket, which is the line's no more: its number may be another's in a moment."""
        with self._lock:
            if self._socket is connection:
                self._socket = None
            connection.close()
