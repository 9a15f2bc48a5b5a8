"""What a meter sends without being asked (Green Book "DataNotification", "EventNotification")."""

from osgp.catalogue.cosem import AttributeDescriptor

from .axdr import encode_length, octet_string
from .errors import LocalProtocolError

DATA_NOTIFICATION = 0x0F
EVENT_NOTIFICATION_REQUEST = 0xC2

CONFIRMED = 1 << 30
"""Service class confirmed, in the long-invoke-id-and-priority."""
LARGEST_LONG_INVOKE_ID = 0xFFFFFFFF

_ABSENT = b"\x00"


def encode_data_notification(long_invoke_id: int, date_time: bytes, body: bytes) -> bytes:
    """A data-notification of one encoded value. ``long_invoke_id`` has 32 bits, with priority and service
    class; ``date_time`` has 12 octets, or none when it is left out."""
    if not 0 <= long_invoke_id <= LARGEST_LONG_INVOKE_ID:
        raise LocalProtocolError("a long-invoke-id-and-priority has 32 bits")
    invoke_id = long_invoke_id.to_bytes(4, "big")
    return bytes((DATA_NOTIFICATION,)) + invoke_id + encode_length(len(date_time)) + date_time + body


def encode_event_notification(date_time: bytes, descriptor: AttributeDescriptor, value: bytes) -> bytes:
    """An event-notification-request of one attribute. ``date_time`` has 12 octets, or none; it goes with a
    tag, as meters send it."""
    class_id, logical_name, attribute_id = descriptor
    time = octet_string(date_time) if date_time else _ABSENT
    attribute = class_id.to_bytes(2, "big") + logical_name + bytes((attribute_id,))
    return bytes((EVENT_NOTIFICATION_REQUEST,)) + time + attribute + value
