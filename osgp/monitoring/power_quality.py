"""What the power quality messages share: which objects belong to PUBLIC and PRIVATE power quality."""

from enum import StrEnum
from typing import Annotated, Literal, TypedDict

from osgp.catalogue import CosemObject


class ProfileType(StrEnum):
    """PUBLIC objects may be seen by network operators; PRIVATE ones reveal people's habits."""

    PUBLIC = "PUBLIC"
    PRIVATE = "PRIVATE"


class PowerQualityParameters(TypedDict):
    """Which objects: those that network operators may look at, or those that reveal people's habits."""

    profile_type: Annotated[ProfileType, "PUBLIC: voltages, failures, signal; PRIVATE: currents, powers."]


def is_requested(
    item: CosemObject, profile_type: ProfileType, kind: Literal["ACTUAL", "PERIODIC"], *, polyphase: bool
) -> bool:
    """Whether an object belongs to a request of this kind to a meter with one or three phases."""
    request = f"{kind}_{'PP' if polyphase else 'SP'}"
    return item.power_quality_profile == profile_type and request in item.power_quality_requests
