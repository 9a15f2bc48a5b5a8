"""The one way from a plain APDU that a meter pushed to what it says."""

from datetime import tzinfo

from osgp.catalogue import obis
from osgp.cosem.push_time import ClockRule, find_clock_rule, tell_utc
from osgp.cosem.pushes import dutch, layouts, positions
from osgp.cosem.pushes.body import Body
from osgp.cosem.pushes.model import (
    AlarmPush,
    Layout,
    PushedRow,
    PushedValue,
    UnknownPush,
    ValuesPush,
    WakeUpPush,
)
from osgp.cosem.pushes.scales import add_scales
from osgp.cosem.pushes.shapes import get_clock
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.notification import (
    DATA_NOTIFICATION,
    EVENT_NOTIFICATION_REQUEST,
    DataNotification,
    parse_data_notification,
    parse_event_notification,
)

LONGEST_PUSH = 0x40000
"""Octets. More than the wrapper can announce, for pushes of many blocks."""

_P1_TELEGRAM = ord("/")

Push = AlarmPush | ValuesPush | WakeUpPush | UnknownPush


def decode(apdu: bytes, *, zone: tzinfo | None = None, clock_rule: ClockRule | None = None) -> Push:
    """Return what a push says: an APDU without framing and in plain, or a DSMR 4 text.

    ``zone`` is that of the meter, for date-times that do not tell theirs; without it they are None.
    ``clock_rule`` is for devices whose clocks are known; otherwise that of the family is used, if the push
    tells the family. Raises PushError: UNKNOWN_FORM, MALFORMED, TOO_LONG. Time and memory are proportional to
    the octets.
    """
    if len(apdu) > LONGEST_PUSH:
        raise PushError(PushFault.TOO_LONG, f"The push has more than {LONGEST_PUSH} octets.", apdu)
    if dutch.is_dsmr4(apdu):
        return dutch.parse_dsmr4(apdu)
    tag = apdu[0] if apdu else None
    if tag == _P1_TELEGRAM:
        return UnknownPush("It is a P1 telegram, not an APDU.")
    if tag == DATA_NOTIFICATION:
        return _decode_data_notification(parse_data_notification(apdu), zone, clock_rule)
    if tag == EVENT_NOTIFICATION_REQUEST:
        return _decode_event_notification(apdu, zone, clock_rule)
    raise PushError(PushFault.UNKNOWN_FORM, "The push begins like nothing that meters push.", apdu)


def _decode_event_notification(apdu: bytes, zone: tzinfo | None, rule: ClockRule | None) -> Push:
    event = parse_event_notification(apdu)
    time = tell_utc(event.time, zone, rule or ClockRule.AS_TOLD)
    if (found := dutch.recognise_event(event, time, apdu)) is not None:
        return found
    class_id, logical_name, attribute = event.attribute
    value = PushedValue(event.value, obis.to_text(logical_name), class_id, attribute)
    return ValuesPush(Layout.EVENT, None, None, time, time, (value,))


def _decode_data_notification(
    notification: DataNotification, zone: tzinfo | None, rule: ClockRule | None
) -> Push:
    data = notification.body
    time = tell_utc(notification.time, zone, rule or ClockRule.AS_TOLD)
    if (found := dutch.recognise_body(data, time)) is not None:
        return found
    body = positions.read_kaifa_power(data) if notification.time_is_tagged else None
    body = body or layouts.read(data)
    if body is None:
        return UnknownPush("Its body has none of the known layouts.", data, time)
    return _complete(body, notification, zone, rule or find_clock_rule(body.list_name))


def _complete(body: Body, notification: DataNotification, zone: tzinfo | None, rule: ClockRule) -> ValuesPush:
    built_at = tell_utc(notification.time, zone, rule)
    time = tell_utc(body.clock, zone, rule) if body.clock else None
    rows = tuple(PushedRow(tell_utc(get_clock(cells[0]) or b"", zone, rule), cells) for cells in body.rows)
    return ValuesPush(
        body.layout,
        body.identification,
        body.list_name,
        time or built_at,
        built_at,
        tuple(add_scales(body.list_name, body.values)),
        rows,
    )
