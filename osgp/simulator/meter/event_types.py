"""The events of the meters of a profile: in which log and with which code each stands, and what it sets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from osgp.catalogue import CosemObject, Flags, Profile

from . import event_names
from .event_names import (
    find_alarm_name,
    find_category,
    find_channel,
    find_row_flags,
    is_clearing,
    mbus_flag_of,
)
from .row_flags import are_of_rows

CODE, COUNTER, MAGNITUDE, DURATION = "_CODE", "_COUNTER", "_MAGNITUDE", "_DURATION"
"""The ends of the tags of what logs capture."""

_NUMBERED = "BIT_"


class Alarm(NamedTuple):
    """A bit (0 is the least significant) of an alarm register, by the tag of the register."""

    register: str
    bit: int


@dataclass(frozen=True, slots=True, eq=False)
class EventType:
    """What an event is in the meters of a profile.

    ``log`` is the tag of the log in which it is recorded with ``code``; None when it is in none.
    ``row_flags`` (:mod:`.row_flags`) mark the next row of buffers, those of M-Bus ``channel`` if there is
    one. ``status_bit`` is set in the status of the M-Bus device.
    """

    name: str
    log: str | None
    code: int
    alarm: Alarm | None
    row_flags: int
    channel: int | None
    status_bit: int | None
    clears: bool

    @property
    def is_noticed(self) -> bool:
        """Whether the meter tells of it in any way."""
        return bool(self.log or self.alarm or self.row_flags or self.status_bit is not None)


class Event(NamedTuple):
    """An event at ``moment`` (true time, UNIX).

    ``number`` counts the events of a kind from 0. ``magnitude`` and ``duration`` are raw numbers, for the
    logs that have them. ``offset``, unless None, is how far the clock was ahead when it wrote the stamp.
    """

    moment: float
    type: EventType
    number: int = 0
    magnitude: int = 0
    duration: int = 0
    offset: float | None = None

    @property
    def code(self) -> int:
        """As the log has it; 0 when none has."""
        return self.type.code

    @property
    def log(self) -> str | None:
        """The tag of its log, if there is one."""
        return self.type.log


class EventTypes:
    """The events of meters with the objects of some ``tags``.

    An event is in the log whose own table names it. One that a profile names for any log is in the log to
    which such events belong; in the first one, if the profile has no log of a kind that is known; or, if
    nothing is known of the event, in whichever log is named. ``alarm_registers`` are the flags of the alarm
    registers by tag, ``status_flags`` the bits of the status of M-Bus devices by name.
    """

    def __init__(self, profile: Profile, tags: frozenset[str], alarm_registers: Mapping[str, Flags]) -> None:
        self._alarms = {
            name: Alarm(register, bit)
            for register, flags in alarm_registers.items()
            for bit, name in flags.names.items()
        }
        self.status_flags = _find_status_flags(profile)
        self._known = {
            each for names in profile.meanings.event_types.values() for item in names.items() for each in item
        }
        self._status_masks: dict[tuple[str, ...], int] = {}
        self.logs = {log.tag: log for log in profile.event_logs.values() if log.tag in tags}
        self._categories = {log.tag: category for category, log in profile.event_logs.items()}
        self._by_name: dict[str, EventType] = {}
        self._by_code: dict[str, dict[int, EventType]] = {tag: {} for tag in self.logs}
        self.clearing: dict[str, EventType] = {}
        """The event of a cleared log by the tag of the log, for logs that can be cleared."""
        for tag, log in self.logs.items():
            self._add_clearing(profile, tag, log)
        for tag in self.logs:
            self._add_own(profile, tag)
        placed = frozenset(self._by_name)
        for tag in self.logs:
            self._add_of_any_log(profile, tag, placed)
        self.logs_of_power_and_clock = frozenset(
            self[name].log
            for name in (
                event_names.POWER_FAILURE,
                event_names.POWER_RETURNED,
                event_names.LAST_GASP,
                event_names.CLOCK_UPDATE,
                event_names.OLD_TIME,
                event_names.NEW_TIME,
            )
        )
        self.mbus_logs = frozenset(tag for tag in self.logs if self._is_about_mbus(tag))
        """The logs that are only about M-Bus devices."""
        self.has_last_gasp = event_names.LAST_GASP in self._alarms
        """Whether meters tell of a power failure before they lose their last power."""

    def __getitem__(self, name: str) -> EventType:
        """The event of this name; if the profile has no code for it, it is in no log."""
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = self._make_type(name, None, 0)
        return found

    def alarm(self, name: str) -> Alarm | None:
        """The bit of the alarm of this name."""
        return self._alarms.get(name)

    def is_alarming(self, name: str) -> bool:
        """Whether an event raises an alarm, in these meters or in others."""
        return find_alarm_name(name) is not None or name in self._alarms

    def status_mask(self, flags: tuple[str, ...]) -> int:
        """The bits in the status of M-Bus devices whose flags end in one of these words."""
        mask = self._status_masks.get(flags)
        if mask is None:
            mask = sum(1 << bit for name, bit in self.status_flags.items() if name.endswith(flags))
            self._status_masks[flags] = mask
        return mask

    def in_log(self, tag: str) -> Mapping[int, EventType]:
        """What can be recorded in a log, by code."""
        return self._by_code[tag]

    def knows(self, what: int | str | None) -> bool:
        """Whether the profile has this code or name, if only for logs that the meters lack."""
        return what in self._known

    def log_named(self, name: str) -> str | None:
        """The tag of the log that has this tag or category."""
        return next((tag for tag in self.logs if name in (tag, self._categories[tag])), None)

    def _is_about_mbus(self, tag: str) -> bool:
        known = [
            each
            for each in self._by_code[tag].values()
            if not each.clears and self._by_name.get(each.name) is each
        ]
        return bool(known) and all(each.channel is not None for each in known)

    def _add_clearing(self, profile: Profile, tag: str, log: CosemObject) -> None:
        """Logs of what was measured cannot be cleared."""
        columns = profile.list_capture_columns(tag)
        if any(column.tag.endswith(MAGNITUDE) for column in columns):
            return
        codes = {name: code for code, name in profile.get_event_types(self._categories[tag]).items()}
        for name in event_names.clearing_of(self._categories[tag]):
            if name in codes:
                added = self._make_type(name, tag, codes[name])
                self.clearing[tag] = self._by_code[tag][added.code] = added
                return

    def _add_own(self, profile: Profile, tag: str) -> None:
        """What the log's own table names."""
        category = self._categories[tag]
        for code, name in profile.meanings.event_types.get(category, {}).items():
            if is_clearing(name):
                continue
            added = self._by_code[tag][code] = self._make_type(name, tag, code)
            if find_category(name) == category:
                self._by_name[name] = added
            else:
                self._by_name.setdefault(name, added)

    def _add_of_any_log(self, profile: Profile, tag: str, placed: frozenset[str]) -> None:
        """What may be in any log, but for what is ``placed`` in one."""
        category = self._categories[tag]
        knows_none = event_names.CATEGORIES.isdisjoint(self._categories.values())
        is_main = knows_none and tag == next(iter(self.logs))
        own = profile.meanings.event_types.get(category, {})
        for code, name in profile.get_event_types(category).items():
            if code in own or name in placed or is_clearing(name):
                continue
            belongs = find_category(name)
            if not is_main and belongs not in (None, category):
                continue
            added = self._by_code[tag][code] = self._make_type(name, tag, code)
            if is_main or belongs is not None:
                self._by_name.setdefault(name, added)

    def _make_type(self, name: str, log: str | None, code: int) -> EventType:
        flag = mbus_flag_of(name)
        return EventType(
            name=name,
            log=log,
            code=code,
            alarm=self._alarms.get(find_alarm_name(name) or name),
            row_flags=find_row_flags(name),
            channel=find_channel(name),
            status_bit=None if flag is None else self.status_flags.get(flag),
            clears=is_clearing(name),
        )


def _find_status_flags(profile: Profile) -> Mapping[str, int]:
    """The bits of the status of M-Bus devices: of the object that shows it, or of the events about it."""
    for cosem_object in profile:
        flags = cosem_object.flags
        if cosem_object.per_channel and flags is not None and not are_of_rows(flags):
            return {name: bit for bit, name in flags.names.items()}
    return dict(_list_numbered_flags(profile))


def _list_numbered_flags(profile: Profile) -> Iterator[tuple[str, int]]:
    for names in profile.meanings.event_types.values():
        for name in names.values():
            flag = mbus_flag_of(name)
            number = flag.removeprefix(_NUMBERED).split("_")[0] if flag else ""
            if flag and flag.startswith(_NUMBERED) and number.isdecimal():
                yield flag, int(number)
