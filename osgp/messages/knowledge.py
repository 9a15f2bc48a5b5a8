"""What the platform has learned of one meter: how it describes its objects, and how it likes to be asked.

Kept with the device between visits. An M-Bus device has the knowledge of its gateway, whose objects it uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import Data

CHECK_AFTER = timedelta(days=1)
"""How long a description is believed before the meter is asked again."""


@dataclass
class Knowledge:
    """Descriptions are values of attributes as the meter sent them, such as a scaler_unit or capture_objects;
    None: the meter has declined to tell. A group names what is asked together, such as a buffer's tag.

    Habits are texts by name, such as ``("INTERVAL_VALUES_E bounds", "NO_DEVIATION")``.
    """

    descriptions: dict[AttributeDescriptor, Data | None] = field(default_factory=dict)
    checked: dict[str, datetime] = field(default_factory=dict)
    """When each group was last asked for."""
    habits: dict[str, str] = field(default_factory=dict)
    is_changed: bool = False
    """Whether there is something to store."""

    def find(self, attribute: AttributeDescriptor) -> Data | None:
        """What the meter has said of an attribute; None if it was not asked or has declined."""
        return self.descriptions.get(attribute)

    def is_due(self, group: str, now: datetime) -> bool:
        """Whether the meter has to be asked (again)."""
        last = self.checked.get(group)
        return last is None or not last <= now < last + CHECK_AFTER

    def learn(self, group: str, answers: Mapping[AttributeDescriptor, Data | None], now: datetime) -> None:
        """Keep what the meter has said, which was all of the group that was not known or is due."""
        self.descriptions |= answers
        self.checked[group] = now
        self.is_changed = True

    def forget_checks(self) -> None:
        """Have everything asked again: the meter has another firmware."""
        self.checked.clear()
        self.is_changed = True

    def find_habit(self, name: str) -> str | None:
        """What has worked with the meter; None: nothing is known."""
        return self.habits.get(name)

    def learn_habit(self, name: str, value: str | None) -> None:
        """Keep what works; None: what worked does not any more."""
        if self.habits.get(name) == value:
            return
        if value is None:
            del self.habits[name]
        else:
            self.habits[name] = value
        self.is_changed = True
