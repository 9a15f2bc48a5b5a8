"""A meter as operations see it: the objects of its profile, over an open association."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from osgp import platform_time
from osgp.catalogue import CosemObject, ObjectNotInProfile, Profile
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.cosem.clock import MeterClock
from osgp.devices.meter_settings import STANDARD, MeterSettings
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.connections import Connections
from osgp.messages.device_keys import NO_KEYS, DeviceKeys, find_no_mbus_keys
from osgp.messages.history import NO_HISTORY, History
from osgp.messages.knowledge import Knowledge
from osgp.protocol_dlms import AccessResult, Data, Meter
from osgp.protocol_dlms.errors import AccessError
from osgp.system_notes.observations import Observation


@dataclass(frozen=True)
class VisitedMeter:
    """A device during a visit. An M-Bus device has a ``channel``, and the ``association`` of its gateway.

    Objects have their tag in the profile, attributes and methods their names in the Blue Book:
    ``meter.get("CLOCK", "time")``. For an object per M-Bus channel, ``channel`` is by default that of the
    device. Services raise DLMS errors, which are faults.
    """

    identification: str
    profile: Profile
    association: Meter
    time_zone: ZoneInfo
    channel: int | None = None
    polyphase: bool = False
    selective_access: bool = True
    model: str = ""
    communication_method: str = ""
    settings: MeterSettings = STANDARD
    """How to talk to the meter."""
    knowledge: Knowledge = field(default_factory=Knowledge)
    """What was learned of the meter, in this visit and before."""
    visit_begin: datetime = field(default_factory=platform_time.now)
    """When the visit began, from which relative periods count."""
    read_platform_time: Callable[[], datetime] = platform_time.now
    """Reads the time of the platform, in UTC, for what is sent to the meter as the time or is decided by it.

    Raises Fault 414 if the clocks of this machine and of the database differ."""
    history: History = NO_HISTORY
    """What the platform has of the device, for messages that ask only for what is missing."""
    earlier: Mapping[str, Any] | None = None
    """What earlier attempts of the action got of its result before the meter was lost, as JSON."""
    keys: DeviceKeys = NO_KEYS
    """The keys of the device."""
    find_mbus_keys: Callable[[str, str], DeviceKeys] = find_no_mbus_keys
    """Finds the keys of an M-Bus device by identification number (8 digits) and manufacturer (3 letters).

    Raises Fault 201 if there is none, or the caller may not use the message on it."""
    mark_started: Callable[[], None] = lambda: None
    """Keep in mind that what follows must not be repeated; for operations with ``marks_start``."""
    connections: Connections | None = None
    """Connections beside the association, for operations with ``probes``."""
    observations: list[Observation] = field(default_factory=list)
    """What a message observed beside its result, for the system notes of the device."""

    @property
    def clock(self) -> MeterClock:
        """How the meter tells times."""
        return MeterClock(self.time_zone, self.settings.deviation_sign)

    def find_object(self, tag: str) -> CosemObject:
        """Return the object with this tag. Raises Fault 416 if the profile lacks it."""
        try:
            return self.profile[tag]
        except ObjectNotInProfile as error:
            raise Fault(
                FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                f"{self.profile.key} meters have no {tag} object.",
                component=Component.PROTOCOL_DLMS,
            ) from error

    def find_attribute(self, tag: str, name: str, channel: int | None = None) -> AttributeDescriptor:
        """Return the descriptor of an attribute. Raises Fault 416 if the profile lacks the object."""
        item = self.find_object(tag)
        return item.address_attribute(name, self._choose_channel(item, channel))

    def find_method(self, tag: str, name: str, channel: int | None = None) -> MethodDescriptor:
        """Return the descriptor of a method. Raises Fault 416 if the profile lacks the object."""
        item = self.find_object(tag)
        return item.address_method(name, self._choose_channel(item, channel))

    def _choose_channel(self, item: CosemObject, channel: int | None) -> int | None:
        return (channel or self.channel) if item.per_channel else None

    def get(self, tag: str, name: str, channel: int | None = None) -> Data:
        """Read one attribute."""
        return self.association.get(self.find_attribute(tag, name, channel))

    def get_all(self, attributes: Sequence[AttributeDescriptor]) -> list[Data]:
        """Read attributes in as few round trips as possible. Raises AccessError for the first refusal."""
        values: list[Data] = []
        for attribute, value in zip(attributes, self.association.get_many(attributes), strict=True):
            if isinstance(value, AccessResult):
                raise AccessError(value, attribute)
            values.append(value)
        return values

    def get_each(self, attributes: Sequence[AttributeDescriptor]) -> list[Data | Fault]:
        """As :meth:`get_all`, but return a fault in place of each value that the meter refuses."""
        return list(self.read_each(attributes))

    def read_each(self, attributes: Sequence[AttributeDescriptor]) -> Iterator[Data | Fault]:
        """As :meth:`get_each`, but yield the values as they arrive, so that none of them need be kept."""
        for attribute, value in zip(attributes, self.association.get_each(attributes), strict=True):
            yield AccessError(value, attribute) if isinstance(value, AccessResult) else value

    def set(self, tag: str, name: str, value: Data, channel: int | None = None) -> None:
        """Write one attribute."""
        self.association.set(self.find_attribute(tag, name, channel), value)

    def action(
        self, tag: str, name: str, parameter: Data | None = None, channel: int | None = None
    ) -> Data | None:
        """Invoke a method; return its return parameters, if any."""
        return self.association.invoke(self.find_method(tag, name, channel), parameter)
