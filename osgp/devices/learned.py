"""What was learned of a device as it is stored, for those who look at it; and how it is forgotten."""

from collections.abc import Mapping
from typing import NamedTuple

from osgp.devices.models import Device


class Learned(NamedTuple):
    """Stored knowledge of a device.

    ``descriptions``: A-XDR octets in hexadecimal, None where the meter has declined, by class id, logical
    name and attribute id, such as ``3/1-0:1.8.0.255/3``. ``checked``: ISO times by group.
    """

    descriptions: Mapping[str, str | None]
    habits: Mapping[str, str]
    checked: Mapping[str, str]


NOTHING = Learned({}, {}, {})


def find_learned(device: Device) -> Learned:
    """Return what was learned of a meter that is dialled."""
    content = {} if device.knowledge is None else device.knowledge.content
    return Learned(content.get("descriptions", {}), content.get("habits", {}), device.knowledge_checked or {})


def forget(device_id: int) -> None:
    """Forget what was learned of a device: its next visits ask it anew, and learn anew what works."""
    Device.objects.filter(pk=device_id).update(knowledge=None, knowledge_checked=None)
