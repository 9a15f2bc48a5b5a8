"""What comes between the answers of meters with quirks: notifications, former answers, frames for others."""

from datetime import datetime

from osgp.catalogue.cosem import AttributeDescriptor

from .codec.axdr import long_unsigned, octet_string, structure
from .codec.cosem_time import encode_date_time
from .codec.notifications import encode_data_notification, encode_event_notification
from .links import Link, WrapperLink
from .meter.meter import Meter
from .quirks import Quirk

EVERY = 3
"""Before every third answer, beginning with the first, something comes between."""
NOTIFIED_COUNTER = AttributeDescriptor(1, bytes((0, 0, 96, 7, 21, 255)), 2)
"""The number of power failures: in the event-notification."""
ALARM_SETUP = bytes((0, 1, 25, 9, 0, 255))
NOTIFIED_VALUE = 263

_WITHOUT_INVOKE_ID = (0xD8, 0x0E)
"""Nobody can tell two of these from one that comes twice, so they come once."""
_OTHER_ANSWER = bytes.fromhex("c401c10006ffffffff")
"""A get-response with a value that nobody who asked for another should take for an answer."""


class Between:
    """What comes before the answers to one client of one meter, by the meter's quirks."""

    __slots__ = ("_answers", "_former", "_notifications")

    def __init__(self) -> None:
        self._answers = 0
        self._notifications = 0
        self._former = b""

    def take(self, meter: Meter, link: Link, client: int, server: int, answer: bytes) -> list[bytes]:
        """The frames that go before ``answer``, an APDU."""
        quirks = meter.quirks
        frames: list[bytes] = []
        if Quirk.ANSWERS_TWICE in quirks and isinstance(link, WrapperLink):
            # HDLC has sequence numbers: an answer that comes twice is a frame that comes twice.
            if self._former:
                frames.append(link.send(client, server, self._former))
            self._former = answer if answer[0] not in _WITHOUT_INVOKE_ID else b""
        if self._answers % EVERY == 0:
            if Quirk.OTHER_CLIENTS in quirks:
                frames.append(link.send_to_other(client, server, _OTHER_ANSWER))
            if Quirk.NOTIFIES_BETWEEN in quirks:
                frames.append(link.notify(client, server, self._make_notification(meter)))
        self._answers += 1
        return [frame for frame in frames if frame]

    def _make_notification(self, meter: Meter) -> bytes:
        """A data-notification and an event-notification-request in turn."""
        self._notifications += 1
        now = meter.settings.clock()
        local: datetime = meter.local_time(now)
        stamp = encode_date_time(local.replace(microsecond=0))
        if self._notifications % 2:
            name = meter.identification.encode()
            body = structure(octet_string(name), octet_string(ALARM_SETUP), long_unsigned(NOTIFIED_VALUE))
            return encode_data_notification(self._notifications, stamp, body)
        return encode_event_notification(stamp, NOTIFIED_COUNTER, long_unsigned(NOTIFIED_VALUE))
