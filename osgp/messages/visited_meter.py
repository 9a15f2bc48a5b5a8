"""What an operation sees of a meter: the objects of its profile over an association that is already held."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from osgp.catalogue import CosemObject, ObjectNotInProfile, Profile
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.faults import Component, Fault, FaultCode
from osgp.protocol_dlms import AccessResult, Data, Meter
from osgp.protocol_dlms.errors import AccessError


@dataclass(frozen=True)
class VisitedMeter:
    """A device during a visit. An M-Bus device has a ``channel`` and its gateway's ``association``.

    Objects are named by their tag in the profile, attributes and methods by their names in the Blue Book:
    ``meter.get("CLOCK", "time")``. Of an object that exists per M-Bus channel it is that of the device, or
    that of ``channel`` if it is given. All that goes to the meter raises DLMS errors, which are faults.
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

    def find_object(self, tag: str) -> CosemObject:
        """The profile's object with that tag; fault 416 when the profile lacks it."""
        try:
            return self.profile[tag]
        except ObjectNotInProfile as error:
            raise Fault(
                FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                f"{self.profile.key} meters have no {tag} object.",
                component=Component.PROTOCOL_DLMS,
            ) from error

    def find_attribute(self, tag: str, name: str, channel: int | None = None) -> AttributeDescriptor:
        """Where an attribute is."""
        item = self.find_object(tag)
        return item.attribute(name, self._choose_channel(item, channel))

    def find_method(self, tag: str, name: str, channel: int | None = None) -> MethodDescriptor:
        """Where a method is."""
        item = self.find_object(tag)
        return item.method(name, self._choose_channel(item, channel))

    def _choose_channel(self, item: CosemObject, channel: int | None) -> int | None:
        return (channel or self.channel) if item.per_channel else None

    def get(self, tag: str, name: str, channel: int | None = None) -> Data:
        """Read one attribute."""
        return self.association.get(self.find_attribute(tag, name, channel))

    def get_all(self, attributes: Sequence[AttributeDescriptor]) -> list[Data]:
        """Read several attributes in as few round trips as the meter allows; all of them must succeed."""
        values: list[Data] = []
        for attribute, value in zip(attributes, self.association.get_many(attributes), strict=True):
            if isinstance(value, AccessResult):
                raise AccessError(value, attribute)
            values.append(value)
        return values

    def get_each(self, attributes: Sequence[AttributeDescriptor]) -> list[Data | Fault]:
        """As :meth:`get_all`, but an attribute may fail: each value, or why there is none."""
        return [
            AccessError(value, attribute) if isinstance(value, AccessResult) else value
            for attribute, value in zip(attributes, self.association.get_each(attributes), strict=True)
        ]

    def set(self, tag: str, name: str, value: Data, channel: int | None = None) -> None:
        """Write one attribute."""
        self.association.set(self.find_attribute(tag, name, channel), value)

    def action(
        self, tag: str, name: str, parameter: Data | None = None, channel: int | None = None
    ) -> Data | None:
        """Have the meter carry out a method; what it returns, if anything."""
        return self.association.action(self.find_method(tag, name, channel), parameter)
