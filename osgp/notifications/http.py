"""POST over HTTP/1.1 to one receiver, by a connection that is kept between notifications.

h11 knows the protocol; here are the limits: one deadline for everything, no redirects, no proxies, and no
more of an answer than somebody will look at.
"""

import time
from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import h11

from osgp import platform_time
from osgp.events.receivers import ReceiverUrl
from osgp.notifications.dialling import SendError, Stream, describe, dial

LARGEST_BODY = 4 * 1024
"""Octets of an answer that are read."""
LARGEST_HEAD = 16 * 1024
"""Octets of headers, and of interim answers, that are accepted."""
BODY_SECONDS = 1.0
"""For the body of an answer: its status is known by then."""
LONGEST_EXCERPT = 200
"""Characters of the body that are kept."""


class Answer(NamedTuple):
    """What a receiver said."""

    status: int
    excerpt: str
    retry_after: timedelta | None


class Receiver:
    """The connection to one origin, made when it is needed. Not for several threads at once."""

    def __init__(self) -> None:
        self._stream: Stream | None = None
        self._protocol = h11.Connection(h11.CLIENT)

    def post(self, url: ReceiverUrl, headers: Mapping[str, str], body: bytes, deadline: float) -> Answer:
        """Send one notification and return the answer. Raises SendError.

        ``deadline`` is on the monotonic clock. All URLs must have the same origin.
        """
        is_kept = self._stream is not None and self._stream.is_quiet()
        if not is_kept:
            self.close()
        try:
            try:
                return self._post(url, headers, body, deadline)
            except _HungUp:
                # A receiver may close a kept connection at any time, also while the next request is sent.
                if not is_kept:
                    raise
                self.close()
                return self._post(url, headers, body, deadline)
        except OSError as error:
            raise SendError(describe(error)) from error
        except h11.ProtocolError as error:
            raise SendError("The answer is not HTTP/1.1.") from error
        finally:
            if not self._is_reusable():
                self.close()

    def close(self) -> None:
        """Hang up; the next notification makes a new connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _is_reusable(self) -> bool:
        return self._protocol.our_state is self._protocol.their_state is h11.IDLE

    def _post(self, url: ReceiverUrl, headers: Mapping[str, str], body: bytes, deadline: float) -> Answer:
        if self._stream is None:
            self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
            self._stream = dial(url, deadline)
        request = h11.Request(
            method="POST",
            target=url.target,
            headers=[("Host", url.authority), ("Content-Length", str(len(body))), *headers.items()],
        )
        events = (request, h11.Data(body), h11.EndOfMessage())
        try:
            self._stream.send(b"".join(self._protocol.send(event) or b"" for event in events), deadline)
        except ConnectionError as error:
            raise _HungUp(describe(error)) from error
        return self._receive(self._stream, deadline)

    def _receive(self, stream: Stream, deadline: float) -> Answer:
        received = 0
        response: h11.Response | None = None
        content = bytearray()
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                try:
                    data = stream.receive(deadline)
                except OSError as error:
                    # The status is known: what is wrong with the rest of the answer changes nothing.
                    if response is not None:
                        break
                    if received or not isinstance(error, ConnectionError):
                        raise
                    raise _HungUp(describe(error)) from error
                if not data and not received:
                    raise _HungUp("The connection was closed without an answer.")
                if not data and response is not None:
                    break
                received += len(data)
                if response is None and received > LARGEST_HEAD:
                    raise SendError("The answer has too many headers.")
                self._protocol.receive_data(data)
            elif isinstance(event, h11.Response):
                response = event
                deadline = min(deadline, time.monotonic() + BODY_SECONDS)
            elif isinstance(event, h11.Data):
                content += event.data
                if len(content) > LARGEST_BODY:
                    break
            elif isinstance(event, h11.EndOfMessage):
                self._protocol_done()
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise SendError("The answer is not HTTP/1.1.")
        assert response is not None
        return Answer(response.status_code, _make_excerpt(content), _find_retry_after(response))

    def _protocol_done(self) -> None:
        if self._protocol.our_state is self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()


class _HungUp(SendError):
    """The receiver closed the connection before it said anything."""


def _make_excerpt(content: bytes | bytearray) -> str:
    text = bytes(content[: 4 * LONGEST_EXCERPT]).decode("utf-8", "replace")
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:LONGEST_EXCERPT]


def _find_retry_after(response: h11.Response) -> timedelta | None:
    """What 429 and 503 ask for, in seconds or as a time (RFC 9110 section 10.2.3)."""
    if response.status_code not in (429, 503):
        return None
    text = next((value for name, value in response.headers if name == b"retry-after"), b"").decode("latin-1")
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(moment - platform_time.now(), timedelta(0))
