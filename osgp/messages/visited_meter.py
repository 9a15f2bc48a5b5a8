"""What an operation sees of a meter: the objects of its profile over an association that is already held."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from osgp.catalogue import CosemObject, ObjectNotInProfile, Profile
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Component, Fault, FaultCode
from osgp.protocol_dlms import AccessResult, Data, Meter
from osgp.protocol_dlms.errors import AccessError


@dataclass(frozen=True)
class VisitedMeter:
    """A device during a visit. An M-Bus device has a ``channel`` and its gateway's ``association``."""

    identification: str
    profile: Profile
    association: Meter
    time_zone: ZoneInfo
    channel: int | None = None
    polyphase: bool = False
    selective_access: bool = True
    model: str = ""
    communication_method: str = ""

    def object(self, tag: str) -> CosemObject:
        """The profile's object with that tag; fault 416 when the profile lacks it."""
        try:
            return self.profile[tag]
        except ObjectNotInProfile as error:
            raise Fault(
                FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                f"{self.profile.key} meters have no {tag} object.",
                component=Component.PROTOCOL_DLMS,
            ) from error

    def attribute(self, tag: str, attribute_id: int = 2) -> AttributeDescriptor:
        """Where an attribute is, on this device's channel if the object exists per channel."""
        item = self.object(tag)
        return item.attribute(attribute_id, self.channel if item.per_channel else None)

    def get(self, tag: str, attribute_id: int = 2) -> Data:
        """Read one attribute. Raises DLMS errors, which are faults."""
        return self.association.get(self.attribute(tag, attribute_id))

    def get_all(self, attributes: Sequence[AttributeDescriptor]) -> list[Data]:
        """Read several attributes in as few round trips as the meter allows; all of them must succeed."""
        values: list[Data] = []
        for attribute, value in zip(attributes, self.association.get_many(attributes), strict=True):
            if isinstance(value, AccessResult):
                raise AccessError(value, attribute)
            values.append(value)
        return values
