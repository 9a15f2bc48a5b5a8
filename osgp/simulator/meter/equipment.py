"""What meters of one profile are equipped with, as far as the tags of the profile tell.

What a meter keeps, and what happens to it, asks here whether there are the objects for it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.model import CosemObject, Profile
from osgp.catalogue.obis import MBUS_CHANNELS

from . import row_flags
from .event_names import register_cleared
from .event_types import EventType, EventTypes

MBUS_CLIENT_SETUP = "MBUS_CLIENT_SETUP"
DIAGNOSED_CHANNELS = (1, 2)
"""The M-Bus channels whose diagnostics a definable load profile captures."""

_SIGNAL_QUALITY, _BIT_ERROR_RATE = 3, 4
_CAPTURED: Mapping[str, tuple[tuple[str | int, int], ...]] = {
    "gsm_diagnostic": (("cell_info", _SIGNAL_QUALITY), ("cell_info", _BIT_ERROR_RATE)),
    "mbus_client": (("status", 0),),
    "mbus_diagnostic": (("received_signal_strength", 0), ("fcs_nok_frames_counter", 0)),
}
"""What is captured of the diagnostic objects, by class: attribute and data index."""
_SHOWN: tuple[tuple[str | int, int], ...] = ((2, 0),)
"""What is captured of other objects: the time, or the value, which all classes that have one have second."""

_ALARM_REGISTER = re.compile(r"ALARM_REGISTER(?:_([0-9]{1,3}))?")
_ALARM_FILTER = re.compile(r"ALARM_FILTER(?:_([0-9]{1,3}))?")


class Column(NamedTuple):
    """One captured attribute, or one element of it when ``data_index`` is not 0."""

    tag: str
    descriptor: AttributeDescriptor
    data_index: int
    channel: int | None


_CLOCK_SETTINGS = (
    "time_zone",
    "daylight_savings_begin",
    "daylight_savings_end",
    "daylight_savings_deviation",
    "daylight_savings_enabled",
)


class ClockSettings(NamedTuple):
    """What decides on the zone in which a clock shows time: the ``descriptors`` of its settings, in the order
    of :class:`~.clock_zone.ClockRules`, and whether the clock has those of daylight saving."""

    descriptors: tuple[AttributeDescriptor, ...]
    tells_daylight_saving: bool

    @classmethod
    def of(cls, clock: CosemObject) -> "ClockSettings":
        """Those of a clock."""
        descriptors = tuple(clock.address_attribute(name) for name in _CLOCK_SETTINGS)
        return cls(descriptors, "daylight_savings_begin" in clock and "daylight_savings_end" in clock)


class CalendarSettings(NamedTuple):
    """What decides on the tariff: the tables of the activity calendar, in the order of their attributes, as
    they are ``active`` and ``passive``, when the passive ones become active, and the special days."""

    active: tuple[AttributeDescriptor, ...]
    passive: tuple[AttributeDescriptor, ...]
    activation_time: AttributeDescriptor
    special_days: AttributeDescriptor | None

    @classmethod
    def of(cls, calendar: CosemObject, special_days: CosemObject | None) -> "CalendarSettings":
        """Those of an activity calendar."""
        parts = ("calendar_name", "season_profile", "week_profile_table", "day_profile_table")
        return cls(
            tuple(calendar.address_attribute(f"{part}_active") for part in parts),
            tuple(calendar.address_attribute(f"{part}_passive") for part in parts),
            calendar.address_attribute("activate_passive_calendar_time"),
            special_days.address_attribute("entries") if special_days is not None else None,
        )


def list_channels(cosem_object: CosemObject) -> tuple[int | None, ...]:
    """The M-Bus channels on which there is such an object; None for an object of the meter itself."""
    return MBUS_CHANNELS if cosem_object.per_channel else (None,)


def _register_number(tag: str, pattern: re.Pattern[str] = _ALARM_REGISTER) -> int:
    """The number at the end of the tag of an alarm register, or filter; 1 when there is none."""
    found = pattern.fullmatch(tag)
    return int(found[1] or 1) if found else 1


def _list_statuses(profile: Profile, objects: tuple[CosemObject, ...]) -> Iterator[str]:
    """The tags of the statuses of rows: what buffers capture, with flags that can befall a row."""
    for buffer in objects:
        for attribute in buffer.attributes.values():
            for captured in attribute.capture_objects:
                flags = profile[captured.tag].flags
                if buffer.event_log is None and flags is not None and row_flags.are_of_rows(flags):
                    yield captured.tag


class Equipment:
    """The objects of one profile that single-phase or polyphase meters have: their ``tags``, the tags of the
    ``alarm_registers`` and of the ``alarm_filters`` by number, the tags of the schedules of ``tests``, those
    of the ``statuses`` of rows, and the ``channels`` for M-Bus devices. ``events`` are what they tell,
    ``clock`` is what shows the time, ``clock_settings`` what decides on its zone, ``calendar_settings`` what
    decides on the tariff, together with the clock (``tariff_settings``).
    """

    def __init__(self, profile: Profile, polyphase: bool) -> None:
        self.profile = profile
        self.polyphase = polyphase
        objects = profile.list_objects(polyphase)
        self.tags = frozenset(cosem_object.tag for cosem_object in objects)
        registers = [
            each for each in objects if each.flags is not None and _ALARM_REGISTER.fullmatch(each.tag)
        ]
        self.alarm_registers = {_register_number(each.tag): each.tag for each in registers}
        self.alarm_filters = {
            _register_number(each.tag, _ALARM_FILTER): each.tag
            for each in objects
            if each.flags is not None and _ALARM_FILTER.fullmatch(each.tag)
        }
        self.events = EventTypes(
            profile, self.tags, {each.tag: each.flags for each in registers if each.flags is not None}
        )
        self.tests = frozenset(
            each.tag
            for each in objects
            if each.interface_class.name == "single_action_schedule" and self.events[each.tag].is_noticed
        )
        self.statuses = frozenset(_list_statuses(profile, objects))
        clock = profile["CLOCK"] if "CLOCK" in self.tags else None
        self.clock = clock.address_attribute("time") if clock is not None else None
        self.clock_settings = ClockSettings.of(clock) if clock is not None else None
        calendar = self._find_of_class("ACTIVITY_CALENDAR", "activity_calendar")
        special_days = self._find_of_class("SPECIAL_DAYS_TABLE", "special_days_table")
        self.calendar_settings = CalendarSettings.of(calendar, special_days) if calendar is not None else None
        self.tariff_settings = frozenset(self._list_tariff_settings())
        has_mbus = MBUS_CLIENT_SETUP in self.tags and profile[MBUS_CLIENT_SETUP].per_channel
        self.channels = MBUS_CHANNELS if has_mbus else ()
        self._columns: dict[tuple[str, int | None], tuple[Column, ...]] = {}

    def _find_of_class(self, tag: str, class_name: str) -> CosemObject | None:
        found = self.profile[tag] if tag in self.tags else None
        return found if found is not None and found.interface_class.name == class_name else None

    def _list_tariff_settings(self) -> Iterator[AttributeDescriptor]:
        """What changes the tariff when it is written."""
        calendar = self.calendar_settings
        if calendar is None:
            return
        yield from calendar.active
        if calendar.special_days is not None:
            yield calendar.special_days
        if self.clock is not None and self.clock_settings is not None:
            yield self.clock
            yield from self.clock_settings.descriptors

    def register_cleared(self, tag: str) -> EventType | None:
        """The event of an alarm register that was cleared; None if there is none."""
        names = register_cleared(tag, _register_number(tag))
        return next((self.events[name] for name in names if self.events[name].log is not None), None)

    def default_columns(self, tag: str, channel: int | None) -> tuple[Column, ...]:
        """The columns of a buffer that the client has not chosen: those of the profile, or all that may be
        chosen."""
        columns = self._columns.get((tag, channel))
        if columns is None:
            captured = (Column(*column) for column in self.profile.list_capture_columns(tag, channel))
            columns = self._columns[tag, channel] = tuple(
                column
                for column in (tuple(captured) or self._list_selectable_columns(tag))
                if column.tag in self.tags
                and column.descriptor.attribute_id in self.profile[column.tag].attributes
            )
        return columns

    def _list_selectable_columns(self, tag: str) -> Iterator[Column]:
        """The objects that the power quality profiles of such meters are read for, with the attributes and
        channels that meters capture of them."""
        request = "PERIODIC_PP" if self.polyphase else "PERIODIC_SP"
        for selectable in self.profile[tag].selectable_objects:
            cosem_object = self.profile[selectable]
            if selectable != "CLOCK" and request not in cosem_object.power_quality_requests:
                continue
            for channel in DIAGNOSED_CHANNELS if cosem_object.per_channel else (None,):
                captured = _CAPTURED.get(cosem_object.interface_class.name, _SHOWN)
                for attribute, data_index in captured:
                    descriptor = cosem_object.address_attribute(attribute, channel)
                    yield Column(selectable, descriptor, data_index, channel)
