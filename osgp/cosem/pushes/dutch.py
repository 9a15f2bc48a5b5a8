"""Alarms and wake-ups of Dutch meters: DSMR 4 text, MX382 (DSMR 2.2), SMR 5.

DSMR 4 is no APDU: the equipment identifier in ASCII, a comma, and either alarm register 1 or the logical name
of what made the meter push. The others are an event-notification-request and a data-notification.
"""

import re
from datetime import datetime

from osgp.catalogue import obis
from osgp.cosem.pushes.model import AlarmPush, Layout, PushTrigger, ValuesPush, WakeUpPush
from osgp.cosem.pushes.shapes import get_logical_name, get_structure
from osgp.protocol_dlms import Data, DataType
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.notification import EventNotification

DutchPush = AlarmPush | WakeUpPush | ValuesPush

IDENTIFIER_LENGTH = 17
LAST_GASP = 1
"""Alarm register 3 with the bit that a meter sets when it loses power."""

_COMMA = ord(",")
_IDENTIFIER = re.compile(rb"[0-9A-Za-z]{17}")
# Equipment identifiers of DSMR 2.2 may have one character less.
_MX382_IDENTIFIER = re.compile(rb"[0-9A-Za-z]{16,17}")

# The logical names that name what made the meter push
_SMS_WAKE_UP = "0-0:2.3.0.255"
_CSD_WAKE_UP = "0-0:2.2.0.255"
_PUSH_SCHEDULER = "0-0:15.0.4.255"
_PUSH_SETUP_SMS = "0-2:25.9.0.255"
_PUSH_SETUP_LAST_GASP = "0-3:25.9.0.255"
_ALARM_NAMES = ("0-0:16.1.0.255", "0-1:25.9.0.255")  # alarm monitor, push setup alarm

_DSMR4_WAKE_UPS = {_SMS_WAKE_UP: PushTrigger.SMS_WAKEUP, _CSD_WAKE_UP: PushTrigger.CSD_WAKEUP}
# SMR 5 has one name for both.
_SMR5_WAKE_UPS = {_CSD_WAKE_UP: PushTrigger.SMS_WAKEUP, _PUSH_SETUP_SMS: PushTrigger.SMS_WAKEUP}

PUSH_OBJECTS = frozenset(
    {*_DSMR4_WAKE_UPS, *_SMR5_WAKE_UPS, *_ALARM_NAMES, _PUSH_SCHEDULER, _PUSH_SETUP_LAST_GASP}
)
"""Logical names that stand for a push, those of all push setups aside."""

_LOST_POWER = (1, bytes.fromhex("808080808000"), 2)
_EQUIPMENT_IDENTIFIER = (1, obis.parse("0-0:96.1.1.255"), 2)


def is_dsmr4(message: bytes) -> bool:
    """Return whether a message is DSMR 4 text: 17 letters and digits and a comma."""
    begins = _IDENTIFIER.match(message)
    return bool(begins) and message[IDENTIFIER_LENGTH : IDENTIFIER_LENGTH + 1] == bytes((_COMMA,))


def parse_dsmr4(message: bytes) -> DutchPush:
    """Return what a DSMR 4 text says. Raises PushError (MALFORMED) unless 4 or 6 octets follow the comma."""
    identification = message[:IDENTIFIER_LENGTH].decode("ascii")
    content = message[IDENTIFIER_LENGTH + 1 :]
    if len(content) == 4:
        return AlarmPush(identification, None, {1: int.from_bytes(content, "big")})
    if len(content) != 6:
        text = f"{len(content)} octets follow the equipment identifier instead of 4 or 6."
        raise PushError(PushFault.MALFORMED, text, message)
    name = obis.to_text(content)
    if name in _DSMR4_WAKE_UPS:
        return WakeUpPush(identification, name, _DSMR4_WAKE_UPS[name])
    return ValuesPush(Layout.NAMED_LIST, identification, name, None, None, ())


def recognise_event(
    event: EventNotification, time: datetime | None, apdu: bytes
) -> AlarmPush | WakeUpPush | None:
    """Return what the MX382 says with an event-notification-request; None for other attributes.

    Its alarm is always that the power was lost. Raises PushError (MALFORMED), with the ``apdu``, if the value
    is no equipment identifier.
    """
    if event.attribute not in (_LOST_POWER, _EQUIPMENT_IDENTIFIER):
        return None
    octets = event.value.value
    if (
        event.value.type is not DataType.OCTET_STRING
        or not isinstance(octets, bytes)
        or not _MX382_IDENTIFIER.fullmatch(octets)
    ):
        text = "The value of the event-notification-request is no equipment identifier."
        raise PushError(PushFault.MALFORMED, text, apdu)
    identification = octets.decode("ascii")
    name = obis.to_text(event.attribute.logical_name)
    if event.attribute == _LOST_POWER:
        return AlarmPush(identification, name, {3: LAST_GASP}, time=time)
    return WakeUpPush(identification, name, time=time)


def recognise_body(body: Data, time: datetime | None) -> AlarmPush | WakeUpPush | None:
    """Return what an SMR 5 meter says with a data-notification; None for other bodies.

    Meters elsewhere use the same push setups for other things. Only the Dutch have identifiers of 17
    characters, so nothing else of them is taken for an alarm.
    """
    members = get_structure(body)
    if members is None or not 2 <= len(members) <= 4:
        return None
    identifier = members[0].value
    logical_name = get_logical_name(members[1])
    if (
        members[0].type is not DataType.OCTET_STRING
        or not isinstance(identifier, bytes)
        or not _IDENTIFIER.fullmatch(identifier)
        or logical_name is None
    ):
        return None
    identification, name = identifier.decode("ascii"), obis.to_text(logical_name)
    registers = [
        member.value
        for member in members[2:]
        if member.type is DataType.DOUBLE_LONG_UNSIGNED and isinstance(member.value, int)
    ]
    if len(registers) != len(members) - 2:
        return None
    if not registers:
        trigger = _SMR5_WAKE_UPS.get(name)
        return WakeUpPush(identification, name, trigger, time) if trigger else None
    if name in _ALARM_NAMES:
        return AlarmPush(identification, name, dict(enumerate(registers, start=1)), time=time)
    if name == _PUSH_SETUP_LAST_GASP:
        # What a fourth element would be is not known.
        return AlarmPush(identification, name, {3: registers[0]}, time=time)
    return None
