"""Deadlines on the monotonic clock: one for the session, one for the current exchange."""

import time

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.settings import Deadlines


class SessionClock:
    """Limits how long a blocking call may wait.

    The stream asks it before each read or write of the socket, so a peer cannot extend a deadline by sending
    single octets.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self.apdu_seconds = deadlines.apdu
        """Seconds for a request and its answer, unless told otherwise."""
        self._name_seconds = deadlines.name
        now = time.monotonic()
        self._session_end = now + deadlines.session
        self._connect_end = now + deadlines.connect
        self._exchange_end = now + deadlines.apdu

    def start_exchange(self, seconds: float | None = None) -> None:
        """Start the time for one request and its answer: ``seconds``, or ``Deadlines.apdu``."""
        self._exchange_end = time.monotonic() + (self.apdu_seconds if seconds is None else seconds)

    def get_seconds_left(self) -> float:
        """Return the seconds left for the exchange, always above zero.

        Raises :class:`ResponseTimeout` or :class:`CommunicationTimeout`.
        """
        now = time.monotonic()
        if now >= self._session_end:
            raise errors.CommunicationTimeout("the time for the session is over")
        if now >= self._exchange_end:
            raise errors.ResponseTimeout("no answer from the meter in time")
        return min(self._session_end, self._exchange_end) - now

    def get_seconds_to_connect(self) -> float:
        """Return the seconds left to set up the TCP connection, always above zero.

        Raises :class:`ConnectionTimedOut` or :class:`CommunicationTimeout`.
        """
        now = time.monotonic()
        if now >= self._session_end:
            raise errors.CommunicationTimeout("the time for the session is over")
        if now >= self._connect_end:
            raise errors.ConnectionTimedOut("no TCP connection in time")
        return min(self._session_end, self._connect_end) - now

    def get_seconds_to_resolve(self) -> float:
        """Return the seconds that a host name may take, always above zero. Raises as for connecting."""
        return min(self._name_seconds, self.get_seconds_to_connect())

    def get_session_seconds_left(self) -> float:
        """Return the seconds left for the whole session, 0 when they are over."""
        return max(self._session_end - time.monotonic(), 0.0)
