"""From the octets of a received push to what it says, as far as that needs no database."""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from osgp.alarms.models import ReceivedPush, Transport
from osgp.catalogue.communication import DeviationSign
from osgp.cosem.push_time import ClockRule
from osgp.cosem.pushes import UnknownPush, ValuesPush, decode
from osgp.cosem.pushes.decoding import Push
from osgp.devices.joined_settings import resolve_joined
from osgp.devices.models import Device
from osgp.protocol_dlms.push import protection
from osgp.protocol_dlms.push.errors import PushError, PushFault
from osgp.protocol_dlms.push.joining import Joiner
from osgp.protocol_dlms.push.protection import GENERAL_GLO_CIPHERING, ProtectedPush

_NAME = re.compile("[A-Za-z0-9]{1,40}")


@dataclass(frozen=True)
class OpenedPush:
    """A push without its frames: ``said`` if it is plain, ``protected`` if it is ciphered."""

    apdu: bytes
    said: Push | None
    protected: ProtectedPush | None

    @property
    def identification(self) -> str | None:
        """The device as a plain push names it, if that can be a name; nothing proves it."""
        name = None if self.said is None or isinstance(self.said, UnknownPush) else self.said.identification
        return name if name is not None and _NAME.fullmatch(name) else None


def open_push(push: ReceivedPush) -> OpenedPush:
    """Take the frames off. Raises PushError."""
    apdu = _peel(bytes(push.octets), push.transport)
    if apdu[:1] == bytes((GENERAL_GLO_CIPHERING,)):
        return OpenedPush(apdu, None, protection.parse(apdu))
    return OpenedPush(apdu, decode(apdu), None)


def _peel(octets: bytes, transport: str) -> bytes:
    joiner = Joiner()
    found = joiner.feed_datagram(octets) if transport == Transport.UDP else joiner.feed(octets)
    found = [*found, *joiner.end()]
    if not found:
        raise PushError(PushFault.TRUNCATED, "The push is not complete.", octets)
    if len(found) > 1:
        raise PushError(PushFault.MALFORMED, "There is more than one push in it.", octets)
    [only] = found
    if isinstance(only, PushError):
        raise only
    return only.apdu


def decode_for(apdu: bytes, device: Device) -> Push:
    """Return what a plain APDU says, with times by the clock of the device, which came with its settings.

    Raises PushError.
    """
    rule = ClockRule.STANDARD_TIME if device.keeps_standard_time else None
    if resolve_joined(device).deviation_sign is DeviationSign.OPPOSITE:
        rule = ClockRule.SIGN_TURNED
    return decode(apdu, zone=ZoneInfo(device.time_zone), clock_rule=rule)


def needs_zone(said: Push) -> bool:
    """Return whether it has times that depend on the zone of the device, or may."""
    return isinstance(said, ValuesPush) or said.time is None
