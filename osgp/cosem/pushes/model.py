"""The forms of what a push says.

Whatever a push does not tell is None: nothing is guessed. Times are in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from osgp.catalogue.units import Unit
from osgp.cosem.quantities import Quantity, Scale
from osgp.protocol_dlms import Data, DataType

_INTEGERS = frozenset(
    {
        DataType.DOUBLE_LONG,
        DataType.DOUBLE_LONG_UNSIGNED,
        DataType.INTEGER,
        DataType.LONG,
        DataType.UNSIGNED,
        DataType.LONG_UNSIGNED,
        DataType.LONG64,
        DataType.LONG64_UNSIGNED,
    }
)
_ALARM_REGISTERS = {f"0-0:97.98.{number - 1}.255": number for number in (1, 2, 3)}


class PushTrigger(StrEnum):
    """What made a Dutch meter push."""

    ALARM_MONITOR = "Push alarm monitor"
    SMS_WAKEUP = "Push sms wakeup"
    CSD_WAKEUP = "Push csd wakeup"


class Layout(Enum):
    """How the values of a body are laid out."""

    POSITIONS = "positions"
    """Values only; position, count and types tell their meaning."""
    PAIRS = "pairs"
    """Logical name and value by turns."""
    TRIPLES = "triples"
    """Logical name, value, scaler and unit by turns."""
    NESTED = "nested"
    """A structure for each value."""
    OWN_LIST = "own list"
    """The list of objects first, then the values in its order."""
    NAMED_LIST = "named list"
    """The device and the name of the list, then values whose meaning is configured."""
    UNTAGGED = "untagged"
    """Descriptors without tags."""
    ROWS = "rows"
    """Rows of a profile."""
    EVENT = "event"
    """One attribute, of an event-notification-request."""


class ScaleSource(Enum):
    """Where the scale of a value is from."""

    MESSAGE = "message"
    """The push itself tells scaler and unit."""
    LIST = "list"
    """The family of meters that uses this list is known for it. Attribute 3 of the device is better."""


@dataclass(frozen=True, slots=True)
class PushedValue:
    """One value.

    ``obis`` is a logical name such as ``1-0:1.8.0.255``; ``attribute`` may be 0 for all attributes of the
    object, and ``data_index`` other than 0 for a part of the attribute. Without ``scaler`` and ``unit`` the
    value is as the meter's register has it.
    """

    value: Data
    obis: str | None = None
    class_id: int | None = None
    attribute: int | None = None
    data_index: int = 0
    scaler: int | None = None
    unit: Unit | None = None
    scale_source: ScaleSource | None = None

    @property
    def number(self) -> int | None:
        """The value if it is of an integer type, without scale."""
        value = self.value.value
        return value if self.value.type in _INTEGERS and isinstance(value, int) else None

    @property
    def quantity(self) -> Quantity | None:
        """The exact measured value; None if it is no integer, or its scale is not known."""
        number = self.number
        if number is None or self.scaler is None or self.unit is None:
            return None
        return Scale(self.scaler, self.unit).apply(number)


@dataclass(frozen=True, slots=True)
class PushedRow:
    """One row of a profile: all its columns, the clock first.

    ``time`` is None where the meter leaves the clock out: the row was captured one period after the row
    before, and the push does not tell the period (:class:`osgp.cosem.profile_rows.RowTimes`).
    """

    time: datetime | None
    cells: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class AlarmPush:
    """Values of alarm registers, by their numbers 1 to 3.

    ``identification`` is the equipment identifier, ``push_object`` the logical name of what made it push.
    """

    identification: str
    push_object: str | None
    registers: Mapping[int, int]
    trigger: PushTrigger = PushTrigger.ALARM_MONITOR
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class WakeUpPush:
    """A meter that was woken up and says that it can be called."""

    identification: str
    push_object: str | None
    trigger: PushTrigger = PushTrigger.SMS_WAKEUP
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ValuesPush:
    """Values, none or more.

    ``identification`` is the logical device name, or what the layout has in its place; nothing proves it
    unless the push was authenticated. ``list_name`` is a name such as ``Kamstrup_V0001``, or the logical name
    of the push setup. ``built_at`` is the time of the header, when the push was built; ``time`` that of the
    clock among the values, when they were read, or ``built_at`` if there is none.
    """

    layout: Layout
    identification: str | None
    list_name: str | None
    time: datetime | None
    built_at: datetime | None
    values: tuple[PushedValue, ...]
    rows: tuple[PushedRow, ...] = ()

    @property
    def alarm_registers(self) -> dict[int, int]:
        """The values of alarm registers among the values, by their numbers 1 to 3.

        What their bits mean depends on the meter's profile, more so than in an :class:`AlarmPush`.
        """
        return {
            _ALARM_REGISTERS[value.obis]: value.number
            for value in self.values
            if value.obis in _ALARM_REGISTERS and value.attribute in (None, 2) and value.number is not None
        }


@dataclass(frozen=True, slots=True)
class UnknownPush:
    """A push that is sound and whose meaning is not known. ``data`` is its body, if it has a typed one."""

    reason: str
    data: Data | None = None
    time: datetime | None = None
