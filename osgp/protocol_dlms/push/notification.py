"""The services with which meters push (Green Book 9.3, 9.5): data-notification, event-notification-request.

A body is exactly one value. What it may become is proportional to its octets, see
:mod:`osgp.protocol_dlms.budget`.
"""

from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.errors import DecodeError, IllegalResponse
from osgp.protocol_dlms.octets import Cursor
from osgp.protocol_dlms.push import untagged
from osgp.protocol_dlms.push.errors import PushError, PushFault

DATA_NOTIFICATION = 0x0F
EVENT_NOTIFICATION_REQUEST = 0xC2

_OCTET_STRING = 0x09
_TIME_LENGTHS = (0, 4, 5, 12)  # absent, time, date, date-time
_NUMBER = 0x00FF_FFFF
_CONFIRMED = 0x4000_0000


class DataNotification(NamedTuple):
    """A data-notification.

    ``time`` is as sent: a date-time of 12 octets, a date of 5, a time of 4, or nothing. ``time_is_tagged``:
    the sender put the tag of an octet-string before it, which does not belong there.
    """

    long_invoke_id_and_priority: int
    time: bytes
    time_is_tagged: bool
    body: Data

    @property
    def number(self) -> int:
        """The number within the long-invoke-id: most senders count up, some always send 0."""
        return self.long_invoke_id_and_priority & _NUMBER

    @property
    def is_confirmed(self) -> bool:
        """Whether the sender says that it wants to be answered; many do so on lines without a way back."""
        return bool(self.long_invoke_id_and_priority & _CONFIRMED)


class EventNotification(NamedTuple):
    """An event-notification-request: one attribute and its value. ``time`` has 12 octets, or none."""

    time: bytes
    attribute: AttributeDescriptor
    value: Data


def parse_data_notification(apdu: bytes) -> DataNotification:
    """Return the parts of a plain data-notification. Raises PushError (UNKNOWN_FORM, MALFORMED)."""
    cursor = _begin(apdu, DATA_NOTIFICATION, "data-notification")
    try:
        invoke_id = cursor.read_unsigned(4)
        length = cursor.read_unsigned()
        # 9 is no length of a time.
        tagged = length == _OCTET_STRING
        if tagged:
            length = cursor.read_unsigned()
        if length not in _TIME_LENGTHS:
            text = f"The time of the data-notification has {length} octets."
            raise PushError(PushFault.MALFORMED, text, apdu)
        time = cursor.read(length)
        return DataNotification(invoke_id, time, tagged, _decode_body(cursor.read_rest()))
    except IllegalResponse as error:
        raise _make_malformed("data-notification", error, apdu) from None


def parse_event_notification(apdu: bytes) -> EventNotification:
    """Return the parts of a plain event-notification-request. Raises PushError (UNKNOWN_FORM, MALFORMED)."""
    cursor = _begin(apdu, EVENT_NOTIFICATION_REQUEST, "event-notification-request")
    try:
        time = b""
        # Optional: 1 would be right if it is there, the Dutch MX382 has the tag of an octet-string instead.
        if (usage := cursor.read_unsigned()) != 0:
            length = cursor.read_unsigned()
            if usage not in (1, _OCTET_STRING) or length != 12:
                text = "The time of the event-notification-request is no date-time."
                raise PushError(PushFault.MALFORMED, text, apdu)
            time = cursor.read(length)
        class_id = cursor.read_unsigned(2)
        logical_name = cursor.read(6)
        attribute_id = int.from_bytes(cursor.read(1), "big", signed=True)
        attribute = AttributeDescriptor(class_id, logical_name, attribute_id)
        return EventNotification(time, attribute, axdr.decode(cursor.read_rest()))
    except IllegalResponse as error:
        raise _make_malformed("event-notification-request", error, apdu) from None


def _begin(apdu: bytes, tag: int, name: str) -> Cursor:
    if apdu[:1] != bytes((tag,)):
        raise PushError(PushFault.UNKNOWN_FORM, f"The APDU is no {name}.", apdu)
    return Cursor(apdu, 1)


def _make_malformed(name: str, error: IllegalResponse, apdu: bytes) -> PushError:
    why = str(error) if isinstance(error, DecodeError) else "it is cut short"
    return PushError(PushFault.MALFORMED, f"The {name} is malformed: {why}.", apdu)


def _decode_body(octets: bytes) -> Data:
    if untagged.is_untagged(octets):
        return untagged.decode(octets)
    return axdr.decode(octets)
