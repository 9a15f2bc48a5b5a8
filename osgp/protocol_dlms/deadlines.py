"""Time budgets on the monotonic clock: one for the session, one for the exchange under way."""

import time

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.settings import Deadlines


class SessionClock:
    """Tells how long a blocking call may still wait.

    It is asked again before each single read or write of the socket, so that a peer that sends one octet at a
    time gains nothing by it.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self._apdu = deadlines.apdu
        now = time.monotonic()
        self._session_end = now + deadlines.session
        self._connect_end = now + deadlines.connect
        self._exchange_end = now + deadlines.apdu

    def start_exchange(self, seconds: float | None = None) -> None:
        """From here on one request and its answer may take ``Deadlines.apdu``, or that many, seconds."""
        self._exchange_end = time.monotonic() + (self._apdu if seconds is None else seconds)

    def get_seconds_left(self) -> float:
        """Seconds left, always above zero; otherwise :class:`ResponseTimeout` or
        :class:`CommunicationTimeout`.
        """
        now = time.monotonic()
        if now >= self._session_end:
            raise errors.CommunicationTimeout("the time for the session is over")
        if now >= self._exchange_end:
            raise errors.ResponseTimeout("no answer from the meter in time")
        return min(self._session_end, self._exchange_end) - now

    def get_seconds_to_connect(self) -> float:
        """As :meth:`get_seconds_left`, while the TCP connection is being made."""
        now = time.monotonic()
        if now >= self._session_end:
            raise errors.CommunicationTimeout("the time for the session is over")
        if now >= self._connect_end:
            raise errors.ConnectionTimedOut("no TCP connection in time")
        return min(self._session_end, self._connect_end) - now

    def get_session_seconds_left(self) -> float:
        """Seconds until the whole session has to be over; 0 when it has."""
        return max(self._session_end - time.monotonic(), 0.0)
