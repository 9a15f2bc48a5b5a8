"""Date-times of meters that tell them in their own way (quirks), and what such meters understand.

Octets 9 and 10 of a date-time are the deviation, minutes from local time to UTC; octet 11 is the clock status
(Blue Book "Date and time formats").
"""

from datetime import datetime

from ..codec.axdr import Data, DataType, decode, encode
from ..codec.cosem_time import OCTETS, decode_date_time
from ..quirks import Quirk
from .state import LivingMeter

NOT_SPECIFIED = bytes.fromhex("8000")
STATUS_NOT_SPECIFIED = b"\xff"
EPOCH = bytes.fromhex("07B201010401000000FFC400")
"""1970-01-01 01:00 of UTC+1: what a clock shows that was never set."""

CHANGING = frozenset((Quirk.NO_DEVIATION, Quirk.NO_CLOCK_STATUS, Quirk.OPPOSITE_DEVIATION))
"""What changes date-times."""

_COMPOSITE = (DataType.ARRAY, DataType.STRUCTURE)


def _turn(octets: bytes) -> bytes:
    """The date-time with the opposite sign of its deviation, if it has any."""
    deviation = octets[9:11]
    if deviation == NOT_SPECIFIED:
        return octets
    turned = -int.from_bytes(deviation, "big", signed=True)
    return octets[:9] + turned.to_bytes(2, "big", signed=True) + octets[11:]


def tell(quirks: frozenset[Quirk], octets: bytes) -> bytes:
    """The 12 octets of a date-time as a meter with these quirks tells it."""
    if Quirk.NO_DEVIATION in quirks:
        octets = octets[:9] + NOT_SPECIFIED + octets[11:]
    elif Quirk.OPPOSITE_DEVIATION in quirks:
        octets = _turn(octets)
    if Quirk.NO_CLOCK_STATUS in quirks:
        octets = octets[:11] + STATUS_NOT_SPECIFIED
    return octets


def tell_all(quirks: frozenset[Quirk], encoded: bytes) -> bytes:
    """Encoded data with all date-times in it as :func:`tell` has them."""
    return encode(_tell_within(quirks, decode(encoded)))


def _tell_within(quirks: frozenset[Quirk], data: Data) -> Data:
    if data.type in _COMPOSITE:
        return Data(data.type, tuple(_tell_within(quirks, item) for item in data.value))
    is_told = data.type in (DataType.OCTET_STRING, DataType.DATE_TIME) and len(data.value) == OCTETS
    return Data(data.type, tell(quirks, data.value)) if is_told else data


def read_date_time(meter: LivingMeter, octets: bytes) -> datetime:
    """The UTC moment that a meter takes a date-time for. Raises RemoteProtocolError as
    :func:`decode_date_time` does."""
    if Quirk.OPPOSITE_DEVIATION in meter.quirks and len(octets) == OCTETS:
        octets = _turn(octets)
    return decode_date_time(octets, meter.zone)
