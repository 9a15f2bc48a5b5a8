"""What the power quality messages share: which objects belong to PUBLIC and PRIVATE power quality."""

from typing import Literal

from osgp.catalogue import CosemObject
from osgp.catalogue.definitions import POWER_QUALITY_PROFILES
from osgp.messages.serializers import ChoiceField, StrictSerializer


class PowerQualityParameters(StrictSerializer):
    """Which objects: those that network operators may look at, or those that tell about people's lives."""

    profile_type = ChoiceField(
        POWER_QUALITY_PROFILES, help_text="PUBLIC: voltages, failures, signal; PRIVATE: currents, powers."
    )


def takes_part(
    item: CosemObject, profile_type: str, kind: Literal["ACTUAL", "PERIODIC"], *, polyphase: bool
) -> bool:
    """Whether an object belongs to a request of this kind to a meter with one or three phases."""
    request = f"{kind}_{'PP' if polyphase else 'SP'}"
    return item.power_quality_profile == profile_type and request in item.power_quality_requests
